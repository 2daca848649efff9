"""What `hfcheck convert` is pointed at: the files of `torch.save` in a folder, and the names that they get."""

import os
from dataclasses import dataclass

from hfcheck.facts import Facts
from hfcheck.finding import visible
from hfcheck.layout import CONFIG, SINGLE_WEIGHTS, WEIGHT_SUFFIXES, index_name
from hfcheck.repository import look_up
from hfcheck.shelf import Shelf
from hfcheck.weights import Index, candidates

PICKLED, CONVERTED = "pytorch_model", "model"
"""How the names begin that transformers looks for."""

SUFFIX = ".safetensors"


class NothingToConvert(Exception):
    """What was named holds nothing that could be converted; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Source:
    """The files to convert: by their names in the folder `facts` are about, in order, with the index that names them.

    `taken` is the file or index that was chosen.
    """

    facts: Facts
    taken: str
    files: tuple[str, ...]
    index: Index | None = None


def find(path: str) -> Source:
    """The weights in a folder that a loader would open, or the file or index that is named; raises NothingToConvert."""
    if os.path.isdir(path):
        root, names = (
            path,
            tuple(name for name in candidates("") if not name.endswith((SUFFIX, f"{SUFFIX}.index.json"))),
        )
        known = look_up(root, names).entries
        taken = next((name for name in names if any(entry.path == name for entry in known)), None)
        if taken is None:
            raise NothingToConvert(f"{visible(path)} has no {SINGLE_WEIGHTS[1]} and no index of one: name the file")
    else:
        root, taken = os.path.dirname(path) or ".", os.path.basename(path)
    if index_name(taken) is None:
        return Source(_facts(root, taken), taken, (taken,))
    found = _facts(root, taken)
    index = next((index for index in found.indexes if index.path == taken), None)
    if index is None:
        raise NothingToConvert(f"{visible(taken)} is no index that can be followed")
    shards = tuple(sorted(index.tensors_by_shard()))
    if not index.followed or any("/" in shard for shard in shards):
        raise NothingToConvert(f"{visible(taken)} names shards that do not lie beside it")
    return Source(_facts(root, taken, *shards), taken, shards, index)


def converted(name: str) -> str:
    """The name under which a loader finds the converted file: `model.safetensors` for `pytorch_model.bin`."""
    if (index := index_name(name)) is not None:
        return _index_named(_stem(index.stem), index.variant)
    stem, suffix = os.path.splitext(name)
    return f"{_stem(stem)}{SUFFIX}" if suffix in WEIGHT_SUFFIXES else f"{name}{SUFFIX}"


def single(taken: str) -> str:
    """The name of the one file that stands for all that is converted."""
    index = index_name(taken)
    return converted(index.single if index is not None else taken)


def numbered(name: str, number: int, total: int) -> str:
    """The name of one of several files that stand for `name`: `model-00001-of-00002.safetensors`."""
    return f"{name.removesuffix(SUFFIX)}-{number:05d}-of-{total:05d}{SUFFIX}"


def index_of(name: str) -> str:
    """The index of the shards that stand for the file `name`: `model.safetensors.index.json`."""
    stem, _, variant = name.removesuffix(SUFFIX).partition(".")
    return _index_named(stem, variant or None)


def _index_named(stem: str, variant: str | None) -> str:
    return ".".join(part for part in (f"{stem}{SUFFIX}", "index", variant, "json") if part)


def _stem(stem: str) -> str:
    return f"{CONVERTED}{stem[len(PICKLED) :]}" if stem.startswith(PICKLED) else stem


def _facts(root: str, *names: str) -> Facts:
    repository = look_up(root, (*names, CONFIG))
    return Facts("", repository.entries, Shelf(repository))
