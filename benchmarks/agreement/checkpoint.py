"""A saved model as its files: tensors, config, and how names of tensors are built."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"

Tensors = dict[str, torch.Tensor]
Config = dict[str, Any]
Mutate = Callable[[Path, Random], str | None]
"""Changes a folder and says what it changed; None where there is nothing of this kind to change."""

NUMBER = re.compile(r"(?:^|(?<=\.))\d+(?=\.|$)")


def read_tensors(path: Path) -> Tensors:
    return load_file(path)


def write_tensors(path: Path, tensors: Tensors) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def read_config(folder: Path) -> Config:
    config: Config = json.loads((folder / CONFIG).read_text())
    return config


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2))


def on_tensors(edit: Callable[[Tensors, Random], str | None]) -> Mutate:
    """A mutation of the single weight file, from a function that edits its tensors in place."""

    def mutate(folder: Path, rng: Random) -> str | None:
        tensors = read_tensors(folder / SINGLE)
        what = edit(tensors, rng)
        if what is not None:
            write_tensors(folder / SINGLE, tensors)
        return what

    return mutate


def on_config(edit: Callable[[Config, Random], str | None]) -> Mutate:
    """A mutation of config.json, from a function that edits the document in place."""

    def mutate(folder: Path, rng: Random) -> str | None:
        config = read_config(folder)
        what = edit(config, rng)
        if what is not None:
            write_json(folder / CONFIG, config)
        return what

    return mutate


def layers(names: Iterable[str]) -> tuple[str, list[int]] | None:
    """The largest stack of layers: the path before the index, and the indexes; None without two layers."""
    stacks: dict[str, set[int]] = defaultdict(set)
    sizes: dict[str, int] = defaultdict(int)
    for name in names:
        if match := NUMBER.search(name):
            stacks[name[: match.start()]].add(int(match.group()))
            sizes[name[: match.start()]] += 1
    deep = [prefix for prefix, indexes in stacks.items() if len(indexes) > 1]
    if not deep:
        return None
    prefix = max(deep, key=lambda candidate: (sizes[candidate], candidate))
    return prefix, sorted(stacks[prefix])


def in_layer(names: Iterable[str], prefix: str, index: int) -> list[str]:
    return sorted(name for name in names if name.startswith(f"{prefix}{index}."))


def template(name: str) -> str:
    """The name with its indexes left out: the same for the same tensor of all layers."""
    return NUMBER.sub("{}", name)
