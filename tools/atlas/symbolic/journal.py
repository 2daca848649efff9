"""Branches: effects are written into a journal, taken back, and merged under the condition of their branch."""

from collections.abc import Callable
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    UNSET,
    Choice,
    Dict,
    List,
    Maybe,
    Obj,
    Opaque,
    Sym,
    is_scalar,
    kinds_of,
    term_of,
)

Cell = dict[Any, Any]
Effects = dict[tuple[int, Any], tuple[Cell, Any, Any]]


class Journal:
    """All that is written while constructors run; a branch can be run, looked at and undone."""

    def __init__(self) -> None:
        self._logs: list[Effects] = []
        self.facts: dict[Term, bool] = {}

    def write(self, cell: Cell, key: Any, value: Any) -> None:
        """Set an entry; UNSET removes it."""
        if self._logs:
            self._logs[-1].setdefault((id(cell), key), (cell, key, cell.get(key, UNSET)))
        if value is UNSET:
            cell.pop(key, None)
        else:
            cell[key] = value

    def attempt(self, run: Callable[[], Any]) -> tuple[Any, Effects]:
        """Run something and undo it; its result and what it had written."""
        self._logs.append({})
        facts = dict(self.facts)
        try:
            result = run()
        except BaseException:
            self._undo()
            self.facts = facts
            raise
        effects = {place: (cell, key, cell.get(key, UNSET)) for place, (cell, key, _) in self._logs[-1].items()}
        self._undo()
        self.facts = facts
        return result, effects

    def _undo(self) -> None:
        for cell, key, old in reversed(self._logs.pop().values()):
            if old is UNSET:
                cell.pop(key, None)
            else:
                cell[key] = old

    def branch(self, condition: Term, *, holds: bool, run: Callable[[], Any]) -> tuple[Any, Effects]:
        """Run something where a condition is known, and undo it."""

        def under() -> Any:
            self.learn(condition, holds=holds)
            return run()

        return self.attempt(under)

    def learn(self, condition: Term, *, holds: bool) -> None:
        """A condition is known from here on; what it implies is, too."""
        if condition[:2] == ("f", "not"):
            self.learn(condition[2], holds=not holds)
            return
        if condition[:2] == ("f", "bool"):
            self.learn(condition[2], holds=holds)
        self.facts[condition] = holds
        if condition[:2] == ("f", "and" if holds else "or"):
            for part in condition[2:]:
                self.learn(part, holds=holds)
        elif holds and not terms.is_truth(condition):
            self.facts[("==", condition, terms.NULL)] = False

    def merge(self, condition: Term, then: Effects, other: Effects) -> None:
        """Write the effects of two branches, each where its side of the condition holds."""
        for place in {**then, **other}:
            cell, key, _ = then.get(place) or other[place]
            old = cell.get(key, UNSET)
            a = then[place][2] if place in then else old
            b = other[place][2] if place in other else old
            self.write(cell, key, merged_items(condition, a, b, old) if key == "items" else ite(condition, a, b))

    def apply(self, effects: Effects) -> None:
        """Write effects without a condition."""
        for cell, key, value in effects.values():
            self.write(cell, key, value)

    def simplify(self, term: Term) -> Term:
        """A term in the light of what is known here."""
        if not self.facts or terms.is_const(term):
            return term
        known = self.facts.get(term)
        if known is not None and terms.is_truth(term):
            return terms.TRUE if known else terms.FALSE
        if term[0] == "f" and term[1] in {"if", "and", "or", "not"}:
            if term[1] == "not":
                return terms.negate(self.condition(term[2]))
            if term[1] == "if":
                condition = self.condition(term[2])
                if terms.is_const(condition):
                    return self.simplify(term[3] if condition[2] else term[4])
            return terms.rebuild(term, self.simplify)
        if term[0] in {*terms.ARITHMETIC, "at", "=="}:
            return terms.rebuild(term, self.simplify)
        return term

    def condition(self, term: Term) -> Term:
        """A term of which only the truth counts, in the light of what is known."""
        while term[:2] == ("f", "bool"):
            term = term[2]
        known = self.facts.get(term)
        if known is not None:
            return terms.TRUE if known else terms.FALSE
        simple = self.simplify(term)
        known = self.facts.get(simple)
        return simple if known is None else terms.TRUE if known else terms.FALSE

    def resolve(self, value: Any) -> Any:
        """A value in the light of what is known: a choice that is decided is no choice."""
        if isinstance(value, Choice):
            condition = self.condition(value.condition)
            if terms.is_const(condition):
                return self.resolve(value.then if condition[2] else value.other)
            if value.then is UNSET:  # it is read, so it is there: the program ran under the same condition
                return self.resolve(value.other)
            return self.resolve(value.then) if value.other is UNSET else value
        if isinstance(value, Sym) and self.facts:
            term = self.simplify(value.term)
            if terms.is_const(term):
                return term[2]
            kinds = value.kinds
            if "null" in kinds and self.facts.get(("==", term, terms.NULL)) is False:
                kinds -= {"null"}
            return Sym(term, kinds)
        return value


def ite(condition: Term, a: Any, b: Any) -> Any:
    """One of two values: as a term where that is possible, else as a choice."""
    if a is b or condition == terms.TRUE:
        return a
    if condition == terms.FALSE:
        return b
    if is_scalar(a) and is_scalar(b):
        term = terms.choose(condition, term_of(a), term_of(b))
        return term[2] if terms.is_const(term) else Sym(term, kinds_of(a) | kinds_of(b))
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return tuple(ite(condition, x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Opaque) and isinstance(b, Opaque):
        return a
    if isinstance(a, List) and isinstance(b, List) and not _has_objects(a) and not _has_objects(b):
        return Sym(terms.choose(condition, term_of(a), term_of(b)), frozenset({"list"}))
    if {type(a), type(b)} == {List, Sym} and not any(isinstance(x, List) and _has_objects(x) for x in (a, b)):
        kinds = frozenset().union(*(kinds_of(x) if isinstance(x, Sym) else {"list"} for x in (a, b)))
        return Sym(terms.choose(condition, term_of(a), term_of(b)), kinds)
    if {type(a), type(b)} <= {Dict, Sym, type(None)} and Dict in {type(a), type(b)}:
        sides = (term_of(a), term_of(b))
        if not any(part[0] == "opaque" for side in sides for part in terms.parts(side)):
            kinds = frozenset().union(*(kinds_of(x) if is_scalar(x) else {"dict"} for x in (a, b)))
            return Sym(terms.choose(condition, *sides), kinds)
    if {type(a), type(b)} == {List, type(None)} and not any(isinstance(x, List) and _has_objects(x) for x in (a, b)):
        return Sym(terms.choose(condition, term_of(a), term_of(b)), frozenset({"list", "null"}))
    if type(a) is type(b) and not isinstance(a, (Obj, List)) and _same(a, b):
        return a
    return Choice(condition, a, b)


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (TypeError, ValueError, RuntimeError):
        return False


def _has_objects(value: List) -> bool:
    return any(part[0] == "opaque" for part in terms.parts(term_of(value)))


def merged_items(condition: Term, a: Any, b: Any, old: Any) -> Any:
    """Two lists that grew from the same beginning: what each has more is there under its side of the condition."""
    if old is UNSET or a is UNSET or b is UNSET:
        return ite(condition, a, b)
    size = len(old)
    if a[:size] != old or b[:size] != old:
        size = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    head, then, other = a[:size], a[size:], b[size:]
    tail = [Maybe(c, items) for c, items in ((condition, then), (terms.negate(condition), other)) if items]
    return (*head, *tail)
