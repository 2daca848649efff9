"""What it means that a pickle names a global: `schemas/pickle-*.json`, by exact pairs of module and name.

What no table names is unknown, and that is an error: to import a module already runs it. Nothing installed is
consulted, so the same bytes give the same verdict everywhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hfcheck.formats.pickle_compat import imported as moved
from hfcheck.formats.pickle_compat import imported_by_torch


class Tier(Enum):
    """How far a global is trusted; the value is how a report calls it."""

    DATA = "data"
    LIBRARY = "library class"
    UNKNOWN = "unknown"
    DANGEROUS = "known dangerous"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`does` completes "it ...", where the tier is DANGEROUS; it is empty elsewhere.

    `calls`: what a call of it does was read too. Where it is False, only making an empty object of the class (NEWOBJ,
    `copyreg._reconstructor` with `object`) and giving it a state are known to run nothing that the file chooses.
    """

    tier: Tier
    does: str = ""
    calls: bool = True


CALLED_ARGUMENT: Mapping[tuple[str, str], int] = {
    ("copyreg", "_reconstructor"): 1,
    ("numpy.random._pickle", "__bit_generator_ctor"): 0,
    ("numpy.random._pickle", "__generator_ctor"): 1,
    ("numpy.random._pickle", "__randomstate_ctor"): 1,
    ("torch._tensor", "_rebuild_from_type_v2"): 0,
}
"""Functions of the first two tiers that call one of their arguments, and which: it has to bear a call itself."""

_UNKNOWN = Judgement(Tier.UNKNOWN)
_DATA = Judgement(Tier.DATA)
_CALLABLE = Judgement(Tier.LIBRARY)
_CLASS = Judgement(Tier.LIBRARY, calls=False)


def judge(module: str | None, name: str | None, imported: tuple[str, str] | None) -> Judgement:
    """The tier of a global that a stream names so.

    `imported` is the pair that Python 3 imports for it, None where a call computes one of the two.
    """
    if module is not None:
        dangerous = _dangerous(module, name) or _dangerous(*moved(module, name or ""))
        if dangerous is None and imported is not None:
            dangerous = _dangerous(*imported)
        if dangerous is not None:
            return dangerous
    if imported is None or "." in imported[1]:
        return _UNKNOWN
    return _trusted(*imported)


def judge_torchscript(module: str | None, name: str | None, imported: tuple[str, str] | None) -> Judgement:
    """The tier of a global inside a TorchScript archive, where classes of the archive's own code may be named.

    `torch.jit.load` looks them up in `code/` and nowhere else.
    """
    if module is not None and name is not None and "." not in name:
        if module == "__torch__" or module.startswith("__torch__."):
            return _CLASS
        if name in _globals()["torchscript"]["names"].get(module, ()):
            return _CALLABLE
    return judge(module, name, imported)


def allowed_weights_only(module: str | None, name: str | None) -> bool:
    """Whether the weights-only unpickler of torch accepts a GLOBAL that is written so, at whatever protocol.

    It joins the two with a dot before it looks, so that the place of the dot does not matter, but for a module that is
    blocked. What torch adds to its list when `torch.distributed.tensor` is imported counts: transformers imports it.
    """
    if module is None or name is None:
        return False
    module, name = imported_by_torch(module, name)
    if module in _globals()["weights_only"]["blocked"]:
        return False
    return f"{module}.{name}" in _weights_only()


def _file(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(files("hfcheck_schemas").joinpath(name).read_bytes())
    return found


@lru_cache(maxsize=1)
def _globals() -> Mapping[str, Any]:
    return _file("pickle-globals.json")


@lru_cache(maxsize=1)
def _library() -> Sequence[Mapping[str, Any]]:
    """Twenty times as large, and no checkpoint of mere tensors asks for it."""
    groups: Sequence[Mapping[str, Any]] = _file("pickle-library.json")["groups"]
    return groups


@lru_cache(maxsize=1)
def _weights_only() -> frozenset[str]:
    table = _globals()["weights_only"]
    return frozenset(
        f"{module}.{name}"
        for names in (table["names"], table["registered"]["names"])
        for module, members in names.items()
        for name in members
    )


@lru_cache(maxsize=1 << 12)
def _trusted(module: str, name: str) -> Judgement:
    if name in _globals()["weights_only"]["names"].get(module, ()):
        return _DATA
    for group in _library():
        if name in group["names"].get(module, ()):
            return _CALLABLE if group["calls"] else _CLASS
    return _UNKNOWN


@lru_cache(maxsize=1 << 12)
def _dangerous(module: str, name: str | None) -> Judgement | None:
    for group in _globals()["dangerous"]:
        if name in group["names"].get(module, ()):
            return Judgement(Tier.DANGEROUS, group["does"])
    modules = _dangerous_modules()
    does = modules.get(module)
    while does is None and module:
        does = modules.get(f"{module}.*")
        module = module.rpartition(".")[0]
    return None if does is None else Judgement(Tier.DANGEROUS, does)


@lru_cache(maxsize=1)
def _dangerous_modules() -> Mapping[str, str]:
    """What a module does, whatever is named of it; `x.*` is `x` and all below it."""
    return {module: group["does"] for group in _globals()["dangerous"] for module in group["modules"]}
