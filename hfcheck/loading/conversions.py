"""The renames and conversions that transformers applies to a checkpoint, from `schemas/conversions.json`.

Which of them a model gets is `get_model_conversion_mapping` of
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/conversion_mapping.py
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hfcheck.loading.spec import Spec

LEGACY = "legacy"
"""The list that every model gets at the end: old spellings of normalisation layers and weight norm."""


class Unmodelled(ValueError):
    """What the loader does here is not known to hfcheck: nothing may be said about the load."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a conversion. `name` is upstream's; what the other fields mean depends on it.

    `dim` and `other` are dimensions, `unless_fits` leaves a tensor that already has the shape alone, `config` is the
    sub-config whose heads count, `only` the parts of names that are permuted at all.
    """

    name: str
    dim: int = 0
    other: int = 0
    unless_fits: bool = False
    config: str | None = None
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Transform:
    """Names that match one of `sources` (regular expressions) become `targets[0]`; a converter has `operations`.

    `group`: sources and targets are pairs, and the first must have been seen before the others apply. `offset` is
    added to the index in the name.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    operations: tuple[Operation, ...] = ()
    group: bool = False
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Scoped:
    """A transform of a sub-model: only what follows one of these prefixes, the first that fits, is looked at."""

    transform: Transform
    prefixes: tuple[str, ...] = ("",)


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    text = files("hfcheck_schemas").joinpath("conversions.json").read_text(encoding="utf-8")
    lists: Mapping[str, Any] = json.loads(text)["lists"]
    return lists


def names() -> frozenset[str]:
    """The class names and model types that have a list."""
    return frozenset(_data())


@lru_cache(maxsize=1 << 10)
def listed(name: str) -> Sequence[Transform]:
    """The transforms of a class name or model type; none where it has no list."""
    found = _data().get(name, ())
    return listed(found) if isinstance(found, str) else tuple(map(_transform, found))


def transforms(spec: Spec) -> tuple[Scoped, ...]:
    """The transforms of a model in the order of application. The type in the file selects those of the root."""
    modules = ((each.at, each.class_name, each.model_type if each.at else spec.model_type) for each in spec.submodels)
    return _transforms(tuple(modules), spec.base_prefix)


@lru_cache(maxsize=64)
def _transforms(modules: Sequence[tuple[str, str, str]], base_prefix: str) -> tuple[Scoped, ...]:
    """Of sub-models by path, class name and model type.

    A class name that has a list counts before the model type. What a sub-model has claimed is not looked up again
    below it, so that a model and the base model inside it do not apply the same renames twice.
    """
    claimed: defaultdict[str, list[str]] = defaultdict(list)
    found: list[Scoped] = []
    for at, class_name, model_type in modules:
        if _covered(at, claimed[class_name]):
            continue
        own = listed(class_name)
        if not own:
            own = listed(model_type)
            if not own or _covered(at, claimed[model_type]):
                continue
            claimed[model_type].append(at)
        claimed[class_name].append(at)
        prefixes = _prefixes(at, base_prefix)
        found += (Scoped(transform, prefixes) for transform in own)
    return (*found, *map(Scoped, listed(LEGACY)))


def _covered(at: str, ancestors: Sequence[str]) -> bool:
    return any(not ancestor or at.startswith(ancestor + ".") for ancestor in ancestors)


def _prefixes(at: str, base_prefix: str) -> tuple[str, ...]:
    """The base model may be saved without its prefix, or a head model be loaded into a base model: both are tried."""
    if not at:
        return ("",)
    path = at.removeprefix(base_prefix).removeprefix(".")
    scope = f"{path}." if path else ""
    return (f"{base_prefix}.{scope}", scope) if base_prefix else (scope,)


def _transform(data: Mapping[str, Any]) -> Transform:
    return Transform(
        _tuple(data["from"]),
        _tuple(data["to"]),
        tuple(map(_operation, data.get("ops", ()))),
        data.get("group", False),
        data.get("offset"),
    )


def _operation(data: Mapping[str, Any]) -> Operation:
    only = data.get("only")
    return Operation(
        data["op"],
        data.get("dim", 0),
        data.get("other", 0),
        data.get("unless_fits", False),
        data.get("config"),
        None if only is None else tuple(only),
    )


def _tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
