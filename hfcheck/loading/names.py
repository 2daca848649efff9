"""Where expressions look names up: the boundary between a resolved config and the atlas that reads it."""

from enum import Enum
from typing import Final, Literal, Protocol, runtime_checkable


class Absent(Enum):
    """The type of ABSENT, so that a type checker can tell it from every other value."""

    ABSENT = "absent"


class Unknown(Enum):
    """The type of UNKNOWN."""

    UNKNOWN = "unknown"


ABSENT: Final[Literal[Absent.ABSENT]] = Absent.ABSENT
"""The config has no such attribute; null is a value."""

UNKNOWN: Final[Literal[Unknown.UNKNOWN]] = Unknown.UNKNOWN
"""Our data does not determine the value, or Python would have raised."""


@runtime_checkable
class Names(Protocol):
    """What an expression reads: one level of names."""

    def get(self, name: str, /) -> object:
        """The value, another `Names` for a sub-config, ABSENT, or UNKNOWN."""
        ...  # pragma: no cover
