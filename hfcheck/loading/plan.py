"""Which stored tensors go into which parameter, before any shape is looked at.

The first half of `convert_and_load_state_dict_in_model` and the end of `rename_source_key` in
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/core_model_loading.py
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hfcheck.loading.conversions import Transform, Unmodelled, transforms
from hfcheck.loading.order import natural
from hfcheck.loading.rename import LONGEST, Renamer
from hfcheck.loading.spec import Shape, Spec

_SPECIAL = re.compile(r"[\\()\[\]{}*+?|^$]")


@dataclass(frozen=True, slots=True)
class Gathered:
    """Stored tensors on their way through a converter: names by source pattern, in natural order."""

    converter: Transform
    names: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each parameter takes, one tensor as it is or several through a converter, and the names left over.

    All in natural order of the stored names; `unexpected` is a set that keeps it.
    """

    takes: dict[str, str | Gathered] = field(default_factory=dict)
    unexpected: dict[str, None] = field(default_factory=dict)
    shadowed: list[str] = field(default_factory=list)


def plan(spec: Spec, stored: Iterable[str]) -> Plan:
    """Renames all names; the first of two names for one parameter decides what is done with both.

    Raises `Unmodelled`.
    """
    state = spec.state
    renamer = Renamer(transforms(spec))
    prefix = _Prefix(spec.base_prefix, state)
    made = Plan()
    ordered = natural(stored)
    names = [name for name in ordered if len(name) <= LONGEST]
    for name, (renamed, pattern) in zip(names, renamer.all(names), strict=True):
        target, source = renamed, pattern
        if target not in state or target in prefix.moved:
            target = prefix.apply(renamed)
            if target not in state and name in state:
                target, source = prefix.apply(name), None
        if target not in state:
            made.unexpected[target] = None
            if source is not None:  # reported under all names that the converter would have given
                first, *others = renamer.converters[source].targets
                made.unexpected.update((target.replace(first, other), None) for other in others)
        elif source is None:
            _take(made, name, target)
        else:
            _gather(made, name, target, source, renamer.converters[source])
    if len(names) < len(ordered):
        made.unexpected.update((name, None) for name in ordered if len(name) > LONGEST)
    return made


def _take(made: Plan, name: str, target: str) -> None:
    """A tensor that goes into a parameter as it is."""
    taken = made.takes.setdefault(target, name)
    if isinstance(taken, Gathered):
        taken.names[name] = [name]
    elif taken is not name:
        made.shadowed.append(name)
    elif name != target and _SPECIAL.search(name):
        raise Unmodelled("the loader reads a renamed name as a pattern, and one has special characters")


def _gather(made: Plan, name: str, target: str, source: str, converter: Transform) -> None:
    """A tensor for a converter. The converter of the first name is the one that runs, as upstream does."""
    taken = made.takes.get(target)
    if taken is None:
        taken = made.takes[target] = Gathered(converter)
    if isinstance(taken, Gathered):
        taken.names.setdefault(source, []).append(name)
    else:
        made.shadowed.append(name)


class _Prefix:
    """The prefix of the base model is added or cut off where that leads to a parameter."""

    def __init__(self, prefix: str, state: Mapping[str, Shape]) -> None:
        self._prefix = prefix
        self._state = state
        self.moved = frozenset(name for name in state if self.apply(name) != name)
        """Parameters whose own name is not left alone."""

    def apply(self, name: str) -> str:
        """One character is cut with the prefix, whichever it is: upstream's `^prefix.` has its dot unescaped."""
        cut = len(self._prefix) + 1
        if name.startswith(self._prefix) and name[cut:] in self._state and name[cut - 1 : cut] != "\n":
            return name[cut:]
        longer = f"{self._prefix}.{name}"
        return longer if longer in self._state else name
