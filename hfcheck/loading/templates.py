"""Names of tensors with their indices taken out: `model.layers.3.norm.weight` is `model.layers.{}.norm.weight`."""

import re
from collections.abc import Iterable, Sequence

_INDEX = re.compile(r"(?<![^.])[0-9]+(?![^.])")

_RUNS = 4
"""Runs of indices that a message shows for one place; beyond, it says how many there are."""

_DIGITS = 18
"""A longer number is no index: nobody has such a layer, and Python refuses to read 4,301 digits."""


def template(name: str) -> str:
    """The name with `{}` for each component that is a number."""
    return _INDEX.sub("{}", name)


def indices(name: str) -> tuple[int, ...]:
    """The components of a name that are numbers, from left to right."""
    return tuple(int(number[:_DIGITS]) for number in _INDEX.findall(name))


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """The names by template, both in the order given."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_INDEX.sub("{}", name), []).append(name)
    return groups


def shown(names: Sequence[str]) -> str:
    """Names of one template as one: `model.layers.{0-30,32}.norm.weight`; a single name as it is."""
    if len(names) == 1:
        return names[0]
    pieces = template(names[0]).split("{}")
    columns = zip(*map(indices, names), strict=True)
    filled = (pieces[0], *(f"{_span(column)}{piece}" for column, piece in zip(columns, pieces[1:], strict=False)))
    return "".join(filled)


def span(numbers: Iterable[int]) -> str:
    """Numbers as runs: `0-30, 32`."""
    runs = _runs(sorted(set(numbers)))
    text = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs[:_RUNS])
    return text if len(runs) <= _RUNS else f"{text}, ..."


def _span(column: Sequence[int]) -> str:
    numbers = set(column)
    return str(column[0]) if len(numbers) == 1 else f"{{{span(numbers).replace(', ', ',')}}}"


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
