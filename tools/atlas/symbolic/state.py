"""What all parts of the interpreter share: its state, branches, and what the parts ask of each other."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.frames import STAYED, Check, Frame, Left
from tools.atlas.symbolic.journal import Journal, ite
from tools.atlas.symbolic.stops import Raised
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import Closure, Config, Item, Kinds, List, Obj, Sym


class Run(ABC):
    """One construction: what is known on the way, the loops around, what is required of the config.

    `interpreted` are the beginnings of the names of modules whose functions are followed.
    """

    def __init__(self, interpreted: tuple[str, ...] = ("transformers",)) -> None:
        self.interpreted = interpreted
        self.journal = Journal()
        self.attention = "sdpa"
        self.path: list[Term] = []
        self.loops: list[int] = []
        self.counts: dict[int, Term] = {}
        self.carried: dict[int, tuple[int, Term]] = {}
        self.checks: list[Check] = []
        self.configs_made: dict[str, Config] = {}
        self._numbers = iter(range(1, 1_000_000))

    def new_number(self) -> int:
        """A number for a loop or for what it carries."""
        return next(self._numbers)

    def scalar(self, term: Term, kinds: Kinds) -> Any:
        term = self.journal.simplify(term)
        return term[2] if terms.is_const(term) else Sym(term, kinds)

    # Branches

    def when(self, condition: Term, then: Callable[[], Any], other: Callable[[], Any]) -> Any:
        """The value of one of two sides, with the effects of both merged."""
        if terms.is_const(condition):
            return then() if condition[2] else other()
        a, b = self.either_way(condition, then, other)
        if isinstance(a, Raised):
            return b
        return a if isinstance(b, Raised) else ite(condition, a, b)

    def require(self, condition: Term, error: str) -> None:
        """From here on the condition holds, because otherwise the constructor raises."""
        if condition == TRUE:
            return
        path = terms.conjunction(self.path)
        if condition == FALSE and path == TRUE:
            raise Raised(error)
        require = condition if path == TRUE else terms.either(terms.negate(path), condition)
        self.checks.append(Check(require, error, tuple(self.loops)))
        if condition == FALSE:
            raise Raised(error)
        self.journal.learn(condition, holds=True)

    def under(self, condition: Term, run: Callable[[], Any]) -> Any:
        """Run something whose effects count only under a condition; its result."""
        result, effects = self._side(condition, holds=True, run=run)
        if isinstance(result, Raised):
            self._never(condition, result)
            return STAYED
        self.journal.merge(condition, effects, {})
        return result

    def _side(self, condition: Term, *, holds: bool, run: Callable[[], Any]) -> tuple[Any, Any]:
        self.path.append(condition if holds else terms.negate(condition))

        def caught() -> Any:
            try:
                return run()
            except Raised as raised:
                return raised

        try:
            return self.journal.branch(condition, holds=holds, run=caught)
        finally:
            self.path.pop()

    def _never(self, condition: Term, raised: Raised) -> None:
        self.require(terms.negate(condition), str(raised))

    def either_way(self, condition: Term, then: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
        """Run both sides of a condition and merge what they did; their results, a Raised for a side that raises."""
        a, effects_a = self._side(condition, holds=True, run=then)
        b, effects_b = self._side(condition, holds=False, run=other)
        if isinstance(a, Raised) and isinstance(b, Raised):
            raise a
        if isinstance(a, Raised):
            self._never(condition, a)
            self.journal.apply(effects_b)
        elif isinstance(b, Raised):
            self._never(terms.negate(condition), b)
            self.journal.apply(effects_a)
        else:
            self.journal.merge(condition, effects_a, effects_b)
        return a, b

    def settled(self, term: Term) -> Term:
        """A term in which what loops carry along is replaced by its closed form."""
        if term[0] == "carry":
            index, closed = self.carried.get(term[1], (0, ("opaque", "a loop")))
            return self.settled(terms.substitute(closed, {("i", index): term[2]}))
        if term[0] in {"c", "v", "i", "opaque"}:
            return term
        return terms.rebuild(term, self.settled)

    # What one part asks of another

    @abstractmethod
    def get_attribute(self, owner: Any, name: str) -> Any: ...

    @abstractmethod
    def has_attribute(self, owner: Any, name: str) -> Term: ...

    @abstractmethod
    def set_attribute(self, owner: Any, name: Any, value: Any) -> None: ...

    @abstractmethod
    def get_item(self, owner: Any, key: Any) -> Any: ...

    @abstractmethod
    def extend(self, owner: List, more: Any) -> None: ...

    @abstractmethod
    def iterate(self, value: Any) -> tuple[Item, ...]: ...

    @abstractmethod
    def mapped(self, items: tuple[Item, ...], one: Callable[[Any], tuple[Item, ...]]) -> tuple[Item, ...]: ...

    @abstractmethod
    def count(self, item: Item) -> Term: ...

    @abstractmethod
    def truth(self, value: Any) -> Term: ...

    @abstractmethod
    def operate(self, op: ast.operator, left: Any, right: Any) -> Any: ...

    @abstractmethod
    def activation(self, name: Sym) -> Any: ...

    @abstractmethod
    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def initialise(self, made: Obj, init: Any, args: list[Any], kwargs: dict[str, Any]) -> None: ...

    @abstractmethod
    def run_function(self, function: FunctionType, args: Sequence[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def run_closure(self, closure: Closure, args: Sequence[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def evaluate(self, node: ast.expr, frame: Frame) -> Any: ...

    @abstractmethod
    def lookup(self, name: str, frame: Frame) -> Any: ...

    @abstractmethod
    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None: ...

    @abstractmethod
    def block(self, statements: Sequence[ast.stmt], frame: Frame) -> Left: ...
