"""Damage to the files of a saved model: shards, the index, bytes of the container, names of files."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

from benchmarks.agreement.checkpoint import (
    INDEX,
    SINGLE,
    Config,
    Mutate,
    Tensors,
    read_config,
    read_tensors,
    write_json,
    write_tensors,
)

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
OUTSIDE = "outside.safetensors"

Edit = Callable[[Path, Config, Random], str]
"""Changes a sharded folder, or its index in place."""


def _shard(folder: Path) -> Config:
    """Split the weights into two shards; gives their index."""
    tensors = read_tensors(folder / SINGLE)
    (folder / SINGLE).unlink()
    names = sorted(tensors)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    for shard, inside in zip((ONE, TWO), halves, strict=True):
        write_tensors(folder / shard, {name: tensors[name] for name in inside})
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    weight_map = dict.fromkeys(halves[0], ONE) | dict.fromkeys(halves[1], TWO)
    return {"metadata": {"total_size": size}, "weight_map": weight_map}


def sharded(edit: Edit) -> Mutate:
    def mutate(folder: Path, rng: Random) -> str | None:
        if len(read_tensors(folder / SINGLE)) < 4:  # noqa: PLR2004 - two tensors for each shard
            return None
        index = _shard(folder)
        what = edit(folder, index, rng)
        write_json(folder / INDEX, index)
        return what

    return mutate


def in_order(_folder: Path, _index: Config, _: Random) -> str:
    return "two shards"


def without_metadata(_folder: Path, index: Config, _: Random) -> str:
    del index["metadata"]
    return "index without metadata"


def metadata_empty(_folder: Path, index: Config, _: Random) -> str:
    index["metadata"] = {}
    return "metadata is empty"


def metadata_null(_folder: Path, index: Config, _: Random) -> str:
    index["metadata"] = None
    return "metadata is null"


def without_map(_folder: Path, index: Config, _: Random) -> str:
    del index["weight_map"]
    return "index without weight_map"


def map_empty(_folder: Path, index: Config, _: Random) -> str:
    index["weight_map"] = {}
    return "weight_map is empty"


def wrong_shard(_folder: Path, index: Config, rng: Random) -> str:
    name: str = rng.choice(sorted(index["weight_map"]))
    index["weight_map"][name] = ONE if index["weight_map"][name] == TWO else TWO
    return name


def entry_dropped(_folder: Path, index: Config, rng: Random) -> str:
    name: str = rng.choice(sorted(index["weight_map"]))
    del index["weight_map"][name]
    return name


def ghost(_folder: Path, index: Config, _: Random) -> str:
    index["weight_map"]["ghost.weight"] = ONE
    return "ghost.weight"


def shard_missing(folder: Path, _index: Config, rng: Random) -> str:
    shard = rng.choice((ONE, TWO))
    (folder / shard).unlink()
    return shard


def shard_unlisted(_folder: Path, index: Config, rng: Random) -> str:
    shard = rng.choice((ONE, TWO))
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file != shard}
    return shard


def tensor_twice(folder: Path, _index: Config, rng: Random) -> str:
    """The second shard has a tensor of the first, with other values."""
    first, second = read_tensors(folder / ONE), read_tensors(folder / TWO)
    name = rng.choice(sorted(first))
    second[name] = first[name] * 0
    write_tensors(folder / TWO, second)
    return name


def tensor_twice_of_another_shape(folder: Path, _index: Config, rng: Random) -> str:
    first, second = read_tensors(folder / ONE), read_tensors(folder / TWO)
    name = rng.choice(sorted(second))
    first[name] = second[name].clone()[None]
    write_tensors(folder / ONE, first)
    return name


def _moved(folder: Path, index: Config, target: Path, written: str) -> None:
    target.parent.mkdir(exist_ok=True)
    (folder / TWO).rename(target)
    index["weight_map"] = {name: written if file == TWO else file for name, file in index["weight_map"].items()}


def shard_outside(folder: Path, index: Config, _: Random) -> str:
    _moved(folder, index, folder.parent / OUTSIDE, f"../{OUTSIDE}")
    return f"../{OUTSIDE}"


def shard_absolute(folder: Path, index: Config, _: Random) -> str:
    _moved(folder, index, folder.parent / OUTSIDE, str((folder.parent / OUTSIDE).absolute()))
    return "an absolute path"


def shard_in_folder(folder: Path, index: Config, _: Random) -> str:
    _moved(folder, index, folder / "shards" / TWO, f"shards/{TWO}")
    return f"shards/{TWO}"


def shard_of_another_name(folder: Path, index: Config, _: Random) -> str:
    _moved(folder, index, folder / "second.safetensors", "second.safetensors")
    return "second.safetensors"


def shard_cut(folder: Path, _index: Config, _: Random) -> str:
    data = (folder / TWO).read_bytes()
    (folder / TWO).write_bytes(data[:-1])
    return f"{TWO} without its last byte"


def stale_index(folder: Path, _: Random) -> str:
    names = read_tensors(folder / SINGLE)
    write_json(folder / INDEX, {"metadata": {}, "weight_map": dict.fromkeys(names, "gone.safetensors")})
    return "an index of absent shards beside the single file"


def index_not_json(folder: Path, _: Random) -> str:
    _shard(folder)
    (folder / INDEX).write_text('{"metadata": {}, "weight_map": {')
    return "index cut off"


def weights_renamed(folder: Path, _: Random) -> str:
    (folder / SINGLE).rename(folder / "weights.safetensors")
    return "weights.safetensors"


def weights_renamed_and_named(folder: Path, _: Random) -> str:
    (folder / SINGLE).rename(folder / "weights.safetensors")
    write_json(folder / "config.json", {**read_config(folder), "transformers_weights": "weights.safetensors"})
    return "weights.safetensors, and the config says so"


def weights_absent(folder: Path, _: Random) -> str:
    (folder / SINGLE).unlink()
    return "no weights"


def bytes_of(change: Callable[[bytes], bytes]) -> Mutate:
    """Changes the bytes of the single weight file."""

    def mutate(folder: Path, _: Random) -> str:
        data = (folder / SINGLE).read_bytes()
        changed = change(data)
        (folder / SINGLE).write_bytes(changed)
        return f"{len(data)} bytes are {len(changed)}"

    return mutate


def _with_header(data: bytes, header: Config) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    length = int.from_bytes(data[:8], "little")
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def header_of(change: Callable[[Config, Random], str | None]) -> Mutate:
    """Changes the header of the single weight file and leaves its data as they are."""

    def mutate(folder: Path, rng: Random) -> str | None:
        data = (folder / SINGLE).read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        what = change(header, rng)
        if what is not None:
            (folder / SINGLE).write_bytes(_with_header(data, header))
        return what

    return mutate


def overlap(header: Config, rng: Random) -> str | None:
    """Two tensors of one shape and dtype share their bytes, and those of one are left over."""
    alike: dict[str, list[str]] = {}
    for name in sorted(header.keys() - {"__metadata__"}):
        alike.setdefault(str((header[name]["shape"], header[name]["dtype"])), []).append(name)
    pairs = [names for names in alike.values() if len(names) > 1]
    if not pairs:
        return None
    one, two = rng.sample(rng.choice(pairs), 2)
    header[one]["data_offsets"] = header[two]["data_offsets"]
    return f"{one} and {two}"


def without_format(header: Config, _: Random) -> str | None:
    return "no __metadata__" if header.pop("__metadata__", None) else None


def another_format(header: Config, _: Random) -> str:
    header["__metadata__"] = {"format": "nope"}
    return "format: nope"


def unknown_dtype(header: Config, rng: Random) -> str:
    name = rng.choice(sorted(header.keys() - {"__metadata__"}))
    header[name]["dtype"] = "F99"
    return f"{name} F99"


def shape_that_lies(header: Config, rng: Random) -> str | None:
    names = sorted(name for name in header.keys() - {"__metadata__"} if header[name]["shape"])
    if not names:
        return None
    name = rng.choice(names)
    header[name]["shape"][0] += 1
    return name


def lfs_pointer(data: bytes) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {len(data)}\n".encode()


def tensors_of_both(folder: Path, _: Random) -> str | None:
    """The single file beside a whole set of shards whose tensors have other shapes: the single file wins."""
    tensors = read_tensors(folder / SINGLE)
    others: Tensors = {name: tensor[None].clone() for name, tensor in tensors.items()}
    write_tensors(folder / ONE, others)
    write_json(folder / INDEX, {"metadata": {}, "weight_map": dict.fromkeys(others, ONE)})
    return "shards of other shapes beside the single file"


SHARDED: dict[str, Edit] = {
    "sharded": in_order,
    "index without metadata": without_metadata,
    "index with empty metadata": metadata_empty,
    "index with null metadata": metadata_null,
    "index without weight_map": without_map,
    "index with empty weight_map": map_empty,
    "index names the wrong shard": wrong_shard,
    "index lacks a tensor": entry_dropped,
    "index names a ghost": ghost,
    "shard missing": shard_missing,
    "shard not listed": shard_unlisted,
    "tensor in two shards": tensor_twice,
    "tensor in two shards, of two shapes": tensor_twice_of_another_shape,
    "shard outside of the folder": shard_outside,
    "shard by absolute path": shard_absolute,
    "shard in a subfolder": shard_in_folder,
    "shard of another name": shard_of_another_name,
    "shard short by a byte": shard_cut,
}

FILES: dict[str, Mutate] = {name: sharded(edit) for name, edit in SHARDED.items()} | {
    "index is not JSON": index_not_json,
    "stale index beside the file": stale_index,
    "shards beside the file": tensors_of_both,
    "weights under another name": weights_renamed,
    "weights under another name, in config": weights_renamed_and_named,
    "weights absent": weights_absent,
    "file short by a byte": bytes_of(lambda data: data[:-1]),
    "file cut in half": bytes_of(lambda data: data[: len(data) // 2]),
    "file cut to four bytes": bytes_of(lambda data: data[:4]),
    "file empty": bytes_of(lambda _: b""),
    "trailing bytes": bytes_of(lambda data: data + bytes(64)),
    "Git LFS pointer": bytes_of(lfs_pointer),
    "header is not JSON": bytes_of(lambda data: data[:8] + b"?" + data[9:]),
    "tensors that overlap": header_of(overlap),
    "no format in the file": header_of(without_format),
    "another format in the file": header_of(another_format),
    "unknown dtype in the header": header_of(unknown_dtype),
    "shape that the bytes belie": header_of(shape_that_lies),
}
