"""The expressions of the atlas, parsed: text to a tree, without `eval`, `compile` or `ast`.

    expr  = and { "or" and }                      and   = not { "and" not }         not  = "not" not | comparison
    comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in") sum ]
    sum   = prod { ("+" | "-") prod }             prod  = unary { ("*" | "//" | "/" | "%") unary }
    unary = "-" unary | power                     power = item [ "**" unary ]
    item  = atom { "[" expr "]" | "." NAME }
    atom  = INT | FLOAT | STRING | "true" | "false" | "null" | "$" DIGITS | "$" LETTERS | NAME | call | "(" expr ")"
    call  = FUNCTION "(" [ expr { "," expr } ] ")" | ("map" | "filter" | "each") "(" "$" LETTERS "," expr "," expr ")"

Precedence is Python's; comparisons do not chain. `$0`, `$1` are the indices of the template from the left, `$i` is
bound by the loop around it. STRING is in single quotes and knows no escapes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

MAX_TEXT = 20_000
"""Characters: merged conditions of a generated entry are long."""

MAX_NODES = 4_000
MAX_DEPTH = 200
MAX_INTEGER = 2**63
"""All integers are below it in magnitude, in texts and in results: a size that torch can hold."""

_MAX_FRAMES = 700
"""Of the parser itself, at once: Python's limit is 1,000 and the caller has some."""

ARITY: dict[str, tuple[int, int]] = {
    "if": (3, 3), "coalesce": (1, MAX_NODES), "has": (1, 1), "get": (2, 3),
    "int": (1, 1), "float": (1, 1), "str": (1, 1), "bool": (1, 1),
    "ceil": (1, 1), "floor": (1, 1), "round": (1, 2), "abs": (1, 1), "sqrt": (1, 1),
    "log": (1, 2), "log2": (1, 1), "exp": (1, 1), "gcd": (1, MAX_NODES),
    "min": (1, MAX_NODES), "max": (1, MAX_NODES), "sum": (1, 1), "prod": (1, 1), "len": (1, 1),
    "any": (1, 1), "all": (1, 1), "repeat": (2, 2), "list": (0, MAX_NODES), "concat": (1, MAX_NODES),
    "slice": (3, 3), "range": (1, 3), "reverse": (1, 1), "sort": (1, 1), "index": (2, 2),
    "dict": (0, MAX_NODES), "merge": (1, MAX_NODES), "pairs": (1, 1), "from_pairs": (1, 1), "put": (3, 3),
    "flatten": (1, 1), "unique": (1, 1), "lower": (1, 1), "upper": (1, 1), "strip": (1, 1), "split": (2, 2),
    "startswith": (2, 2), "endswith": (2, 2), "contains": (2, 2),
    "is_activation": (1, 1), "is_list": (1, 1),
    "is_int": (1, 1), "is_float": (1, 1), "is_str": (1, 1), "is_bool": (1, 1), "is_dict": (1, 1),
}  # fmt: skip
"""Every function but the loops, with the least and the most arguments."""

LOOPS = frozenset({"each", "map", "filter"})

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<index>\$\d{1,2})
    |(?P<bound>\$[A-Za-z]+)|(?P<string>'[^']*')|(?P<symbol>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],.]))""",
    re.ASCII | re.VERBOSE,
)
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY = range(1, 8)
_LEVELS = {
    "or": _OR, "and": _AND, "in": _COMPARE, "not in": _COMPARE,
    "==": _COMPARE, "!=": _COMPARE, "<": _COMPARE, "<=": _COMPARE, ">": _COMPARE, ">=": _COMPARE,
    "+": _SUM, "-": _SUM, "*": _PRODUCT, "//": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT,
}  # fmt: skip
_KINDS = {_OR: "or", _AND: "and", _COMPARE: "compare", _SUM: "chain", _PRODUCT: "chain"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_RESERVED = frozenset({"and", "or", "in", "not", *_CONSTANTS})


class ExpressionInvalid(ValueError):
    """The text is no expression, or exceeds a limit. `offset` is the character where it stops to be one."""

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"at character {offset}: expected {expected}")
        self.offset = offset
        self.expected = expected


