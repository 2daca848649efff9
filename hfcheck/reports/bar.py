"""A device of a dry run as a bar: what is on it, what it keeps while it generates, what is left, and its limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from hfcheck.placement.plan import Plan
from hfcheck.placement.result import DeviceUse

WEIGHTS, CACHE, OTHER, ESTIMATE, RESERVE, FREE, LIMIT = range(7)

MEANING = {
    WEIGHTS: "weights and buffers",
    CACHE: "cache of generation",
    OTHER: "layers that visit, and temporaries",
    ESTIMATE: "estimated, at most",
    RESERVE: "kept free by the planner",
    LIMIT: "the limit",
}

ON_DEVICE = frozenset({"weights", "buffers"})
KEPT = frozenset({"kv-cache", "states", "prompt-peak"})
"""Names of terms."""


@dataclass(frozen=True, slots=True)
class Signs:
    """A character for each part of a bar, in the order of the numbers above."""

    characters: str

    def __getitem__(self, part: int) -> str:
        return self.characters[part]


ASCII = Signs("#k+~- |")
BLOCKS = Signs("█▓▒░· ┃")

COLOURS = {WEIGHTS: "34", CACHE: "36", OTHER: "35", ESTIMATE: "33", RESERVE: "2", LIMIT: "1"}
OVER = "31"


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts of a bar column by column, and how many of them lie within the limit."""

    parts: tuple[int, ...]
    within: int

    def runs(self) -> Iterator[tuple[int, bool, int]]:
        """Part, whether it is beyond the limit, and how many columns it takes."""
        marked = ((part, column >= self.within) for column, part in enumerate(self.parts))
        for (part, is_over), columns in groupby(marked):
            yield part, is_over, sum(1 for _ in columns)


def bar(use: DeviceUse, plan: Plan | None, columns: int) -> Bar | None:
    """The bar of a device: its size, or what it needs where that is more; None where there is no size to show."""
    size = use.device.size
    if size is None or not use.is_listed:
        return None
    scale = max(size, use.high)
    if not scale:
        return Bar((FREE,) * columns, columns)
    ends = _ends(use)
    kept = _kept_free(use, plan)
    parts = [_part((column + 0.5) / columns * scale, ends, kept) for column in range(columns)]
    if ends[WEIGHTS]:
        parts[0] = WEIGHTS  # however little it is
    within = columns
    if use.high > size:
        within = min(int(size / scale * columns), columns - 1)
        parts[within] = LIMIT
    return Bar(tuple(parts), within)


def _ends(use: DeviceUse) -> tuple[int, int, int, int]:
    """Where weights, cache, other exact parts and estimates end, in bytes from the left."""
    weights = sum(term.low for term in use.terms if term.name in ON_DEVICE)
    cache = weights + sum(term.low for term in use.terms if term.name in KEPT)
    exact = sum(term.low for term in use.terms if term.low == term.high)
    return weights, cache, max(cache, exact), use.high


def _kept_free(use: DeviceUse, plan: Plan | None) -> range:
    """The bytes below its budget that the planner left free for the largest layer that may visit."""
    stop = next((stop for stop in plan.stops if stop.device == use.device.key), None) if plan is not None else None
    return range(int(stop.budget - stop.reserve), int(stop.budget)) if stop is not None else range(0)


def _part(at: float, ends: tuple[int, int, int, int], kept: range) -> int:
    found = next((part for part, end in enumerate(ends) if at < end), None)
    if found is not None:
        return found
    return RESERVE if int(at) in kept else FREE
