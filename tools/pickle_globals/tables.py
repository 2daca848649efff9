"""The documents of `schemas/pickle-*.json`, made of the tables here, of torch and of the wheels of releases."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tools.pickle_globals.dangerous import DANGERS
from tools.pickle_globals.groups import Group, Reading
from tools.pickle_globals.library import GROUPS, READINGS, REFUSED, TORCHSCRIPT
from tools.pickle_globals.releases import HOOKS, Class, Method, Wheel, wheel

GLOBALS: Final = "pickle-globals.json"
LIBRARY: Final = "pickle-library.json"
"""Apart, because an ordinary checkpoint needs the first alone, and it is a twentieth of both."""

READ: Final = Path(__file__).with_name("read.json")
"""The digest of each method that was read, with the place where it was met first."""

_PLAIN: Final = frozenset({
    "abc.ABC", "builtins.object", "collections.Counter", "collections.OrderedDict", "collections.UserDict",
    "collections.UserList", "collections.abc.Iterable", "collections.abc.Mapping", "collections.abc.MutableMapping",
    "dict", "float", "int", "list", "numbers.Real", "object", "str", "torch.Tensor", "tuple", "types.SimpleNamespace",
    "typing.Dict", "typing.Generic", "typing.MutableMapping", "typing.MutableSequence", "typing.NamedTuple",
    "typing.Protocol", "typing_extensions.Protocol",
})  # fmt: skip
"""Bases from elsewhere that add nothing to what unpickling runs."""
_ENUMERATIONS: Final = frozenset({
    "enum.Enum", "enum.Flag", "enum.IntEnum", "enum.IntFlag", "enum.StrEnum", "lightning_utilities.core.enums.StrEnum",
    "lightning_fabric.utilities.enums.LightningEnum",
})  # fmt: skip
_WITH_SETSTATE: Final = ("torch.nn.", "torch.optim.", "sklearn.")
"""Where a base is defined in another reading, and has a `__setstate__` of its own."""


class UnreadError(Exception):
    """Methods that unpickling runs and nobody has read."""

    def __init__(self, methods: Mapping[str, tuple[str, Method]]) -> None:
        super().__init__(f"{len(methods)} methods were not read")
        self.methods = methods


@dataclass(slots=True)
class Found:
    """What the readings gave: names by module, those that may be called apart, methods, and what was left out."""

    names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    called: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    run: dict[str, Method] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def documents(folder: Path) -> dict[str, Any]:
    """The two files by name; wheels that are not in this folder are downloaded into it."""
    readings, _ = library(folder)
    return {
        GLOBALS: {"weights_only": weights_only(), "torchscript": grouped(TORCHSCRIPT), "dangerous": dangerous()},
        LIBRARY: {"groups": _without_repeats([grouped(each) for each in GROUPS] + readings)},
    }


def weights_only() -> dict[str, Any]:
    """What `torch.load(weights_only=True)` accepts, asked of the installed torch."""
    import torch  # noqa: PLC0415 — seconds
    import torch.distributed.tensor  # noqa: PLC0415 — it adds to the list
    from torch import _weights_only_unpickler as unpickler  # noqa: PLC0415

    registered: Callable[[], dict[str, object]] = unpickler._get_user_allowed_globals  # noqa: SLF001
    return {
        "reason": "tensors, their storages and types, and the functions that put them together",
        "source": f"torch {torch.__version__.split('+')[0]}: torch/_weights_only_unpickler.py, _get_allowed_globals",
        "blocked": sorted(unpickler._blocklisted_modules),  # noqa: SLF001 — the list itself
        "names": _split(unpickler._get_allowed_globals()),  # noqa: SLF001
        "registered": {
            "reason": "added when `torch.distributed.tensor` is imported, as transformers does",
            "source": "torch/distributed/tensor/__init__.py, torch/nested/_internal/nested_tensor.py",
            "names": _split(registered()),
        },
    }


def dangerous() -> list[dict[str, Any]]:
    return [
        {
            "does": each.does,
            "source": each.source,
            "modules": sorted(each.modules.split()),
            "names": _sorted({module: set(names.split()) for module, names in each.names.items()}),
        }
        for each in DANGERS
    ]


def library(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The groups that the readings give, and the classes that do not enter, with the reason."""
    known = set(json.loads(READ.read_text(encoding="utf-8"))) if READ.exists() else set()
    admitted: set[str] = set()
    found = Found()
    groups: list[dict[str, Any]] = []
    for reading in READINGS:
        found.names, found.called = defaultdict(set), defaultdict(set)
        for release in reading.releases:
            _read(reading, _wheel(wheel(release, folder)), admitted, found)
        both = (found.names, found.called)
        admitted |= {f"{module}.{name}" for names in both for module in names for name in names[module]}
        source = f"{', '.join(map(str, reading.releases))}; {reading.source}"
        for names, calls in ((found.names, False), (found.called, True)):
            if names:
                reason = f"{reading.reason}; these are made by a call" if calls else reading.reason
                groups.append({"reason": reason, "source": source, "calls": calls, "names": _sorted(names)})
    unread = {each.digest: (where.split()[0], each) for where, each in found.run.items() if each.digest not in known}
    if unread:
        raise UnreadError(unread)
    return groups, found.left_out


