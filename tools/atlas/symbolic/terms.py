"""Terms: expressions over config fields and indices, simplified as they are built.

A term is a tuple whose first item says what it is:

    ("c", type name, value)         a constant; the type is part of it because 1 == True == 1.0
    ("v", path)                     a field of the resolved config, a dotted path; ("v", path, "bool") if it is a bool
    ("i", number)                   the index of a loop, or a variable bound by each, map or filter
    ("carry", number, index)        what a variable holds when a loop begins its round `index`
    ("opaque", reason)              a value that the interpreter does not know
    ("at", sequence, index)         an item
    ("f", name, term, ...)          a function of the expression language; `if`, `and`, `or`, `not` are among them
    ("each", number, count, body)   and "map", "filter" over a sequence
    ("fmt", part, ...)              text with terms in it
    (operator, left, right)
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Term = tuple[Any, ...]

ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv,
    "/": operator.truediv, "%": operator.mod, "**": operator.pow,
}  # fmt: skip
COMPARISON: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
UNARY: Mapping[str, Callable[[Any], Any]] = {
    "int": int, "float": float, "str": str, "bool": bool, "ceil": math.ceil, "floor": math.floor, "round": round,
    "abs": abs, "sqrt": math.sqrt, "log": math.log, "log2": math.log2, "exp": math.exp, "len": len,
}  # fmt: skip
TRUTHS = frozenset({"==", "<", "<=", ">", ">=", "in"})
TRUTH_FUNCTIONS = frozenset(
    {"not", "bool", "has", "is_activation", "is_list", "is_int", "is_float", "is_str", "is_bool", "is_dict"}
)


def const(value: Any) -> Term:
    """The term of a constant: a number, a string, a truth value, None."""
    return ("c", type(value).__name__, value)


TRUE, FALSE, NULL, ZERO, ONE = const(True), const(False), const(None), const(0), const(1)  # noqa: FBT003 — the values


def is_const(term: Term) -> bool:
    return bool(term[0] == "c")


def is_truth(term: Term) -> bool:
    """Whether a term is true or false, and nothing that merely counts as one of them."""
    if term[0] == "c":
        return bool(term[1] == "bool")
    if term[0] == "v":
        return len(term) > 2  # noqa: PLR2004 — the third item says that the field is a bool
    if term[0] == "f":
        if term[1] in {"and", "or"}:
            return all(is_truth(part) for part in term[2:])
        return term[1] in TRUTH_FUNCTIONS or (term[1] == "if" and is_truth(term[3]) and is_truth(term[4]))
    return term[0] in TRUTHS


def binary(op: str, a: Term, b: Term) -> Term:
    """An arithmetic term, as small as easily done."""
    if is_const(a) and is_const(b):
        try:
            return const(ARITHMETIC[op](a[2], b[2]))
        except (TypeError, ArithmeticError, ValueError) as error:
            return ("opaque", f"{a[2]!r} {op} {b[2]!r}: {error}")
    if (op == "*" and b == ONE) or (op in {"//", "**"} and b == ONE) or (op in {"+", "-"} and b == ZERO):
        return a
    if (op == "*" and a == ONE) or (op == "+" and a == ZERO):
        return b
    if op == "*" and ZERO in (a, b):
        return ZERO
    if op == "//" and a[0] == "*" and b in a[1:]:
        return a[2] if a[1] == b else a[1]  # type: ignore[no-any-return]  # a term is a tuple of Any
    if op in {"+", "-"} and a[0] in {"+", "-"} and is_const(a[2]) and is_const(b):
        inner = a[2][2] if a[0] == "+" else -a[2][2]
        total = inner + (b[2] if op == "+" else -b[2])
        return binary("+", a[1], const(total)) if total >= 0 else binary("-", a[1], const(-total))
    if op == "-" and a == b:
        return ZERO
    if op == "+" and a[:2] == b[:2] == ("f", "if") and a[2] == b[2]:
        return choose(a[2], binary("+", a[3], b[3]), binary("+", a[4], b[4]))
    return (op, a, b)


def compare(op: str, a: Term, b: Term) -> Term:
    """A comparison; `!=`, `not in`, `is` and `is not` are written with `not` and `==`."""
    if op in {"!=", "is not", "not in"}:
        return negate(compare({"!=": "==", "is not": "==", "not in": "in"}[op], a, b))
    op = "==" if op == "is" else op
    if is_const(a) and is_const(b) and op in COMPARISON:
        try:
            return const(bool(COMPARISON[op](a[2], b[2])))
        except TypeError as error:
            return ("opaque", str(error))
    if op == "==" and a == b:
        return TRUE
    if op == "==" and a[0] == "f" and a[1] == "if" and is_const(b):
        then, other = compare("==", a[3], b), compare("==", a[4], b)
        if is_const(then) or is_const(other):
            return choose(a[2], then, other)
    if op == "==" and is_const(a):
        return (op, b, a)
    return (op, a, b)


def negate(term: Term) -> Term:
    if is_const(term):
        return const(not term[2])
    if term[:2] == ("f", "not"):
        return term[2] if is_truth(term[2]) else ("f", "bool", term[2])
    if term[:2] == ("f", "bool"):
        return ("f", "not", term[2])
    return ("f", "not", term)


def both(a: Term, b: Term) -> Term:
    """`a and b` as a condition."""
    if FALSE in (a, b):
        return FALSE
    if a in (TRUE, b):
        return b
    if b == TRUE:
        return a
    if negate(a) == b or negate(b) == a:
        return FALSE
    known = conjuncts(a)
    news = [_given(part, known) for part in conjuncts(b) if part not in known]
    known = tuple(_given(part, tuple(news)) for part in known)
    parts = tuple(dict.fromkeys(part for part in (*known, *news) if part != TRUE))
    if FALSE in parts:
        return FALSE
    parts = tuple(
        sorted(parts, key=_is_opaque)
    )  # what is known comes first: where it does not hold, the rest is not asked
    return TRUE if not parts else parts[0] if len(parts) == 1 else ("f", "and", *parts)


def _is_opaque(part: Term) -> bool:
    return part[0] == "opaque" or (part[:2] == ("f", "not") and _is_opaque(part[2]))


def _given(part: Term, known: tuple[Term, ...]) -> Term:
    """A condition beside others that hold too: the choice that one of them decides is made."""
    if part[:2] == ("f", "not"):
        return negate(_given(part[2], known))
    if part[:2] == ("f", "if"):
        if part[2] in known:
            return _given(part[3], known)
        if negate(part[2]) in known:
            return _given(part[4], known)
    return part


def either(a: Term, b: Term) -> Term:
    """`a or b` as a condition."""
    if TRUE in (a, b):
        return TRUE
    if a in (FALSE, b):
        return b
    if b == FALSE:
        return a
    if negate(a) == b or negate(b) == a:
        return TRUE
    common = [part for part in conjuncts(a) if part in conjuncts(b)]
    mine = [part for part in conjuncts(a) if part not in common]
    theirs = [part for part in conjuncts(b) if part not in common]
    if not mine or not theirs:
        return conjunction(common)
    # `a or (not a and b)` is `a or b`: what if-elif-else chains come to.
    options = disjuncts(mine[0]) if len(mine) == 1 else (conjunction(mine),)
    rest = [part for part in theirs if not any(negate(part) == one or negate(one) == part for one in options)]
    if common or len(rest) < len(theirs):
        return conjunction([*common, either(conjunction(mine), conjunction(rest))])
    left = [part for part in disjuncts(a) if part not in disjuncts(b)]
    parts = (*left, *disjuncts(b))
    return parts[0] if len(parts) == 1 else ("f", "or", *parts)


def conjunction(parts: list[Term]) -> Term:
    term = TRUE
    for part in parts:
        term = both(term, part)
    return term


def conjuncts(term: Term) -> tuple[Term, ...]:
    return term[2:] if term[:2] == ("f", "and") else (term,)


def disjuncts(term: Term) -> tuple[Term, ...]:
    return term[2:] if term[:2] == ("f", "or") else (term,)


def choose(condition: Term, then: Term, other: Term) -> Term:
    """`if(condition, then, other)`."""
    if is_const(condition):
        return then if condition[2] else other
    if condition[:2] == ("f", "not"):
        return choose(condition[2], other, then)
    then, other = assume(then, condition, holds=True), assume(other, condition, holds=False)
    if then == other:
        return then
    if is_truth(then) and is_truth(other) and (is_const(then) or is_const(other)):
        truth = condition if is_truth(condition) else ("f", "bool", condition)
        if then == TRUE:
            return either(truth, other)
        if then == FALSE:
            return both(negate(truth), other)
        return either(negate(truth), then) if other == TRUE else both(truth, then)
    return ("f", "if", condition, then, other)


def assume(term: Term, condition: Term, *, holds: bool) -> Term:
    """A term where a condition is known: the choices that ask for it, outermost first, are decided."""
    if condition[:2] == ("f", "not"):
        return assume(term, condition[2], holds=not holds)
    while term[:2] == ("f", "if") and term[2] == condition:
        term = term[3] if holds else term[4]
    if term == condition and is_truth(term):
        return TRUE if holds else FALSE
    return term


def call(name: str, *args: Term) -> Term:
    """A function of the expression language."""
    only = args[0] if len(args) == 1 else None
    if only is not None and is_const(only) and name in UNARY:
        try:
            return const(UNARY[name](only[2]))
        except (TypeError, ArithmeticError, ValueError) as error:
            return ("opaque", f"{name}: {error}")
    if name in {"max", "min"} and all(is_const(arg) for arg in args):
        return const((max if name == "max" else min)(arg[2] for arg in args))
    if name == "max" and len(args) > 1:
        args = tuple(dict.fromkeys(args))
        if len(args) == 1:
            return args[0]
    if only is not None and name in {"int", "ceil", "floor", "round"} and only[0] in {"//", "%"}:
        return only
    if only is not None and name == "len" and only[0] == "each":
        return tuple(only[2])
    return ("f", name, *args)


def item(sequence: Term, index: Term) -> Term:
    """An item of a sequence; of one that is made by an expression its term."""
    if sequence[:2] == ("f", "if"):
        then, other = item(sequence[3], index), item(sequence[4], index)
        if then[0] != "at" or other[0] != "at":
            return choose(sequence[2], then, other)
    if sequence[0] == "each":
        if is_const(index) and type(index[2]) is int and index[2] < 0:
            index = binary("+", sequence[2], index)
        return substitute(sequence[3], {("i", sequence[1]): index})
    if sequence[:2] == ("f", "list") and is_const(index) and -len(sequence) + 2 <= index[2] < len(sequence) - 2:
        return sequence[2:][index[2]]  # type: ignore[no-any-return]
    if is_const(index) and type(index[2]) is int and index[2] < 0:
        return ("at", sequence, binary("+", call("len", sequence), index))
    return ("at", sequence, index)


def substitute(term: Term, replacement: Mapping[Term, Term]) -> Term:
    """A term with parts replaced, simplified again."""
    if term in replacement:
        return replacement[term]
    if term[0] in {"c", "v", "i", "opaque"}:
        return term
    return rebuild(term, lambda part: substitute(part, replacement))


def rebuild(term: Term, change: Callable[[Term], Term]) -> Term:
    """A term of the same kind with its parts changed."""
    kind = term[0]
    if kind == "f":
        args = [change(part) for part in term[2:]]
        if term[1] == "if":
            return choose(*args)
        if term[1] == "not":
            return negate(args[0])
        if term[1] in {"and", "or"}:
            result = args[0]
            for arg in args[1:]:
                result = (both if term[1] == "and" else either)(result, arg)
            return result
        return call(term[1], *args)
    if kind == "at":
        return item(change(term[1]), change(term[2]))
    if kind in {"each", "map", "filter"}:
        return (kind, term[1], change(term[2]), change(term[3]))
    if kind == "carry":
        return (kind, term[1], change(term[2]))
    if kind == "fmt":
        return (kind, *(part if isinstance(part, str) else change(part) for part in term[1:]))
    if kind in ARITHMETIC:
        return binary(kind, change(term[1]), change(term[2]))
    return compare(kind, change(term[1]), change(term[2]))


def parts(term: Term) -> Iterator[Term]:
    """The term and everything inside it."""
    yield term
    if term[0] not in {"c", "v", "i", "opaque"}:
        for part in term[1:]:
            if isinstance(part, tuple):
                yield from parts(part)


def text(term: Term, names: Mapping[int, str]) -> str:
    """A term in the expression language; `names` are those of the indices, `$0` and so on."""
    return _text(term, dict(names), 0)


_LEVEL = {"or": 1, "and": 2, "not": 3, **dict.fromkeys((*TRUTHS, "!="), 4), "+": 5, "-": 5, "*": 6, "//": 6, "/": 6,
          "%": 6, "**": 8}  # fmt: skip


def _text(term: Term, names: dict[int, str], outer: int) -> str:
    kind = term[0]
    if kind == "c":
        return _constant(term[2])
    if kind == "v":
        return str(term[1])
    if kind == "i":
        return names[term[1]]
    if kind == "at":
        return f"{_text(term[1], names, 9)}[{_text(term[2], names, 0)}]"
    if kind in {"each", "map", "filter"}:
        bound = f"${chr(ord('a') + sum(name[1:].isalpha() for name in names.values()))}"
        inner = _text(term[3], {**names, term[1]: bound}, 0)
        return f"{kind}({bound}, {_text(term[2], names, 0)}, {inner})"
    if kind == "f" and term[1] == "not" and term[2][0] in {"==", "in"}:
        op = {"==": "!=", "in": "not in"}[term[2][0]]
        return _infix(op, term[2][1:], names, outer, 4)
    if kind == "f" and term[1] == "not":
        body = f"not {_text(term[2], names, 4)}"
        return f"({body})" if outer > 3 else body  # noqa: PLR2004 — the level of `not`
    if kind == "f" and term[1] in {"and", "or"}:
        if not all(_is_opaque(part) for part in term[2:]):
            term = (*term[:2], *(("v", "unknown") if _is_opaque(part) else part for part in term[2:]))
        return _infix(term[1], term[2:], names, outer, _LEVEL[term[1]])
    if kind == "f" and term[1] == "if":
        # A side that is not known makes the value unknown only where it is the one that counts.
        sides = ("unknown" if side[0] == "opaque" else _text(side, names, 0) for side in term[3:])
        return f"if({', '.join((_text(term[2], names, 0), *sides))})"
    if kind == "f":
        return f"{term[1]}({', '.join(_text(part, names, 0) for part in term[2:])})"
    if kind == "fmt":
        pieces = [const(part) if isinstance(part, str) else call("str", part) for part in term[1:]]
        return _infix("+", tuple(pieces), names, outer, _LEVEL["+"])
    if kind in _LEVEL:
        return _infix(kind, term[1:], names, outer, _LEVEL[kind])
    raise ValueError(f"no text for {term!r}")


def _infix(op: str, operands: tuple[Term, ...], names: dict[int, str], outer: int, level: int) -> str:
    # Comparisons do not chain, and the right operand of `-`, `//` and the like needs its brackets.
    first = level + 1 if level == 4 or op == "**" else level  # noqa: PLR2004 — the level of comparisons
    texts = [_text(part, names, first if position == 0 else level + 1) for position, part in enumerate(operands)]
    body = f" {op} ".join(texts)
    return f"({body})" if outer > level else body


def _constant(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        if "'" in value:
            raise ValueError(f"no text for the string {value!r}")
        return f"'{value}'"
    return f"({value})" if value < 0 else str(value)
