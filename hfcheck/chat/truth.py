"""Whether a condition of a template holds for a plain answer of the assistant: true, false, or not known (None).

The message has `role` and `content`, a text, and nothing else. There are no tools and no documents, the conversation
begins with a user, and no generation prompt is asked for.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from hfcheck.chat.names import GIVEN_NOTHING, MAX_DEPTH, SPECIAL, Kind, Names

Known = frozenset[Any] | None
"""The values that an expression may have; None where they are not known."""

UNDEFINED = object()
MAX_VALUES = 64
"""Values of a name that are looked at; of one that has more, nothing is known."""
FIELDS = ("role", "content")
SINGLE: Mapping[str, bool | None] = {"none": None, "true": True, "false": False}
TEXT_IS: Mapping[str, bool] = {"none": False, "string": True, "mapping": False, "iterable": True, "sequence": True}
"""What tests say of a text."""


def truth(names: Names, node: nodes.Node | None, depth: int = 0) -> bool | None:
    """Whether a condition holds."""
    if node is None or depth > MAX_DEPTH:
        return None
    if isinstance(node, nodes.Not):
        inner = truth(names, node.node, depth + 1)
        return None if inner is None else not inner
    if isinstance(node, nodes.And | nodes.Or):
        return _joined(names, node, depth)
    if isinstance(node, nodes.Compare):
        return _compare(names, node, depth)
    if isinstance(node, nodes.Test):
        return _test(names, node, depth)
    return _of_value(names, node, depth)


def _of_value(names: Names, node: nodes.Node, depth: int) -> bool | None:
    """Whether a value that is no comparison counts as true."""
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.node is not None:
        if values(names, node.node, depth + 1) == frozenset({UNDEFINED}):
            return truth(names, node.args[0], depth + 1) if node.args else False
        return truth(names, node.node, depth + 1)
    called = node.node if isinstance(node, nodes.Call) else None
    if isinstance(called, nodes.Getattr) and called.attr in ("startswith", "endswith"):
        return False if names.kind(called.node) is Kind.CONTENT else None  # the text has no marks of its own
    found = values(names, node, depth + 1)
    if found is not None:
        return _agreed({value is not UNDEFINED and bool(value) for value in found})
    return True if names.kind(node) in (Kind.CONTENT, Kind.MESSAGE, Kind.MESSAGES) else None


def _agreed(outcomes: set[bool]) -> bool | None:
    return outcomes.pop() if len(outcomes) == 1 else None


def values(names: Names, node: nodes.Node, depth: int = 0) -> Known:
    """The values that an expression may have."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(node, nodes.Const):
        return frozenset({node.value}) if isinstance(node.value, str | int | float | bool | None) else None
    kind = names.kind(node)
    if kind in (Kind.ROLE, Kind.ABSENT):
        return frozenset({"assistant" if kind is Kind.ROLE else UNDEFINED})
    if kind in (Kind.CONTENT, Kind.FIRST):
        key, told = ("type", "text") if kind is Kind.CONTENT else ("role", "user")
        return frozenset({told}) if _key(node) == key else None
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        return _all(names, [node.expr1, node.expr2], depth)
    attribute = names.attribute(node)
    if attribute is not None:
        return _assigned(names, attribute, depth)
    return _of_name(names, node.name, depth) if isinstance(node, nodes.Name) else None


def _of_name(names: Names, name: str, depth: int) -> Known:
    if name in names.assigned:
        return _assigned(names, name, depth)
    if name in names.looped or name in names.macros or name in SPECIAL or name in ("loop", "messages", "caller"):
        return None
    return frozenset({None if name in GIVEN_NOTHING else UNDEFINED})


def _assigned(names: Names, name: str, depth: int) -> Known:
    if name not in names.known:
        names.known[name] = None  # while it is looked up, and for a circle
        names.known[name] = _all(names, names.assigned[name], depth)
    return names.known[name]


def _all(names: Names, given: list[Any], depth: int) -> Known:
    found: set[Any] = set()
    if len(given) > MAX_VALUES:
        return None
    for value in given:
        known = values(names, value, depth + MAX_DEPTH // 4) if isinstance(value, nodes.Node) else None
        if known is None:
            return None
        found |= known
    return frozenset(found)


def _key(node: nodes.Node) -> str | None:
    key = node.attr if isinstance(node, nodes.Getattr) else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    return key if isinstance(key, str) else None


def _joined(names: Names, node: nodes.And | nodes.Or, depth: int) -> bool | None:
    decisive = isinstance(node, nodes.Or)
    left, right = truth(names, node.left, depth + 1), truth(names, node.right, depth + 1)
    if decisive in (left, right):
        return decisive
    return None if left is None or right is None else not decisive


def _compare(names: Names, node: nodes.Compare, depth: int) -> bool | None:
    if len(node.ops) != 1:
        return None
    operation, other = node.ops[0].op, node.ops[0].expr
    if operation not in ("eq", "ne", "in", "notin"):
        return None
    found = _is_in(names, node.expr, other, depth) if "in" in operation else _equal(names, node.expr, other, depth)
    return None if found is None else found is (operation in ("eq", "in"))


def _equal(names: Names, left: nodes.Expr, right: nodes.Expr, depth: int) -> bool | None:
    one, two = values(names, left, depth + 1), values(names, right, depth + 1)
    for known, node in ((two, left), (one, right)):
        if known is not None and known <= {None, ""} and names.kind(node) is Kind.CONTENT:
            return False
    if one is None or two is None:
        return None
    return _agreed({first == second for first in one for second in two})


def _is_in(names: Names, left: nodes.Expr, right: nodes.Expr, depth: int) -> bool | None:
    one = values(names, left, depth + 1)
    if one is None or len(one) != 1:
        return None
    (value,) = one
    kind = names.kind(right)
    if kind is Kind.MESSAGE:
        return value in FIELDS
    if kind is Kind.CONTENT:
        return bool(value == "text")
    if not isinstance(right, nodes.List | nodes.Tuple):
        return None
    items = [values(names, item, depth + 1) for item in right.items]
    if any(item is not None and item == one for item in items):
        return True
    return None if any(item is None or value in item for item in items) else False


def _test(names: Names, node: nodes.Test, depth: int) -> bool | None:
    kind, found = names.kind(node.node), values(names, node.node, depth + 1)
    if node.name in ("defined", "undefined"):
        is_defined = _defined(names, node.node, kind, found)
        return is_defined if is_defined is None or node.name == "defined" else not is_defined
    if kind is Kind.CONTENT:
        return TEXT_IS.get(node.name)
    if found is None:
        return None
    if node.name == "string":
        return _agreed({isinstance(value, str) for value in found})
    if node.name not in SINGLE:
        return None
    return _agreed({value is SINGLE[node.name] for value in found})


def _defined(names: Names, node: nodes.Node, kind: Kind | None, found: Known) -> bool | None:
    if kind is not None:
        return kind is not Kind.ABSENT
    if found is None or (isinstance(node, nodes.Name) and node.name in names.assigned):
        return None  # it may be set further on
    return UNDEFINED not in found
