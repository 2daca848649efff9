"""A copy of a repository in which each safetensors file is one of `torch.save`."""

import shutil
from pathlib import Path
from random import Random

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from benchmarks.agreement.checkpoint import CONFIG, INDEX, SINGLE, Tensors, write_json, write_tensors
from hfcheck.formats.torch_dtypes import DTYPES, STORAGES

TRANSPOSED, WIDER, PARAMETERS = 0.1, 0.2, 0.3
"""Of ten tensors one is not contiguous, one is part of a larger storage, and one a parameter."""

OUTSIDE = "outside.safetensors"
"""What one kind of damage puts beside the folder."""

MATRIX = 2
"""Dimensions."""


class NoTwin(ValueError):
    """The files cannot be read, or the config names them, so that there is nothing to save again."""


def save(folder: Path, twin: Path, *, legacy: bool, rng: Random) -> list[str]:
    """Save the twin of a folder; the format of each of its files: `zip`, or `legacy` as far as that holds its types."""
    if b".safetensors" in (folder / CONFIG).read_bytes() if (folder / CONFIG).is_file() else False:
        raise NoTwin(CONFIG)
    twin.mkdir()
    formats: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise NoTwin(path.name)
        copy = twin / as_bin(path.relative_to(folder).as_posix())
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".safetensors"):
            tensors = _read(path)
            old = legacy and all(dtype(tensor) in STORAGES.values() for tensor in tensors.values())
            torch.save(_as_in_a_model(tensors, rng), copy, _use_new_zipfile_serialization=not old)
            formats.append("legacy" if old else "zip")
        elif path.name.endswith(".index.json"):
            text = path.read_text(errors="surrogateescape")
            copy.write_text(as_bin(text), errors="surrogateescape")
        elif path.is_file():
            shutil.copyfile(path, copy)
    outside = folder.with_name(OUTSIDE)
    if outside.exists():
        torch.save(_read(outside), outside.with_name(as_bin(OUTSIDE)))
    return formats


def save_state_dict(model: torch.nn.Module, folder: Path) -> None:
    """What `torch.save(model.state_dict())` writes, instead of the safetensors: tied tensors under all their names."""
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    torch.save({name: tensor.detach() for name, tensor in model.state_dict().items()}, folder / as_bin(SINGLE))


def shard(folder: Path) -> str:
    """The single file in three shards, with an index."""
    tensors = load_file(folder / SINGLE)
    names = sorted(tensors)
    parts = [names[number::3] for number in range(3)]
    files = [f"model-0000{number}-of-00003.safetensors" for number in range(1, 4)]
    for file, part in zip(files, parts, strict=True):
        write_tensors(folder / file, {name: tensors[name] for name in part})
    weight_map = {name: file for file, part in zip(files, parts, strict=True) for name in part}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": weight_map})
    (folder / SINGLE).unlink()
    return ""


def as_bin(text: str) -> str:
    """The name of a safetensors file in the spelling of a `.bin`; in a text, all such names."""
    text = text.replace("model.safetensors", "pytorch_model.bin").replace("model-0", "pytorch_model-0")
    return text.replace(".safetensors", ".bin")


def as_safetensors(text: str) -> str:
    return text.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def dtype(tensor: torch.Tensor) -> str:
    return DTYPES[str(tensor.dtype).removeprefix("torch.")]


def _as_in_a_model(tensors: Tensors, rng: Random) -> Tensors:
    saved: Tensors = {}
    for name, tensor in tensors.items():
        how = rng.random()
        if how < TRANSPOSED and tensor.dim() == MATRIX:
            saved[name] = tensor.t().contiguous().t()
        elif TRANSPOSED <= how < WIDER and tensor.numel():
            flat = tensor.flatten()
            saved[name] = torch.cat([flat[:1], flat, flat[:1]])[1:-1].view(tensor.shape)
        elif WIDER <= how < PARAMETERS and tensor.is_floating_point():
            saved[name] = torch.nn.Parameter(tensor)
        else:
            saved[name] = tensor
    return saved


def _read(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise NoTwin(path.name) from error