class Node(NamedTuple):
    """An operation: what `value` is depends on `kind`, `parts` are its operands in the order of the text.

    literal: the constant; path and has: the segments of the name; index: the number behind `$`; bound: the number of
    the loop that binds it, counted from 0 outside in; chain: the operators between `parts`; compare: the operator;
    member: the name; call and loop: the function. The others, or, and, not, negative, power and item, have none.
    """

    kind: str
    value: object = None
    parts: tuple["Node", ...] = ()
    size: int = 1
    depth: int = 1


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, end = 0, len(text.rstrip(" \t\r\n"))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionInvalid(position, "a name, a number, a string or an operator")
        kind = match.lastgroup
        found.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    found.append(_Token("end", "", end))
    return found


class _Parser:
    """Precedence climbing over the tokens of a text. Operators of one level make one node: long chains stay flat."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.nodes = 0
        self.frames = 0
        self.bound: list[str] = []

    def whole(self) -> Node:
        node = self.climb(_OR)
        if self.tokens[self.position].kind != "end":
            raise self.wrong("an operator or the end")
        return node

    def climb(self, lowest: int) -> Node:
        """The longest expression from here whose operators bind at least as tightly as `lowest`."""
        self.enter()
        node = self.operand(lowest)
        while (level := _LEVELS.get(self.operator(), 0)) >= lowest and level:
            operators: list[str] = []
            parts = [node]
            while _LEVELS.get(operator := self.operator()) == level:
                if level == _COMPARE and operators:
                    raise self.wrong("one comparison, for they do not chain")
                self.position += 2 if operator == "not in" else 1
                operators.append(operator)
                parts.append(self.climb(level + 1))
            value = operators[0] if level == _COMPARE else tuple(operators) if level > _COMPARE else None
            node = self.node(_KINDS[level], value, *parts)
        self.frames -= 1
        return node

    def operand(self, lowest: int) -> Node:
        """A value with the prefixes before it and the indices and the power behind it."""
        self.enter()
        negations = self.prefixes("not") if lowest <= _NOT else 0
        if negations:
            node = self.climb(_COMPARE)
        else:
            minuses = self.prefixes("-")
            if self.accept("("):
                node = self.climb(_OR)
                self.expect(")")
            else:
                node = self.call() if self.is_call() else self.atom()
            node = self.members(node)
            while self.accept("["):
                node = self.node("item", None, node, self.climb(_OR))
                self.expect("]")
                node = self.members(node)
            if self.accept("**"):
                node = self.node("power", None, node, self.climb(_UNARY))
            for _ in range(minuses):
                node = self.node("negative", None, node)
        for _ in range(negations):
            node = self.node("not", None, node)
        self.frames -= 1
        return node

    def prefixes(self, text: str) -> int:
        number = 0
        while self.accept(text):
            number += 1
        return number

    def members(self, node: Node) -> Node:
        while self.accept("."):
            name = self.name()
            if node.kind == "path" and isinstance(node.value, tuple):
                node = self.node("path", (*node.value, name))
            else:
                node = self.node("member", name, node)
        return node

    def is_call(self) -> bool:
        token = self.tokens[self.position]
        return token.kind == "name" and token.text not in _RESERVED and self.tokens[self.position + 1].text == "("

    def atom(self) -> Node:
        token = self.tokens[self.position]
        if token.kind == "name" and token.text not in _CONSTANTS:
            return self.node("path", (self.name(),))
        self.position += 1
        if token.kind == "name":
            return self.node("literal", _CONSTANTS[token.text])
        if token.kind == "number":
            return self.node("literal", self.number(token))
        if token.kind == "string":
            return self.node("literal", token.text[1:-1])
        if token.kind == "index":
            return self.node("index", int(token.text[1:]))
        if token.kind == "bound" and token.text in self.bound:
            # The innermost loop of that name.
            return self.node("bound", len(self.bound) - 1 - self.bound[::-1].index(token.text))
        raise ExpressionInvalid(token.offset, "a value")

    def number(self, token: _Token) -> int | float:
        if token.text.isdigit():
            if len(token.text) > len(str(MAX_INTEGER)) or int(token.text) >= MAX_INTEGER:
                raise ExpressionInvalid(token.offset, "an integer below 2**63")
            return int(token.text)
        value = float(token.text)
        if not isfinite(value):
            raise ExpressionInvalid(token.offset, "a finite number")
        return value

    def call(self) -> Node:
        """`f(a, b)`: loops and `has` have nodes of their own."""
        self.enter()
        function = self.tokens[self.position]
        self.position += 2
        if function.text in LOOPS:
            node = self.loop(function.text)
        elif function.text in ARITY:
            node = self.applied(function)
        else:
            raise ExpressionInvalid(function.offset, "a known function")
        self.frames -= 1
        return node

    def applied(self, function: _Token) -> Node:
        arguments: list[Node] = []
        while not self.accept(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.climb(_OR))
        least, most = ARITY[function.text]
        if not least <= len(arguments) <= most:
            raise ExpressionInvalid(function.offset, f"{least} to {most} arguments of {function.text}")
        if function.text != "has":
            return self.node("call", function.text, *arguments)
        # Only a constant, so that `fields` can tell what an expression reads.
        name = arguments[0].value
        if arguments[0].kind != "literal" or not isinstance(name, str) or not name:
            raise ExpressionInvalid(function.offset, "a string that names a field")
        return self.node("has", tuple(name.split(".")))

    def loop(self, function: str) -> Node:
        variable = self.tokens[self.position]
        if variable.kind != "bound":
            raise self.wrong("the variable of the loop, as in $i")
        self.position += 1
        self.expect(",")
        source = self.climb(_OR)
        self.expect(",")
        self.bound.append(variable.text)
        body = self.climb(_OR)
        self.bound.pop()
        self.expect(")")
        return self.node("loop", function, source, body)

    def enter(self) -> None:
        self.frames += 1
        if self.frames > _MAX_FRAMES:
            raise self.wrong("fewer brackets within brackets")

    def node(self, kind: str, value: object, *parts: Node) -> Node:
        self.nodes += 1
        depth = 1 + max((part.depth for part in parts), default=0)
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise self.wrong(f"at most {MAX_NODES} operations, {MAX_DEPTH} deep")
        return Node(kind, value, parts, 1 + sum(part.size for part in parts), depth)

    def operator(self) -> str:
        token = self.tokens[self.position]
        if token.kind == "name" and token.text == "not" and self.tokens[self.position + 1].text == "in":
            return "not in"
        return token.text if token.kind in {"symbol", "name"} else ""

    def name(self) -> str:
        token = self.tokens[self.position]
        if token.kind != "name" or token.text in _RESERVED:
            raise self.wrong("a name")
        self.position += 1
        return token.text

    def accept(self, text: str) -> bool:
        token = self.tokens[self.position]
        if token.text != text:
            return False
        self.position += 1
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.wrong(f"`{text}`")

    def wrong(self, expected: str) -> ExpressionInvalid:
        return ExpressionInvalid(self.tokens[self.position].offset, expected)


@lru_cache(maxsize=8192)
def parse(text: str) -> Node:
    """The tree of an expression; the same object for the same text. Raises ExpressionInvalid."""
    if len(text) > MAX_TEXT:
        raise ExpressionInvalid(MAX_TEXT, f"at most {MAX_TEXT} characters")
    return _Parser(text).whole()


def walk(node: Node) -> Iterator[Node]:
    """Every node below and the node itself, operands first."""
    pending = [(node, False)]
    while pending:
        current, entered = pending.pop()
        if entered or not current.parts:
            yield current
        else:
            pending.append((current, True))
            pending.extend((part, False) for part in reversed(current.parts))


def fields(node: Node) -> frozenset[str]:
    """The dotted names that an expression reads or asks after, wherever its branches lead."""
    return frozenset(
        ".".join(part.value) for part in walk(node) if part.kind in {"path", "has"} and isinstance(part.value, tuple)
    )


def indices(node: Node) -> tuple[int, ...]:
    """Which of `$0`, `$1`, .. an expression uses, in ascending order."""
    return tuple(sorted({part.value for part in walk(node) if part.kind == "index" and isinstance(part.value, int)}))
