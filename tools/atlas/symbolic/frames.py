"""What the interpreter keeps while it runs a function."""

from dataclasses import dataclass, field
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.terms import FALSE, Term


@dataclass(frozen=True, slots=True)
class Left:
    """The conditions under which a block was left early."""

    returned: Term = FALSE
    continued: Term = FALSE
    broken: Term = FALSE

    @property
    def any(self) -> Term:
        return terms.either(terms.either(self.returned, self.continued), self.broken)


STAYED = Left()


@dataclass(slots=True, eq=False)
class Frame:
    """A call that is being run."""

    variables: dict[Any, Any]
    scope: dict[str, Any]
    owner: type | None = None
    this: Any = None
    parent: "Frame | None" = None
    returns: list[tuple[Term, Any]] = field(default_factory=list)
    path: list[Term] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that has to hold, or the constructor raises."""

    require: Term
    error: str
    loops: tuple[int, ...]