def render(found: Mapping[str, Any]) -> str:
    """The text of the file: a line for each module."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+((?:\"[^\"]*\",?\s*)*)\]", lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"


@cache
def _wheel(path: Path) -> Wheel:
    return Wheel(path)


def _read(reading: Reading, release: Wheel, admitted: set[str], found: Found) -> None:
    for module in release.modules:
        if re.fullmatch(reading.functions, module):
            found.names[module] |= release.functions(module)
        if not re.fullmatch(reading.modules, module) or re.fullmatch(reading.skip, module):
            continue
        for each in release.classes(module):
            family = [each, *_ancestors(release, each, {str(each)})]
            reason = _refused(family, admitted)
            if reason is not None:
                found.left_out[str(each)] = reason
                continue
            for where, method in _run_by_unpickling(family):
                found.run.setdefault(f"{where} {method.digest}", method)
            called = _is_made_by_call(family, reading.called)
            (found.called if called else found.names)[each.module].add(each.name)


def _refused(family: Iterable[Class | str], admitted: set[str]) -> str | None:
    for each in family:
        name = str(each)
        if name in REFUSED:
            return f"{name.rpartition('.')[2]}: {REFUSED[name]}"
        if isinstance(each, str) and not (name in _PLAIN or name in _ENUMERATIONS or _is_tuple(name)):
            package, simple = name.partition(".")[0], name.rpartition(".")[2]
            if not any(one.startswith(f"{package}.") and one.endswith(f".{simple}") for one in admitted):
                return f"its base {name} was not read"
    return None


def _is_made_by_call(family: list[Class | str], bases: frozenset[str]) -> bool:
    """Enumerations, what the reading says, and what takes its value in `__new__` and has no `__init__`."""
    names = {str(each) for each in family}
    if names & (_ENUMERATIONS | bases):
        return True
    own = any(isinstance(each, Class) and "__init__" in each.methods for each in family)
    return not own and any(
        name in {"int", "float", "str", "tuple", "typing.NamedTuple"} or _is_tuple(name) for name in names
    )


def _is_tuple(base: str) -> bool:
    return base.startswith(("namedtuple(", "collections.namedtuple("))


def _ancestors(release: Wheel, each: Class | str, seen: set[str]) -> Iterator[Class | str]:
    for base in each.bases if isinstance(each, Class) else ():
        found = release.find(base)
        if str(found) not in seen:
            seen.add(str(found))
            yield found
            yield from _ancestors(release, found, seen)


def _run_by_unpickling(family: Iterable[Class | str]) -> Iterator[tuple[str, Method]]:
    """The methods; BUILD sets attributes one by one, through setters, only where there is no `__setstate__`."""
    family = list(family)
    whole = any(
        each.startswith(_WITH_SETSTATE) if isinstance(each, str) else "__setstate__" in each.methods for each in family
    )
    for each in family:
        for name, method in each.methods.items() if isinstance(each, Class) else ():
            setter = name.endswith(".setter") or name == "__setattr__"
            if (name in HOOKS and not setter) or (setter and not whole):
                yield f"{each}.{name}", method


def grouped(group: Group) -> dict[str, Any]:
    names = _sorted({module: set(names.split()) for module, names in group.names.items()})
    return {"reason": group.reason, "source": group.source, "calls": group.calls, "names": names}


def _without_repeats(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A name stands in the first group that has it."""
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for group in groups:
        left = {module: set(names) - seen[module] for module, names in group["names"].items()}
        for module, names in left.items():
            seen[module] |= names
        group["names"] = _sorted({module: names for module, names in left.items() if names})
    return groups


def _split(dotted: Iterable[str]) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for each in dotted:
        module, _, name = each.rpartition(".")
        found[module].add(name)
    return _sorted(found)


def _sorted(names: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {module: sorted(names[module]) for module in sorted(names)}
