"""Lists and objects of a config that are changed in place.

As a term one cannot be changed: where an item is set, what holds the list gets the changed one, and so does what else
holds the same.
"""

import ast
from collections.abc import Callable
from types import BuiltinMethodType
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.calls import symbolic_value
from tools.atlas.symbolic.frames import STAYED, Frame, Left
from tools.atlas.symbolic.interpreter import Interpreter
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.terms import TRUE, Term
from tools.atlas.symbolic.values import ANY, Dict, List, Loop, Opaque, Plain, Sym, term_of

DICT, LISTS = frozenset({"dict"}), frozenset({"list"})


class InPlace(Interpreter):
    """The interpreter, with what is changed in place."""

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        if isinstance(target, ast.Subscript):
            owner = self.journal.resolve(self.evaluate(target.value, frame))
            key = self.evaluate(target.slice, frame)
            if isinstance(owner, Sym) or (isinstance(owner, List) and not _settable(owner, key)):
                changed = terms.call("put", term_of(owner), term_of(key), term_of(value))
                self.replace(target.value, owner, self.once(changed, owner), frame)
                return
        super().assign(target, value, frame)

    def delete(self, target: ast.expr, frame: Frame) -> None:
        if isinstance(target, ast.Subscript):
            owner = self.journal.resolve(self.evaluate(target.value, frame))
            key = self.evaluate(target.slice, frame)
            if isinstance(owner, Sym):
                self.replace(target.value, owner, self.once(self.without(owner.term, key), owner), frame)
                return
        super().delete(target, frame)

    def once(self, term: Term, owner: Any) -> Any:
        """What was changed in place; in a loop over symbols it is changed many times."""
        return Opaque("an item that a loop sets") if self.loops else Sym(term, _container(owner))

    def _for(self, node: ast.For, frame: Frame) -> Left:
        """A loop that sets items of a list under a condition, and does nothing else, is one expression."""
        place, test = _item_set(node)
        if place is None:
            return super()._for(node, frame)
        items = self.iterate(self.evaluate(node.iter, frame))
        owner = self.journal.resolve(self.evaluate(place.targets[0].value, frame))  # type: ignore[attr-defined]  # a subscript
        loop = items[0] if len(items) == 1 else None
        if not isinstance(loop, Loop) or len(loop.items) != 1 or not isinstance(owner, (Sym, List)):
            return super()._for(node, frame)
        target = place.targets[0]
        assert isinstance(target, ast.Subscript)  # noqa: S101 — so it was chosen

        def parts() -> tuple[Term, Term, Term]:
            value = loop.items[0]
            assert isinstance(value, Plain)  # noqa: S101 — a loop over a list or a range
            self.assign(node.target, value.value, frame)
            condition = TRUE if test is None else self.truth(self.evaluate(test, frame))
            key, value = self.evaluate(target.slice, frame), self.evaluate(place.value, frame)
            return condition, term_of(key), term_of(value)

        (condition, key, value), _ = self.journal.attempt(parts)
        old, place_ = term_of(owner), ("i", self.new_number())
        index: Term = ("i", loop.index)
        if key == index:
            renamed = {index: place_}
            hit = terms.both(terms.compare("<", place_, loop.count), terms.substitute(condition, renamed))
            value = terms.substitute(value, renamed)
        elif index in terms.parts(value):
            return super()._for(node, frame)
        else:
            one = terms.both(terms.compare("==", key, place_), condition)
            hit = terms.call("any", ("each", loop.index, loop.count, one))
        body = terms.choose(hit, value, terms.item(old, place_))
        changed = ("each", place_[1], terms.call("len", old), body)
        self.replace(target.value, owner, Sym(changed, LISTS), frame)
        return STAYED

    def replace(self, place: ast.expr, old: Any, new: Any, frame: Frame) -> None:
        """Let what holds a list or an object hold the changed one."""
        self.assign(place, new, frame)
        if isinstance(place, ast.Subscript):
            return
        for name, value in [*frame.variables.items()]:
            if self.is_same(value, old):
                self.journal.write(frame.variables, name, new)

    def is_same(self, value: Any, old: Any) -> bool:
        value = self.journal.resolve(value)
        return value is old or (isinstance(value, Sym) and isinstance(old, Sym) and value.term == old.term)

    def without(self, term: Term, key: Any) -> Term:
        bound = self.new_number()
        other = terms.negate(terms.compare("==", ("at", ("i", bound), terms.ZERO), term_of(key)))
        return terms.call("from_pairs", ("filter", bound, terms.call("pairs", term), other))

    def _call(self, node: ast.Call, frame: Frame) -> Any:
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            owner = self.journal.resolve(self.evaluate(node.func.value, frame))
            if isinstance(owner, Sym):
                args = [self.evaluate(arg, frame) for arg in node.args]
                named = {str(k.arg): self.evaluate(k.value, frame) for k in node.keywords if k.arg is not None}
                value, term = CHANGES[node.func.attr](self, owner.term, *args, **named)
                self.replace(node.func.value, owner, self.once(term, owner), frame)
                return value
        return super()._call(node, frame)

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, BuiltinMethodType) and isinstance(function.__self__, dict):
            key = self.journal.resolve(args[0]) if args else None
            if function.__name__ == "get" and isinstance(key, Sym):
                return self.chosen(function.__self__, key, args[1] if len(args) > 1 else None)
        return super().call(function, args, kwargs)

    def chosen(self, table: dict[Any, Any], key: Sym, default: Any) -> Any:
        """`table.get(key, default)`."""
        result = default
        for name, value in reversed(table.items()):
            same = self.journal.simplify(terms.compare("==", key.term, terms.const(name)))
            result = ite(same, symbolic_value(value), result)
        return result


