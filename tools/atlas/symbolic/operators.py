"""Comparison, truth and arithmetic."""

import ast
from collections.abc import Callable
from typing import Any

from tools.atlas.symbolic import tensors, terms
from tools.atlas.symbolic.items import Items
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.pending import Pending
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    Choice,
    Closure,
    Config,
    Dict,
    Item,
    List,
    Loop,
    Opaque,
    Plain,
    Range,
    Sym,
    Tensor,
    is_scalar,
    kinds_of,
    new_list,
    term_of,
)

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Div: "/", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip


class Operators(Items):
    """The part of the interpreter that compares and calculates."""

    def compare(self, op: str, left: Any, right: Any) -> Term:
        left, right = self.journal.resolve(left), self.journal.resolve(right)
        for value, other, swapped in ((left, right, False), (right, left, True)):
            if isinstance(value, Choice):
                sides = (value.then, value.other)
                results = [
                    self.compare(op, other, side) if swapped else self.compare(op, side, other) for side in sides
                ]
                return terms.choose(value.condition, results[0], results[1])
        if op in {"is", "is not", "==", "!="}:
            wanted = op in {"is", "=="}
            if is_scalar(left) and is_scalar(right):
                if not kinds_of(left) & kinds_of(right) and not _numbers(left, right):
                    return FALSE if wanted else TRUE
            elif not (isinstance(left, Opaque) or isinstance(right, Opaque)):
                if is_scalar(left) or is_scalar(right):
                    listed = any(isinstance(x, Sym) and x.kinds & {"list", "dict"} for x in (left, right))
                    if not (listed and any(isinstance(x, (List, tuple, list, Dict)) for x in (left, right))):
                        return FALSE if wanted else TRUE
                elif _concrete(left) and _concrete(right):
                    return terms.const((left is right or left == right) is wanted)
                elif type(left) is not type(right) or not isinstance(left, (List, tuple)):
                    return terms.const((left is right) is wanted)
        if op in {"in", "not in"}:
            inside = self.contains(right, left)
            return inside if op == "in" else terms.negate(inside)
        if _concrete(left) and _concrete(right):
            return _concrete_comparison(op, left, right)
        return self.journal.simplify(terms.compare(op, term_of(left), term_of(right)))

    def contains(self, container: Any, value: Any) -> Term:
        if isinstance(container, Dict):
            container = tuple(container.cell)
        if isinstance(container, Pending):
            there = container.present(value) if isinstance(value, str) else ("opaque", "a key of the file")
            return self.journal.simplify(there)
        if _concrete(container) and _concrete(value):
            try:
                return terms.const(value in container)
            except TypeError:
                return ("opaque", "in")
        if isinstance(container, (tuple, list, set, frozenset, dict)) and all(is_scalar(x) for x in container):
            members = sorted(container, key=str) if isinstance(container, (set, frozenset)) else container
            result = FALSE
            for member in members:
                result = terms.either(result, self.compare("==", value, member))
            return result
        return self.journal.simplify(terms.compare("in", term_of(value), term_of(container)))

    def truth(self, value: Any) -> Term:
        value = self.journal.resolve(value)
        if isinstance(value, Choice):
            return terms.choose(value.condition, self.truth(value.then), self.truth(value.other))
        if isinstance(value, Sym):
            return self.journal.condition(value.term)
        if isinstance(value, Opaque):
            return ("opaque", value.reason)
        if isinstance(value, List):
            if any(isinstance(item, Plain) for item in value.items):
                return TRUE
            total = terms.ZERO
            for item in value.items:
                total = terms.binary("+", total, self.count(item))
            return self.journal.condition(terms.compare(">", total, terms.ZERO))
        if isinstance(value, Dict):
            return terms.const(bool(value.cell))
        if isinstance(value, Tensor):
            return ("opaque", "the truth of a tensor")
        if isinstance(value, Range):
            return terms.compare(">", value.stop, value.start)
        try:
            return terms.const(bool(value)) if _concrete(value) else TRUE
        except (TypeError, ValueError, RuntimeError):
            return TRUE

    def count(self, item: Item) -> Term:
        """How many elements an item of a list stands for."""
        if isinstance(item, Plain):
            return terms.ONE
        inner = terms.ZERO
        for part in item.items:
            inner = terms.binary("+", inner, self.count(part))
        if isinstance(item, Loop):
            if ("i", item.index) in terms.parts(inner):
                return terms.call("sum", ("each", item.index, item.count, inner))
            return terms.binary("*", item.count, inner)
        return terms.choose(item.condition, inner, terms.ZERO)

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        left, right = self.journal.resolve(left), self.journal.resolve(right)
        for value, other, swapped in ((left, right, False), (right, left, True)):
            if isinstance(value, Choice):
                a, b = (
                    self.operate(op, other, side) if swapped else self.operate(op, side, other)
                    for side in (value.then, value.other)
                )
                return ite(value.condition, a, b)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            made = tensors.broadcast((left, right))
            whole = isinstance(op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod))
            whole = whole and not any("float" in kinds_of_any(side) for side in (left, right))
            return made if whole else Tensor(made.shape)
        if isinstance(op, ast.Mult) and isinstance(left, Sym) and left.kinds == {"list"}:
            index = self.new_number()
            size = terms.call("len", left.term)
            element = terms.item(left.term, terms.binary("%", ("i", index), size))
            return Sym(("each", index, terms.binary("*", size, term_of(right)), element), left.kinds)
        if isinstance(op, ast.Add) and (_is_list(left) or _is_list(right)):
            return self._joined(left, right)
        if isinstance(op, ast.Mult) and (_is_list(left) or _is_list(right)):
            return self._repeated(*((left, right) if _is_list(left) else (right, left)))
        if _concrete(left) and _concrete(right):
            try:
                return _PYTHON[type(op)](left, right)
            except (TypeError, ArithmeticError, ValueError, KeyError) as error:
                return Opaque(str(error))
        if isinstance(left, str) and isinstance(op, ast.Mod):
            return Opaque("text")
        if type(op) not in OPERATORS:
            return Opaque(f"the operator {type(op).__name__}")
        if (
            isinstance(op, ast.Add)
            and "str" in kinds_of_any(left) & kinds_of_any(right)
            and {"int"}.isdisjoint(kinds_of_any(left) | kinds_of_any(right))
        ):
            return Sym(("fmt", *_fmt_parts(left), *_fmt_parts(right)), frozenset({"str"}))
        term = terms.binary(OPERATORS[type(op)], term_of(left), term_of(right))
        kinds = (kinds_of_any(left) | kinds_of_any(right)) - {"null"}
        if isinstance(op, ast.Div):
            kinds = frozenset({"float"})
        elif "list" not in kinds and "str" not in kinds:
            kinds = kinds & {"int", "float"} or frozenset({"int"})
            if ("float" in kinds_of_any(left) and kinds_of_any(left) == {"float"}) or kinds_of_any(right) == {"float"}:
                kinds = frozenset({"float"})
        return self.scalar(term, kinds)

    def _joined(self, left: Any, right: Any) -> Any:
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right
        return new_list((*self.iterate(left), *self.iterate(right)))

    def _repeated(self, sequence: Any, times: Any) -> Any:
        items = self.iterate(sequence)
        if isinstance(times, int):
            return sequence * times if isinstance(sequence, tuple) else new_list(items * times)
        index = self.new_number()
        count = term_of(times)
        self.counts[index] = count
        return new_list((Loop(index, count, items),))


