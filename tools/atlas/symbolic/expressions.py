"""Expressions: what a syntax tree comes to when names stand for symbols."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.calls import Calls
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
    Maybe,
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

if TYPE_CHECKING:
    from tools.atlas.symbolic.interpreter import Frame

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Div: "/", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
COMPARISONS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
TRUTH = frozenset({"bool"})


class Expressions(Calls):
    """The part of the interpreter that evaluates expressions."""

    def evaluate(self, node: ast.expr, frame: "Frame") -> Any:  # noqa: C901, PLR0911, PLR0912 — one case per node
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.lookup(node.id, frame)
            case ast.Attribute():
                return self.get_attribute(self.evaluate(node.value, frame), node.attr)
            case ast.Call():
                return self._call(node, frame)
            case ast.BinOp():
                return self.operate(node.op, self.evaluate(node.left, frame), self.evaluate(node.right, frame))
            case ast.UnaryOp():
                return self._unary(node, frame)
            case ast.BoolOp():
                return self._bool_op(node, frame)
            case ast.Compare():
                return self._compare(node, frame)
            case ast.IfExp():
                return self.when(
                    self.truth(self.evaluate(node.test, frame)),
                    lambda: self.evaluate(node.body, frame),
                    lambda: self.evaluate(node.orelse, frame),
                )
            case ast.Subscript():
                return self.get_item(self.evaluate(node.value, frame), self.evaluate(node.slice, frame))
            case ast.Slice():
                ends = (node.lower, node.upper, node.step)
                return slice(*(None if end is None else self.evaluate(end, frame) for end in ends))
            case ast.List():
                return new_list(self._elements(node.elts, frame))
            case ast.Tuple() | ast.Set():
                items = self._elements(node.elts, frame)
                if all(isinstance(item, Plain) for item in items):
                    return tuple(item.value for item in items if isinstance(item, Plain))
                return new_list(items)
            case ast.Dict():
                return self._dict(node, frame)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return new_list(self._comprehend(node.generators, frame, lambda: self.evaluate(node.elt, frame)))
            case ast.DictComp():
                return self._dict_comprehension(node, frame)
            case ast.Lambda():
                return Closure(node, frame)
            case ast.JoinedStr():
                return self._text(node, frame)
            case ast.NamedExpr():
                value = self.evaluate(node.value, frame)
                self.assign(node.target, value, frame)
                return value
            case ast.Starred():
                return self.evaluate(node.value, frame)
        return Opaque(f"the expression {type(node).__name__}")

    def when(self, condition: Term, then: Callable[[], Any], other: Callable[[], Any]) -> Any:
        """The value of one of two sides, with the effects of both merged."""
        if terms.is_const(condition):
            return then() if condition[2] else other()
        a, b = self.either_way(condition, then, other)
        if isinstance(a, Exception):
            return b
        return a if isinstance(b, Exception) else ite(condition, a, b)

    def _elements(self, nodes: list[ast.expr], frame: "Frame") -> tuple[Item, ...]:
        items: list[Item] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items += self.iterate(self.evaluate(node.value, frame))
            else:
                items.append(Plain(self.evaluate(node, frame)))
        return tuple(items)

    def _dict(self, node: ast.Dict, frame: "Frame") -> Dict:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                result[_hashable(self.evaluate(key, frame))] = self.evaluate(value, frame)
                continue
            inner = self.journal.resolve(self.evaluate(value, frame))
            if isinstance(inner, Dict):
                result |= inner.cell
            elif isinstance(inner, dict):
                result |= inner
        return Dict(result)

    def _call(self, node: ast.Call, frame: "Frame") -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self.super_of(frame)
        function = self.evaluate(node.func, frame)
        args: list[Any] = []
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                spread = self.journal.resolve(self.evaluate(arg.value, frame))
                items = self.iterate(spread)
                if not all(isinstance(item, Plain) for item in items):
                    args.append(Spread(items))
                    continue
                args += [item.value for item in items if isinstance(item, Plain)]
            else:
                args.append(self.evaluate(arg, frame))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, frame)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
                continue
            value = self.journal.resolve(value)
            if type(value).__name__ == "Pending":
                kwargs["**"] = value
            elif isinstance(value, (Dict, dict)):
                kwargs |= {str(k): v for k, v in (value.cell if isinstance(value, Dict) else value).items()}
        return self.call(function, args, kwargs)

    def _unary(self, node: ast.UnaryOp, frame: "Frame") -> Any:
        value = self.journal.resolve(self.evaluate(node.operand, frame))
        if isinstance(node.op, ast.Not):
            return self.scalar(terms.negate(self.truth(value)), TRUTH)
        if isinstance(value, Sym):
            if isinstance(node.op, ast.USub):
                return self.scalar(terms.binary("*", terms.const(-1), value.term), value.kinds)
            return value if isinstance(node.op, ast.UAdd) else Opaque("~")
        if isinstance(value, (int, float)):
            return {ast.USub: lambda: -value, ast.UAdd: lambda: value, ast.Invert: lambda: ~int(value)}[type(node.op)]()
        return value if isinstance(value, Tensor) else Opaque("a sign")

    def _bool_op(self, node: ast.BoolOp, frame: "Frame") -> Any:
        return self._bool_operands(node.values, isinstance(node.op, ast.And), frame)

    def _bool_operands(self, nodes: list[ast.expr], conjunction: bool, frame: "Frame") -> Any:  # noqa: FBT001
        first = self.evaluate(nodes[0], frame)
        if len(nodes) == 1:
            return first
        condition = self.truth(first)
        rest = lambda: self._bool_operands(nodes[1:], conjunction, frame)  # noqa: E731
        if conjunction:
            return self.when(condition, rest, lambda: first)
        return self.when(condition, lambda: first, rest)

    def _compare(self, node: ast.Compare, frame: "Frame") -> Any:
        left = self.evaluate(node.left, frame)
        result = TRUE
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(right_node, frame)
            result = terms.both(result, self.compare(COMPARISONS[type(op)], left, right))
            left = right
        return self.scalar(result, TRUTH)

    def compare(self, op: str, left: Any, right: Any) -> Term:  # noqa: C901, PLR0911 — a row of early returns
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

    def truth(self, value: Any) -> Term:  # noqa: PLR0911 — one line for each kind of value
        value = self.journal.resolve(value)
        if isinstance(value, Choice):
            return terms.choose(value.condition, self.truth(value.then), self.truth(value.other))
        if isinstance(value, Sym):
            return self.journal.condition(_never_false(value))
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

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:  # noqa: C901, PLR0911 — a row of early returns
        left, right = self.journal.resolve(left), self.journal.resolve(right)
        for value, other, swapped in ((left, right, False), (right, left, True)):
            if isinstance(value, Choice):
                a, b = (
                    self.operate(op, other, side) if swapped else self.operate(op, side, other)
                    for side in (value.then, value.other)
                )
                return ite(value.condition, a, b)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            made = self.elementwise(left, right)
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
            if "float" in kinds_of_any(left) and kinds_of_any(left) == {"float"} or kinds_of_any(right) == {"float"}:
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

    def _text(self, node: ast.JoinedStr, frame: "Frame") -> Any:
        pieces: list[Any] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                pieces.append(str(part.value))
                continue
            assert isinstance(part, ast.FormattedValue)  # noqa: S101 — the grammar has no other part
            value = self.journal.resolve(self.evaluate(part.value, frame))
            if isinstance(value, Sym):
                pieces += [value.term] if value.term[0] != "fmt" else value.term[1:]
            elif isinstance(value, (Opaque, Choice, List, Tensor, Config)):
                return Opaque("text")
            else:
                pieces.append(str(value))
        if all(isinstance(piece, str) for piece in pieces):
            return "".join(pieces)
        return Sym(("fmt", *pieces), frozenset({"str"}))

    def _comprehend(
        self, generators: list[ast.comprehension], frame: "Frame", make: Callable[[], Any]
    ) -> tuple[Item, ...]:
        """The items that a comprehension gives; its variables live in the frame, as nothing reads them later."""
        if not generators:
            return (Plain(make()),)
        first, rest = generators[0], generators[1:]

        def one(value: Any) -> tuple[Item, ...]:
            self.assign(first.target, value, frame)
            condition = TRUE
            for test in first.ifs:
                condition = terms.both(condition, self.truth(self.evaluate(test, frame)))
            if condition == FALSE:
                return ()
            if condition == TRUE:
                return self._comprehend(rest, frame, make)
            inner = self.under_value(condition, lambda: self._comprehend(rest, frame, make))
            return (Maybe(condition, inner),)

        return self.mapped(self.iterate(self.evaluate(first.iter, frame)), one)

    def mapped(self, items: tuple[Item, ...], one: Callable[[Any], tuple[Item, ...]]) -> tuple[Item, ...]:
        """Each element of a list replaced by elements; a loop stays a loop."""
        result: list[Item] = []
        for item in items:
            if isinstance(item, Plain):
                result += one(item.value)
            elif isinstance(item, Loop):
                self.counts[item.index] = item.count
                self.loops.append(item.index)
                try:
                    result.append(Loop(item.index, item.count, self.mapped(item.items, one)))
                finally:
                    self.loops.pop()
            else:
                inner = self.under_value(item.condition, lambda: self.mapped(item.items, one))  # noqa: B023 — at once
                result.append(Maybe(item.condition, inner))
        return tuple(result)

    def under_value(self, condition: Term, run: Callable[[], Any]) -> Any:
        """The value of something that happens only under a condition."""
        result, _ = self.either_way(condition, run, lambda: ())
        return () if isinstance(result, Exception) else result

    def _dict_comprehension(self, node: ast.DictComp, frame: "Frame") -> Any:
        result: dict[Any, Any] = {}

        def make() -> Any:
            result[_hashable(self.evaluate(node.key, frame))] = self.evaluate(node.value, frame)

        items = self._comprehend(node.generators, frame, make)
        if any(isinstance(item, Maybe) for item in items):
            return Opaque("a dictionary with conditions")
        return Dict(result)


class Spread:
    """`*items` in a call where the items are not plain."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self.items = items


def kinds_of_any(value: Any) -> frozenset[str]:
    return kinds_of(value) if is_scalar(value) else frozenset()


def _never_false(value: Sym) -> Term:
    return value.term


def _numbers(left: Any, right: Any) -> bool:
    numbers = {"int", "float", "bool"}
    return bool(kinds_of(left) & numbers) and bool(kinds_of(right) & numbers)


def _is_list(value: Any) -> bool:
    return isinstance(value, (List, list, tuple))


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, (List, Dict)) else repr(value)


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