def _item_set(node: ast.For) -> tuple[ast.Assign | None, ast.expr | None]:
    """The only statement of a loop, if it sets an item, and its condition."""
    body, test = node.body, None
    if len(body) == 1 and isinstance(body[0], ast.If) and not body[0].orelse:
        test, body = body[0].test, body[0].body
    alone = body[0] if len(body) == 1 else None
    if isinstance(alone, ast.Assign) and len(alone.targets) == 1 and isinstance(alone.targets[0], ast.Subscript):
        return alone, test
    return None, None


def _settable(owner: List, key: Any) -> bool:
    return isinstance(key, int) and all(isinstance(item, Plain) for item in owner.items)


def _container(owner: Any) -> frozenset[str]:
    return (owner.kinds & {"dict", "list"} or ANY) if isinstance(owner, Sym) else LISTS


def _setdefault(run: InPlace, term: Term, key: Any, default: Any = None) -> tuple[Any, Term]:
    there = terms.compare("in", term_of(key), term)
    value = terms.choose(there, terms.item(term, term_of(key)), term_of(default))
    return run.scalar(value, ANY), terms.choose(there, term, terms.call("put", term, term_of(key), term_of(default)))


def _pop(run: InPlace, term: Term, key: Any, *default: Any) -> tuple[Any, Term]:
    value = terms.call("get", term, term_of(key), term_of(default[0] if default else Opaque("no such key")))
    return run.scalar(value, ANY), run.without(term, key)


def _update(run: InPlace, term: Term, other: Any = None, **named: Any) -> tuple[None, Term]:
    del run
    parts = [term_of(part) for part in (other, Dict(named) if named else None) if part is not None]
    return None, terms.call("merge", term, *parts)


def _append(run: InPlace, term: Term, value: Any) -> tuple[None, Term]:
    del run
    return None, terms.call("concat", term, ("f", "list", term_of(value)))


def _extend(run: InPlace, term: Term, values: Any) -> tuple[None, Term]:
    return None, terms.call("concat", term, term_of(run.journal.resolve(values)))


def _difference(run: InPlace, term: Term, others: Any) -> tuple[None, Term]:
    bound = run.new_number()
    other = terms.negate(terms.compare("in", ("i", bound), term_of(run.journal.resolve(others))))
    return None, ("filter", bound, term, other)


CHANGES: dict[str, Callable[..., tuple[Any, Term]]] = {
    "setdefault": _setdefault, "pop": _pop, "update": _update, "append": _append, "extend": _extend,
    "difference_update": _difference,
}  # fmt: skip
"""Methods that change an object or a list in place: what each returns, and the changed one."""
