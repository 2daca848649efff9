"""`hfcheck convert`: what it writes, what it refuses, and that nothing half-written is left."""

import errno
import json
import os
import pickle
import stat
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck.conversion import write as writing
from hfcheck.conversion.verify import verify
from tests.conversion.conftest import Convert

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

ONE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SAFE, SAFE_INDEX = "model.safetensors", "model.safetensors.index.json"
State = dict[str, Any]


def same(state: State) -> State:
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def counted(count: int, dtype: Any) -> Any:  # noqa: ANN401 - torch is not imported where types are checked
    """So many bytes that are all different from their neighbours, as a tensor of some type."""
    return torch.arange(count, dtype=torch.int64).to(torch.uint8).view(dtype)


OLD = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "complex64")
NEW = (
    "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float8_e8m0fnu", "float4_e2m1fn_x2",
)  # fmt: skip
"""Types that torch does not write in the format before 1.6."""


def of_types(names: tuple[str, ...]) -> State:
    state = {name: counted(48, getattr(torch, name)) for name in names}
    return state | {"bool": torch.tensor([True, False, True])}


def views() -> State:
    base = torch.arange(120, dtype=torch.float32)
    matrix = base[:60].view(6, 10)
    return {
        "a row": matrix[2], "a column": matrix[:, 3], "columns": matrix[:, 2:5], "transposed": matrix.t(),
        "every second": base[1:99:2], "permuted": base.view(2, 3, 4, 5).permute(3, 1, 0, 2),
        "expanded": base[:1].expand(7),
        "channels last": torch.arange(48.0).view(1, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "disjoint": base[100:110],
    }  # fmt: skip


ODD = ("", "é", '"', "\\", "\x01\n", "a/b", "\U0001f917")

STATES: dict[str, Callable[[], State]] = {
    "types": lambda: of_types(OLD),
    "newer types": lambda: of_types(NEW),
    "views": views,
    "no dimensions, no elements": lambda: {
        "scalar": torch.tensor(1.5), "empty": torch.zeros(0), "empty too": torch.zeros(3, 0, 2),
        "true": torch.ones((), dtype=torch.bool),
    },
    "parameters": lambda: dict(torch.nn.Linear(3, 4).named_parameters()),
    "a module's": lambda: torch.nn.BatchNorm1d(3).state_dict(),
    "odd names": lambda: OrderedDict((name, torch.zeros(1)) for name in ODD),
}  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", STATES)
def test_the_file_that_save_file_writes(kind: str, zipped: bool, tmp_path: Path, convert: Convert) -> None:  # noqa: FBT001
    if kind == "newer types" and not zipped:
        pytest.skip("torch does not write them so")
    state = STATES[kind]()
    torch.save(state, tmp_path / ONE, _use_new_zipfile_serialization=zipped)
    loaded = torch.load(tmp_path / ONE, weights_only=True)
    safetensors.save_file(same(loaded), tmp_path / "expected", {"format": "pt"})
    code, said, _ = convert(tmp_path)
    assert (code, said.count("written: model.safetensors")) == (0, 1)
    assert (tmp_path / SAFE).read_bytes() == (tmp_path / "expected").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", SAFE, ONE]
    assert stat.S_IMODE((tmp_path / SAFE).stat().st_mode) == stat.S_IMODE((tmp_path / ONE).stat().st_mode)


def test_names(tmp_path: Path, convert: Convert) -> None:
    for name in (
        "pytorch_model.fp16.bin",
        "diffusion_pytorch_model.bin",
        "adapter_model.bin",
        "weights.pt",
        "a.b.pth",
        "odd.pkl",
    ):
        torch.save({"a": torch.zeros(2)}, tmp_path / name)
        assert convert(tmp_path / name)[0] == 0
    written = {path.name for path in tmp_path.iterdir() if path.suffix == ".safetensors"}
    assert written == {
        "model.fp16.safetensors", "diffusion_pytorch_model.safetensors", "adapter_model.safetensors",
        "weights.safetensors", "a.b.safetensors", "odd.pkl.safetensors",
    }  # fmt: skip


def test_opcodes_that_only_the_weights_only_machine_lacks(tmp_path: Path, convert: Convert) -> None:
    """`from_pretrained` refuses the file, and all that is in it are tensors: this is what the command is for."""
    state = {"a": torch.arange(6.0).view(2, 3)}
    torch.save(state, tmp_path / ONE, pickle_protocol=4)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    code, _, error = convert(tmp_path)
    assert code == 0, error
    assert torch.equal(safetensors.load_file(tmp_path / SAFE)["a"], state["a"])


def shards(folder: Path, *, metadata: Any = None) -> State:  # noqa: ANN401 - JSON
    state = {name: torch.full((100,), float(ord(name))) for name in "abcde"}
    parts = {"pytorch_model-00001-of-00002.bin": "abc", "pytorch_model-00002-of-00002.bin": "de"}
    for file, names in parts.items():
        torch.save({name: state[name] for name in names}, folder / file)
    weight_map = {name: file for file, names in parts.items() for name in names}
    (folder / INDEX).write_text(json.dumps({"metadata": metadata or {"total_size": 1}, "weight_map": weight_map}))
    return state


def test_shards(tmp_path: Path, convert: Convert) -> None:
    state = shards(tmp_path, metadata={"total_size": 7, "total_parameters": 500, "other": "x"})
    assert convert(tmp_path)[0] == 0
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert json.loads((tmp_path / SAFE_INDEX).read_text()) == {
        "metadata": {"total_size": 2000, "total_parameters": 500},
        "weight_map": {"a": names[0], "b": names[0], "c": names[0], "d": names[1], "e": names[1]},
    }
    found = {**safetensors.load_file(tmp_path / names[0]), **safetensors.load_file(tmp_path / names[1])}
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(800, ["ab", "cd", "e"]), (400, ["a", "b", "c", "d", "e"]), (399, ["a", "b", "c", "d", "e"]), (2000, ["abcde"])],
)
@pytest.mark.parametrize("sharded", [True, False])
def test_other_shards(size: int, expected: list[str], sharded: bool, tmp_path: Path, convert: Convert) -> None:  # noqa: FBT001
    source, output = tmp_path / "source", tmp_path / "new"
    source.mkdir()
    state = shards(source)
    if not sharded:
        torch.save(state, source / ONE)
    assert convert(source, output=str(output), max_shard_size=size)[0] == 0
    total = len(expected)
    names = [f"model-{number:05d}-of-{total:05d}.safetensors" for number in range(1, total + 1)]
    names = names if total > 1 else [SAFE]
    assert [sorted(safetensors.load_file(output / name)) for name in names] == [list(part) for part in expected]
    assert (output / SAFE_INDEX).exists() == (total > 1)
    if total > 1:
        index = json.loads((output / SAFE_INDEX).read_text())
        assert index["metadata"]["total_size"] == 2000
        assert set(index["weight_map"].values()) == set(names)


