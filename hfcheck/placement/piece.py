"""A tensor of a model that is loaded in parallel, with the rule that concerns it."""

from dataclasses import dataclass

from hfcheck.loading.spec import Shape
from hfcheck.placement.cut import Cut
from hfcheck.placement.scheme import Given


@dataclass(frozen=True, slots=True)
class Piece:
    """A parameter, or a buffer, which no rule concerns; `cut` is None where every rank holds all of it.

    `form` is its name with `*` for each number, as plans have it.
    """

    name: str
    form: str
    shape: Shape
    nbytes: int
    is_buffer: bool = False
    given: Given | None = None
    cut: Cut | None = None
