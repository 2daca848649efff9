"""The data on caches: `schemas/caches/<model_type>.json`, which tools/atlas/cache_files.py reads off real ones."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

_TYPE = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_MAX_TYPE = 80


@dataclass(frozen=True, slots=True)
class StateForm:
    """A state of one sequence: expressions for its `shape`; `dtype` where it is not the model's."""

    shape: tuple[str, ...]
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class CachePart:
    """One part of a cache, for the layers behind the prefix `layers` for which `condition` holds.

    All but `layers` and `kind` are texts of expressions over the config of the class, whose index is `$0`.
    """

    layers: str
    kind: str
    condition: str | None = None
    per_token: str = ""
    window: str = ""
    states: tuple[StateForm, ...] = ()
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class CacheClass:
    """A class that generates. `keeps_logits` says that its forward pass makes logits of all tokens, not of the last.

    `has_sdpa` says that it attends without the whole matrix of scores, where nobody asks for another way.
    """

    parts: tuple[CachePart, ...]
    keeps_logits: bool = False
    has_sdpa: bool = True


@lru_cache(maxsize=128)
def cache_classes(model_type: str) -> Mapping[str, CacheClass]:
    """The classes of a registered type that generate, by name; none for any other text."""
    # A config is a stranger's: this is the only thing that keeps its `model_type` from being a path.
    if len(model_type) > _MAX_TYPE or not _TYPE.fullmatch(model_type):
        return {}
    file = files("hfcheck_schemas").joinpath("caches").joinpath(f"{model_type}.json")
    try:
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    # Some file systems find "llama.json" under "LLAMA.json".
    found: Mapping[str, Any] = data["classes"] if data["model_type"] == model_type else {}
    return {name: _class(one) for name, one in found.items()}


def _class(data: Mapping[str, Any]) -> CacheClass:
    parts = tuple(_part(one) for one in data["parts"])
    return CacheClass(parts, data.get("logits") == "all", "sdpa" in data.get("attention", ["sdpa"]))


def _part(data: Mapping[str, Any]) -> CachePart:
    states = tuple(StateForm(tuple(one["shape"]), one.get("dtype")) for one in data.get("states", ()))
    return CachePart(
        layers=data["layers"],
        kind=data["kind"],
        condition=data.get("if"),
        per_token=data.get("per_token", ""),
        window=data.get("window", ""),
        states=states,
        dtype=data.get("dtype"),
    )
