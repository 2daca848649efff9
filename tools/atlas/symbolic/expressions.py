"""Expressions: what a syntax tree comes to when names stand for symbols."""

import ast
from collections.abc import Callable
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.calls import Calls
from tools.atlas.symbolic.frames import Frame
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
    Spread,
    Sym,
    Tensor,
    new_list,
    term_of,
)

COMPARISONS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


TRUTH = frozenset({"bool"})


class Expressions(Calls):
    """The part of the interpreter that evaluates expressions."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Any:
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

    def _elements(self, nodes: list[ast.expr], frame: Frame) -> tuple[Item, ...]:
        items: list[Item] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items += self.iterate(self.evaluate(node.value, frame))
            else:
                items.append(Plain(self.evaluate(node, frame)))
        return tuple(items)

    def _dict(self, node: ast.Dict, frame: Frame) -> Any:
        result: dict[Any, Any] = {}
        before: list[Term] = []  # dictionaries of the config that are spread into this one, and what stands before them
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                result[_hashable(self.evaluate(key, frame))] = self.evaluate(value, frame)
                continue
            inner = self.journal.resolve(self.evaluate(value, frame))
            if isinstance(inner, (Sym, Choice)):
                before += [term_of(Dict(result)), term_of(inner)]
                result = {}
            elif isinstance(inner, (Dict, dict)):
                result |= inner.cell if isinstance(inner, Dict) else inner
        if before:
            return Sym(terms.call("merge", *before, term_of(Dict(result))), frozenset({"dict"}))
        return Dict(result)

    def _call(self, node: ast.Call, frame: Frame) -> Any:
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
            if isinstance(value, Pending):
                kwargs["**"] = value
            elif isinstance(value, (Dict, dict)):
                kwargs |= {str(k): v for k, v in (value.cell if isinstance(value, Dict) else value).items()}
        return self.call(function, args, kwargs)

    def _unary(self, node: ast.UnaryOp, frame: Frame) -> Any:
        value = self.journal.resolve(self.evaluate(node.operand, frame))
        if isinstance(node.op, ast.Not):
            return self.scalar(terms.negate(self.truth(value)), TRUTH)
        if isinstance(value, Sym):
            if isinstance(node.op, ast.USub):
                return self.scalar(terms.binary("*", terms.const(-1), value.term), value.kinds)
            return value if isinstance(node.op, ast.UAdd) else Opaque("~")
        if isinstance(value, (int, float)):
            match node.op:
                case ast.USub():
                    return -value
                case ast.UAdd():
                    return value
            return ~int(value)
        return value if isinstance(value, Tensor) else Opaque("a sign")

    def _bool_op(self, node: ast.BoolOp, frame: Frame) -> Any:
        return self._bool_operands(node.values, isinstance(node.op, ast.And), frame)

    def _bool_operands(self, nodes: list[ast.expr], conjunction: bool, frame: Frame) -> Any:  # noqa: FBT001
        first = self.evaluate(nodes[0], frame)
        if len(nodes) == 1:
            return first
        condition = self.truth(first)
        rest = lambda: self._bool_operands(nodes[1:], conjunction, frame)  # noqa: E731
        if conjunction:
            return self.when(condition, rest, lambda: first)
        return self.when(condition, lambda: first, rest)

    def _compare(self, node: ast.Compare, frame: Frame) -> Any:
        left = self.evaluate(node.left, frame)
        result = TRUE
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(right_node, frame)
            result = terms.both(result, self.compare(COMPARISONS[type(op)], left, right))
            left = right
        return self.scalar(result, TRUTH)

    def _text(self, node: ast.JoinedStr, frame: Frame) -> Any:
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
        self, generators: list[ast.comprehension], frame: Frame, make: Callable[[], Any]
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
                inside = item.items
                inner = self.under_value(item.condition, lambda: self.mapped(inside, one))  # noqa: B023 — at once
                result.append(Maybe(item.condition, inner))
        return tuple(result)

    def under_value(self, condition: Term, run: Callable[[], Any]) -> Any:
        """The value of something that happens only under a condition."""
        result, _ = self.either_way(condition, run, lambda: ())
        return () if isinstance(result, Exception) else result

    def _dict_comprehension(self, node: ast.DictComp, frame: Frame) -> Any:
        result: dict[Any, Any] = {}

        def make() -> Any:
            result[_hashable(self.evaluate(node.key, frame))] = self.evaluate(node.value, frame)

        items = self._comprehend(node.generators, frame, make)
        if any(isinstance(item, Maybe) for item in items):
            return Opaque("a dictionary with conditions")
        return Dict(result)


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, (List, Dict)) else repr(value)
