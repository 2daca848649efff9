"""The end of a turn as a template writes it: a sequence of texts and of variables."""

from dataclasses import dataclass

UNKNOWN = "\0"
"""Text that is not known; no token goes across it."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a variable that holds a special token: `eos_token`."""

    name: str


Piece = str | Variable
Ending = tuple[Piece, ...]
