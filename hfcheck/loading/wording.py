"""Pieces of the sentences in which causes are told."""

from collections.abc import Sequence

from hfcheck.finding import quote
from hfcheck.loading.spec import Shape
from hfcheck.loading.templates import grouped, shown

_NAMED = 3
_LONGEST = 90
"""Characters of a name where several are listed: a message has 500."""


def counted(number: int, noun: str) -> str:
    """`1 tensor`, `12 tensors`."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Names as a message shows them: one line for each template, the first three of these, and how many more."""
    groups = [quote(shown(group), _LONGEST) for group in grouped(names).values()]
    more = len(groups) - _NAMED
    if more > 1:
        return f"{', '.join(groups[:_NAMED])} and {more} more such names"
    return groups[0] if len(groups) == 1 else f"{', '.join(groups[:-1])} and {groups[-1]}"


def is_or_are(names: Sequence[object]) -> str:
    return "is" if len(names) == 1 else "are"


def written(shape: Shape) -> str:
    """`[4096, 11008]`."""
    return str(list(shape))
