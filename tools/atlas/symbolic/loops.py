"""Loops: a range of symbols is gone through once, and what its rounds carry along gets a closed form."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.expressions import Expressions
from tools.atlas.symbolic.frames import STAYED, Frame, Left
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.stops import Unsupported
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    UNSET,
    Item,
    Loop,
    Maybe,
    Opaque,
    Sym,
    is_scalar,
    kinds_of,
    term_of,
)


class Loops(Expressions):
    """The part of the interpreter that runs loops."""

    def _while(self, node: ast.While, frame: Frame) -> Left:
        for _ in range(1000):
            condition = self.truth(self.evaluate(node.test, frame))
            if condition == FALSE:
                return STAYED
            if condition != TRUE:
                break
            left = self.block(node.body, frame)
            if left.any not in {TRUE, FALSE}:
                break
            if TRUE in (left.returned, left.broken):
                return Left(returned=left.returned)
        raise Unsupported("a loop that ends by a symbol")

    def _for(self, node: ast.For, frame: Frame) -> Left:
        over = self.journal.resolve(self.evaluate(node.iter, frame))
        if isinstance(over, Opaque):
            return STAYED
        items = self.iterate(over)
        return self._rounds(items, lambda value: self._round(node, value, frame), node.body, frame)

    def _round(self, node: ast.For, value: Any, frame: Frame) -> Left:
        self.assign(node.target, value, frame)
        return self.block(node.body, frame)

    def _rounds(
        self, items: Sequence[Item], run: Callable[[Any], Left], body: Sequence[ast.stmt], frame: Frame
    ) -> Left:
        for number, item in enumerate(items):
            if isinstance(item, Loop):
                self._symbolic_round(item, run, body, frame)
                continue
            if isinstance(item, Maybe):
                inner = item.items
                self.under(item.condition, lambda: self._rounds(inner, run, body, frame))  # noqa: B023 — at once
                continue
            left = run(item.value)
            gone = terms.either(left.returned, left.broken)
            if gone == FALSE:
                continue
            if gone == TRUE:
                return Left(returned=left.returned)
            rest = items[number + 1 :]
            later = self.under(terms.negate(gone), lambda: self._rounds(rest, run, body, frame))  # noqa: B023 — at once
            stay = terms.negate(gone)
            return Left(returned=terms.either(left.returned, terms.both(stay, later.returned)))
        return STAYED

    def _symbolic_round(self, loop: Loop, run: Callable[[Any], Left], body: Sequence[ast.stmt], frame: Frame) -> None:
        self.counts[loop.index] = loop.count
        index: Term = ("i", loop.index)
        variables = frame.variables
        carried: dict[str, tuple[int, Any]] = {}
        for name in _assigned(body):
            if is_scalar(variables.get(name, UNSET)):
                number = self.new_number()
                carried[name] = (number, variables[name])

        def once() -> None:
            for name, (number, start) in carried.items():
                self.journal.write(
                    variables, name, Sym(("carry", number, index), kinds_of(start) - {"null"} or kinds_of(start))
                )
            left = self._rounds(loop.items, run, body, frame)
            if terms.either(left.returned, left.broken) != FALSE:
                raise Unsupported("a loop over symbols that is left early")

        self.loops.append(loop.index)
        try:
            _, effects = self.journal.attempt(once)
        finally:
            self.loops.pop()
        finals = self._settle(loop, carried, effects)
        for cell, key, value in effects.values():
            old = cell.get(key, UNSET)
            if cell is variables and key in finals:
                self.journal.write(cell, key, finals[key])
            elif key == "items" and isinstance(value, tuple):
                size = len(old) if old is not UNSET and value[: len(old)] == old else 0
                self.journal.write(cell, key, (*value[:size], Loop(loop.index, loop.count, value[size:])))
            elif _mentions(key, loop.index):
                self.journal.write(cell, key, value)
            else:
                last = self._last(value, loop)
                exists = terms.compare(">", loop.count, terms.ZERO)
                # A name that is set in a loop and read behind it is there: the loop had a round.
                self.journal.write(cell, key, last if old is UNSET else ite(exists, last, old))

    def _last(self, value: Any, loop: Loop) -> Any:
        if not is_scalar(value):
            return value
        last = terms.binary("-", loop.count, terms.ONE)
        term = terms.substitute(term_of(value), {("i", loop.index): last})
        return term[2] if terms.is_const(term) else Sym(term, kinds_of(value))

    def _settle(self, loop: Loop, carried: dict[str, tuple[int, Any]], effects: Any) -> dict[Any, Any]:
        """Closed forms of variables that go from one round of a loop into the next; their values after the loop."""
        index: Term = ("i", loop.index)
        values = {key: value for cell, key, value in effects.values() if not isinstance(key, tuple)}
        finals: dict[Any, Any] = {}
        for name, (number, start) in carried.items():
            value = values.get(name, UNSET)
            mine: Term = ("carry", number, index)
            if not is_scalar(value):
                finals[name] = value
                self.carried[number] = (loop.index, ("opaque", f"{name} in a loop"))
                continue
            begin, after = term_of(start), term_of(value)
            closed = _closed_form(begin, after, mine, index)
            self.carried[number] = (loop.index, closed or ("opaque", f"{name} in a loop"))
            at_end: Term = (
                terms.substitute(closed, {index: loop.count}) if closed else ("opaque", f"{name} after a loop")
            )
            finals[name] = at_end[2] if terms.is_const(at_end) else Sym(at_end, kinds_of(value) | kinds_of(start))
        return finals


def _closed_form(begin: Term, after: Term, mine: Term, index: Term) -> Term | None:
    """What a variable holds when round `index` begins, from what it holds after a round; None where it is not known."""
    if after == mine:
        return begin
    if mine not in terms.parts(after):
        before = terms.substitute(after, {index: terms.binary("-", index, terms.ONE)})
        return terms.choose(terms.compare("==", index, terms.ZERO), begin, before)
    if after[0] in {"+", "-", "*", "//"} and after[1] == mine:
        step = after[2]
    elif after[0] in {"+", "*"} and after[2] == mine:
        step = after[1]
    else:
        return None
    if mine in terms.parts(step):
        return None
    free = index not in terms.parts(step) and not any(part[0] == "carry" for part in terms.parts(step))
    if after[0] in {"+", "-"}:
        if free:
            return terms.binary(after[0], begin, terms.binary("*", index, step))
        if any(part[0] == "carry" for part in terms.parts(step)):
            return None
        total = terms.call("sum", ("each", index[1], index, step))
        # The bound variable of `each` takes the place of the index, so the count needs a name of its own.
        return terms.binary(after[0], begin, _rename(total, index))
    return terms.binary(after[0], begin, terms.binary("**", step, index)) if free else None


_fresh = iter(range(1_000_000, 2_000_000))


def _rename(total: Term, index: Term) -> Term:
    _, name, (_, _, count, body) = total
    bound = next(_fresh)
    return ("f", name, ("each", bound, count, terms.substitute(body, {index: ("i", bound)})))


def _assigned(body: Sequence[ast.stmt]) -> list[str]:
    """Names of variables that a block sets, in order."""
    names = [
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return list(dict.fromkeys(names))


def _mentions(key: Any, index: int) -> bool:
    return isinstance(key, Sym) and ("i", index) in terms.parts(key.term)