def test_shared_tensors_get_their_own_bytes(tmp_path: Path, convert: Convert) -> None:
    """No config says that they are tied, so a loader may want both: transformers would not save such a model."""
    one = torch.arange(10.0)
    torch.save({"a": one, "b": one, "c": one[2:5]}, tmp_path / ONE)
    code, _, said = convert(tmp_path)
    assert code == 0
    assert [line.split('"')[1] for line in said.splitlines() if "copied" in line] == ["b", "c"]
    found = safetensors.load_file(tmp_path / SAFE)
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], one[2:5])


class Harmless:
    """What it would print is never printed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("hfcheck-marker",)


def other_byte_order(folder: Path, order: bytes) -> None:
    import zipfile  # noqa: PLC0415 - for this one alone

    torch.save({"a": torch.zeros(2)}, folder / "x")
    with zipfile.ZipFile(folder / "x") as old, zipfile.ZipFile(folder / ONE, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, order if info.filename.endswith("byteorder") else old.read(info))


# Where a rule has an error about the file, it is the rule that says so.
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a call": (lambda: {"a": torch.zeros(2), "b": Harmless()}, "PKL"),
    "a module": (lambda: torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    "a checkpoint": (lambda: {"state_dict": {"a": torch.zeros(2)}, "epoch": 1}, '"/state_dict"'),
    "a tensor": (lambda: torch.zeros(2), "a tensor, and no mapping|FMT"),
    "no state dict": (lambda: [1, 2], "no state dict"),
    "nothing": (dict, "no tensors|FMT"),
    "a number": (lambda: {"a": torch.zeros(2), "step": 3}, 'entry "step" is no tensor'),
    "a nameless tensor": (lambda: {"a": torch.zeros(2), 3: torch.zeros(2)}, "1 of its entries have no name|FMT"),
    "sparse": (lambda: {"a": torch.eye(3).to_sparse()}, '"a" is sparse'),
    "meta": (lambda: {"a": torch.zeros(2, device="meta")}, '"a" is meta'),
    "complex": (lambda: {"a": torch.zeros(2, dtype=torch.complex128)}, "(C128)"),
    "a reserved name": (lambda: {"__metadata__": torch.zeros(2)}, '"__metadata__" has a name'),
    "out of proportion": (lambda: {"a": torch.zeros(1).expand(2**40)}, "out of all proportion|would be made of"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path, convert: Convert, capfd: pytest.CaptureFixture[str]) -> None:
    build, why = REFUSED[kind]
    torch.save(build(), tmp_path / ONE)
    code, said, errors = convert(tmp_path)
    assert (code, said) == (1, ""), errors
    assert any(word in errors for word in why.split("|")), errors
    assert [path.name for path in tmp_path.iterdir()] == [ONE]
    assert "hfcheck-marker" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("order", [b"big", b"middle", b"littler"])
def test_other_byte_order_is_refused(order: bytes, tmp_path: Path, convert: Convert) -> None:
    other_byte_order(tmp_path, order)
    code, _, said = convert(tmp_path)
    assert code == 1
    assert "byte" in said


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9, 0.999])
def test_truncated(place: float, tmp_path: Path, convert: Convert) -> None:
    for zipped in (True, False):
        torch.save({"a": torch.arange(1000.0)}, tmp_path / ONE, _use_new_zipfile_serialization=zipped)
        content = (tmp_path / ONE).read_bytes()
        (tmp_path / ONE).write_bytes(content[: int(len(content) * place)])
        assert convert(tmp_path)[0] in {1, 3}
        assert [path.name for path in tmp_path.iterdir()] == [ONE]


def test_what_cannot_be_read_is_incomplete(tmp_path: Path, convert: Convert) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (tmp_path / ONE).write_text(pointer)
    code, _, said = convert(tmp_path)
    assert code == 3
    assert "git-lfs pointer" in said


def test_nothing_to_convert(tmp_path: Path, convert: Convert) -> None:
    assert convert(tmp_path)[0] == 2
    (tmp_path / INDEX).write_text("{}")
    assert convert(tmp_path)[0] == 2
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": {"a": "../x.bin"}}))
    assert convert(tmp_path)[0] == 2


def test_a_missing_shard(tmp_path: Path, convert: Convert) -> None:
    shards(tmp_path)
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    code, _, said = convert(tmp_path)
    assert code == 1
    assert "pytorch_model-00002-of-00002.bin: it is missing" in said


def test_a_tensor_in_two_shards(tmp_path: Path, convert: Convert) -> None:
    shards(tmp_path)
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    code, _, said = convert(tmp_path)
    assert code == 1
    assert "as well" in said


def test_links(tmp_path: Path, convert: Convert) -> None:
    outside, folder = tmp_path / "outside.bin", tmp_path / "model"
    folder.mkdir()
    torch.save({"a": torch.zeros(2)}, outside)
    (folder / ONE).symlink_to(outside)
    code, _, said = convert(folder)
    assert code == 1
    assert "leaves the repository" in said
    # What is written in the place of a link replaces the link.
    (folder / ONE).unlink()
    torch.save({"a": torch.ones(2)}, folder / ONE)
    (folder / SAFE).symlink_to(outside)
    before = outside.read_bytes()
    assert convert(folder)[0] == 2
    assert convert(folder, force=True)[0] == 0
    assert outside.read_bytes() == before
    assert not (folder / SAFE).is_symlink()


def test_nothing_is_written_over(tmp_path: Path, convert: Convert) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / ONE)
    (tmp_path / SAFE).write_text("mine")
    code, _, said = convert(tmp_path)
    assert (code, (tmp_path / SAFE).read_text()) == (2, "mine")
    assert "--force" in said
    assert convert(tmp_path, force=True)[0] == 0
    assert safetensors.load_file(tmp_path / SAFE)["a"].tolist() == [1, 1]


def test_a_file_that_would_be_loaded_instead(tmp_path: Path, convert: Convert) -> None:
    shards(tmp_path)
    (tmp_path / SAFE).write_text("mine")
    for force in (False, True):
        code, _, said = convert(tmp_path, force=force)
        assert code == 2
        assert "open it instead" in said


def test_a_file_that_comes_meanwhile(tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / ONE)

    def meanwhile(*_: object) -> None:
        (tmp_path / SAFE).write_text("mine")

    monkeypatch.setattr(writing, "verify", meanwhile)
    assert convert(tmp_path)[0] == 2
    assert (tmp_path / SAFE).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [SAFE, ONE]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_nothing_is_left_of_half_a_file(
    error: BaseException, tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 1:
            raise error

    monkeypatch.setattr(os, "fsync", fail)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            convert(tmp_path)
    else:
        code, _, said = convert(tmp_path)
        assert code == 2
        assert "No space left on device" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("spoil", ["header", "tensor", "end"])
def test_what_was_written_is_compared(
    spoil: str, tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.ones(200)}, tmp_path / ONE)

    def spoilt(output: Any, streams: Any, target: Any, advance: Any) -> None:  # noqa: ANN401 - as the real one
        content = bytearray(Path(target.name).read_bytes())
        place = {"header": 20, "tensor": len(content) - 100, "end": len(content) - 1}[spoil]
        content[place] ^= 1
        Path(target.name).write_bytes(content)
        verify(output, streams, target, advance)

    monkeypatch.setattr(writing, "verify", spoilt)
    code, said, errors = convert(tmp_path)
    assert (code, said) == (3, "")
    assert "what was written is not what was read" in errors
    assert [path.name for path in tmp_path.iterdir()] == [ONE]


def test_a_source_that_changes(tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(200)}, tmp_path / ONE)

    def changed(*arguments: Any) -> None:  # noqa: ANN401 - as the real one
        verify(*arguments)
        os.utime(tmp_path / ONE, (1, 1))

    monkeypatch.setattr(writing, "verify", changed)
    code, _, said = convert(tmp_path)
    assert code == 3
    assert "it changed while it was read" in said
    assert [path.name for path in tmp_path.iterdir()] == [ONE]


def test_nothing_is_unpickled(tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / ONE)

    def never(*_: object, **__: object) -> None:
        pytest.fail("it was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    monkeypatch.setattr(torch, "load", never)
    assert convert(tmp_path)[0] == 0


def test_the_header_is_aligned(tmp_path: Path, convert: Convert) -> None:
    torch.save({"a" * length: torch.ones(1) for length in range(1, 9)}, tmp_path / ONE)
    assert convert(tmp_path)[0] == 0
    (length,) = struct.unpack("<Q", (tmp_path / SAFE).read_bytes()[:8])
    assert length % 8 == 0
