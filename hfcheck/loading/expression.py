"""What an expression of the atlas comes to under a config: a value, or UNKNOWN, whatever the config holds.

The tree is walked. Closures made from it ran 1.0 to 1.4 times as fast and took as long to make as 60 walks; most
expressions are evaluated once. Nothing is handed to Python's own `eval`, and names reach nothing but the config.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from hfcheck.loading.functions import (
    FUNCTIONS,
    MAX_LENGTH,
    Budget,
    NoValue,
    Number,
    add,
    admit,
    contains,
    equal,
    integer,
    is_number,
    item,
    items,
    member,
    number,
    power,
    truth,
)
from hfcheck.loading.grammar import ExpressionInvalid, Node, fields, indices, parse
from hfcheck.loading.names import ABSENT, UNKNOWN, Names

__all__ = ["MAX_STEPS", "ExpressionInvalid", "Node", "Scope", "Value", "evaluate", "fields", "indices", "parse"]

MAX_STEPS = 1_000_000
"""Operations, loops unrolled, and items of lists that one evaluation may look at: about a quarter of a second."""

Value: TypeAlias = object
"""None, bool, int, float, str, list, dict or `Names`; or UNKNOWN."""


class Scope:
    """One config as expressions see it: names already looked up are kept, for the config does not change meanwhile.

    `known` gives values that stand instead of what the config says, by dotted name.
    """

    __slots__ = ("bound", "budget", "indices", "names", "paths")

    def __init__(self, names: Names, budget: Budget, known: Mapping[str, object] | None = None) -> None:
        self.names = names
        self.budget = budget
        self.paths: dict[str, object] = dict(known or {})
        self.indices: Sequence[int] = ()
        self.bound: list[object] = []

    def value(self, node: Node, indices: Sequence[int] = ()) -> Value:
        """The value of an expression at these indices of a template; raises NoValue with the reason."""
        self.budget.charge(node.size)
        self.indices = indices
        self.bound.clear()
        try:
            return _run(node, self)
        except (ArithmeticError, ValueError) as error:
            raise NoValue("the arithmetic has no result") from error


def evaluate(node: Node, names: Names, indices: Sequence[int] = ()) -> Value:
    """The value of an expression, or UNKNOWN where Python would raise or a limit is exceeded; raises nothing."""
    try:
        return Scope(names, Budget(MAX_STEPS)).value(node, indices)
    except NoValue:
        return UNKNOWN


def _run(node: Node, scope: Scope) -> object:
    return _KINDS[node.kind](node, scope)


def _literal(node: Node, _: Scope) -> object:
    return node.value


def _path(node: Node, scope: Scope) -> object:
    segments = cast("tuple[str, ...]", node.value)
    name = segments[0] if len(segments) == 1 else ".".join(segments)
    value = scope.paths.get(name, UNKNOWN)
    if value is UNKNOWN:
        value = scope.names.get(segments[0])
        for segment in segments[1:]:
            value = member(value, segment)
        if value is ABSENT or value is UNKNOWN:
            raise NoValue(f"`{name}` is not known")
        scope.paths[name] = value = admit(value)
    return value


def _has(node: Node, scope: Scope) -> object:
    segments = cast("tuple[str, ...]", node.value)
    value: object = scope.names
    for segment in segments:
        if value is None or isinstance(value, (int, float, str, list, tuple)):
            return False
        value = member(value, segment)
        if value is ABSENT:
            return False
        if value is UNKNOWN:
            raise NoValue(f"`{'.'.join(segments)}` is not known")
    return True


def _index(node: Node, scope: Scope) -> object:
    position = cast("int", node.value)
    if position >= len(scope.indices):
        raise NoValue(f"there is no index ${position} here")
    return scope.indices[position]


def _bound(node: Node, scope: Scope) -> object:
    return scope.bound[cast("int", node.value)]


def _and(node: Node, scope: Scope) -> object:
    value: object = True
    for part in node.parts:
        value = _run(part, scope)
        if not truth(value):
            break
    return value


def _or(node: Node, scope: Scope) -> object:
    value: object = False
    for part in node.parts:
        value = _run(part, scope)
        if truth(value):
            break
    return value


def _not(node: Node, scope: Scope) -> object:
    return not truth(_run(node.parts[0], scope))


def _negative(node: Node, scope: Scope) -> object:
    return -number(_run(node.parts[0], scope))


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(node: Node, scope: Scope) -> object:
    left, right = _run(node.parts[0], scope), _run(node.parts[1], scope)
    match node.value:
        case "==":
            return equal(scope.budget, left, right)
        case "!=":
            return not equal(scope.budget, left, right)
        case "in":
            return contains(scope.budget, right, left)
        case "not in":
            return not contains(scope.budget, right, left)
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return _ORDERS[cast("str", node.value)](left, right)
    raise NoValue("numbers were expected")


_ARITHMETIC: Mapping[str, Callable[[Number, Number], object]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "/": operator.truediv,
    "%": operator.mod,
}


def _chain(node: Node, scope: Scope) -> object:
    value = _run(node.parts[0], scope)
    for sign, part in zip(cast("tuple[str, ...]", node.value), node.parts[1:], strict=True):
        other = _run(part, scope)
        # Only of numbers: a string times a number would be as long as a stranger wants it.
        if is_number(value) and is_number(other):
            value = admit(_ARITHMETIC[sign](value, other))
        elif sign == "+":
            value = add(scope.budget, value, other)
        else:
            raise NoValue("numbers were expected")
    return value


def _power(node: Node, scope: Scope) -> object:
    base, exponent = node.parts
    return power(_run(base, scope), _run(exponent, scope))


def _item(node: Node, scope: Scope) -> object:
    source, key = node.parts
    return item(_run(source, scope), _run(key, scope))


def _member(node: Node, scope: Scope) -> object:
    return admit(member(_run(node.parts[0], scope), cast("str", node.value)))


def _call(node: Node, scope: Scope) -> object:
    if node.value == "if":
        condition, then, other = node.parts
        return _run(then if truth(_run(condition, scope)) else other, scope)
    if node.value == "coalesce":
        value = None
        for part in node.parts:
            value = _run(part, scope)
            if value is not None:
                break
        return value
    return FUNCTIONS[cast("str", node.value)](scope.budget, *[_run(part, scope) for part in node.parts])


def _loop(node: Node, scope: Scope) -> object:
    source, body = node.parts
    found = _run(source, scope)
    values = _numbers(found) if node.value == "each" else items(scope.budget, found)
    results: list[object] = []
    scope.bound.append(None)
    for value in values:
        scope.budget.charge(body.size)
        scope.bound[-1] = admit(value)
        result = _run(body, scope)
        if node.value != "filter":
            results.append(result)
        elif truth(result):
            results.append(value)
    scope.bound.pop()
    return results


def _numbers(times: object) -> range:
    if integer(times) > MAX_LENGTH:
        raise NoValue("a list is too long")
    return range(integer(times))


_KINDS: Mapping[str, Callable[[Node, Scope], object]] = {
    "literal": _literal,
    "path": _path,
    "has": _has,
    "index": _index,
    "bound": _bound,
    "and": _and,
    "or": _or,
    "not": _not,
    "negative": _negative,
    "compare": _compare,
    "chain": _chain,
    "power": _power,
    "item": _item,
    "member": _member,
    "call": _call,
    "loop": _loop,
}