def kinds_of_any(value: Any) -> frozenset[str]:
    return kinds_of(value) if is_scalar(value) else frozenset()


def _numbers(left: Any, right: Any) -> bool:
    numbers = {"int", "float", "bool"}
    return bool(kinds_of(left) & numbers) and bool(kinds_of(right) & numbers)


def _is_list(value: Any) -> bool:
    return isinstance(value, (List, list, tuple))


def _fmt_parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Sym):
        return value.term[1:] if value.term[0] == "fmt" else (value.term,)
    return (str(value),)


def _concrete(value: Any) -> bool:
    if isinstance(value, (Sym, Opaque, Choice, List, Dict, Range, Tensor, Config, Closure)):
        return False
    if isinstance(value, (tuple, list)):
        return all(_concrete(item) for item in value)
    return type(value).__module__ != "tools.atlas.symbolic.values"


def _concrete_comparison(op: str, left: Any, right: Any) -> Term:
    try:
        if op in {"is", "is not"}:
            return terms.const((left is right) is (op == "is"))
        if op in {"==", "!="}:
            return terms.const(bool(left == right) is (op == "=="))
        return terms.const(bool(terms.COMPARISON[op](left, right)))
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        return ("opaque", str(error))


_PYTHON: dict[type, Callable[[Any, Any], Any]] = {
    **{node: terms.ARITHMETIC[op] for node, op in OPERATORS.items()},
    ast.BitOr: lambda a, b: a | b,
    ast.BitAnd: lambda a, b: a & b,
    ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b,
}
