"""The expression language: Python's meaning where there is one, UNKNOWN everywhere else, and bounds for both."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.loading import functions
from hfcheck.loading.expression import ExpressionInvalid, evaluate, fields, indices, parse
from hfcheck.loading.grammar import ARITY, LOOPS, MAX_DEPTH, MAX_NODES, MAX_TEXT
from hfcheck.loading.names import ABSENT, UNKNOWN


@dataclass(frozen=True)
class Level:
    """Names as a resolved config gives them."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> object:
        return self.values.get(name, ABSENT)


CONFIG = Level({
    "hidden_size": 64,
    "heads": 8,
    "head_dim": None,
    "ratio": 0.5,
    "use_bias": True,
    "act": "gelu",
    "sizes": [8, 16, 32],
    "kinds": ["full", "sliding", "full"],
    "rope": {"type": "yarn", "factor": 4.0},
    "labels": {0: "a"},
    "text_config": Level({"hidden_size": 32, "layers": 2, "inner": Level({"depth": 3})}),
    "derived": UNKNOWN,
    "huge": 10**4000,
    "text": "x" * 20_000,
    "many": [0] * 1_000_000,
    "infinite": float("inf"),
    "nan": float("nan"),
})  # fmt: skip


def value(text: str, *at: int) -> object:
    return evaluate(parse(text), CONFIG, at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hidden_size // heads * 2 ** 2 ** 1", 32),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("7 % 3 - -1", 2),
        ("10 - 4 - 3", 3),
        ("64 / 8 / 2", 4.0),
        ("int(hidden_size * ratio)", 32),
        ("1 + use_bias", 2),
        ("coalesce(head_dim, hidden_size // heads)", 8),
        ("if(use_bias, 1, hidden_size // 0)", 1),
        ("head_dim or heads", 8),
        ("heads and act", "gelu"),
        ("not act == 'relu'", True),
        ("not not heads", True),
        ("not -1 in sizes", True),
        ("act not in list('gelu', 'relu')", False),
        ("'el' in act and 'yarn' in rope['type']", True),
        ("'factor' in rope", True),
        ("kinds[$0] == 'sliding'", True),
        ("kinds[-1]", "full"),
        ("list(1, 2)[$0]", 2),
        ("text_config.inner.depth + text_config.hidden_size", 35),
        ("rope.factor", 4.0),
        ("get(rope, 'factor', 1)", 4.0),
        ("get(rope, 'none', 1)", 1),
        ("get(text_config, 'layers')", 2),
        ("get(labels, 0)", "a"),
        ("has('text_config.inner.depth') and not has('text_config.other')", True),
        ("has('nothing.at.all') or has('head_dim.x') or has('act.x')", False),
        ("each($i, 3, $i * heads)", [0, 8, 16]),
        ("each($i, 2, each($j, 2, $i * 10 + $j))", [[0, 1], [10, 11]]),
        ("each($i, -1, $i)", []),
        ("map($x, sizes, $x // heads + $0)", [2, 3, 5]),
        ("filter($x, sizes, $x > 8)", [16, 32]),
        ("concat(list('a'), repeat('b', 2), slice(kinds, null, 1)) + list()", ["a", "b", "b", "full"]),
        ("slice(act, 1, -1)", "el"),
        ("range(1, 6, 2) + reverse(range(2))", [1, 3, 5, 1, 0]),
        ("sort(list(3, 1, 2))[0] + index(kinds, 'sliding')", 2),
        ("min(sizes) + max(3, 1) + sum(sizes) + prod(list(2, 3)) + len(act)", 8 + 3 + 56 + 6 + 4),
        ("ceil(5 / 2) + floor(5 / 2) + round(2.5) + abs(-3) + gcd(12, 18)", 3 + 2 + 2 + 3 + 6),
        ("sqrt(64) + log2(8) + exp(0) + log(1) + log(8, 2)", 8 + 3 + 1 + 0 + 3.0),
        ("float('1.5') + int('2')", 3.5),
        ("str(heads) + str(null) + str(true)", "8NoneTrue"),
        ("is_list(sizes) and is_int(heads) and not is_int(use_bias) and is_bool(use_bias)", True),
        ("is_float(ratio) and is_str(act) and is_dict(rope) and not is_dict(text_config)", True),
        ("any(list(0, 1)) and not all(list(0, 1))", True),
        ("split('a.b', '.')[1] == 'b' and startswith(act, 'ge') and endswith(act, 'lu')", True),
        ("contains(sizes, 16) and bool(text_config)", True),
        ("text_config == null", False),
        ("sizes == list(8, 16, 32) and rope != sizes", True),
        ("1e-06 < ratio and 'a' < 'b'", True),
        ("nan == nan", False),
        ("infinite > 1", True),
    ],
)
def test_value(text: str, expected: object) -> None:
    assert value(text, 1) == expected
    assert type(value(text, 1)) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "head_dim * 2", "-head_dim", "head_dim < 1", "act < 1", "act * 2", "2 * act", "act % 2", "sizes * 2",
        "nothing", "text_config.nothing", "heads.real", "act.upper", "derived", "has('derived')", "has('derived.x')",
        "text_config + 1",
        "1 // 0", "1 / 0.0", "5 % 0", "0 ** -1", "(-8) ** 0.5", "2 ** 65", "2 ** 63", "9223372036854775807 + 1",
        "1.5 ** 1000", "huge", "huge + 1", "text", "many", "len(many)", "int(infinite)", "int(nan)", "round(nan)",
        "infinite ** 2 * 0 // 0", "int(1e300)", "int('x')", "float(act)", "int(null)", "str(sizes)", "sqrt(-1)",
        "sizes[3]", "sizes[-4]", "sizes['a']", "sizes[0.0]", "rope['none']", "heads[0]", "null[0]",
        "get(null, 'a')", "get(heads, 'a')", "index(kinds, 'none')", "repeat(0, 1000000)", "repeat(0, 'a')",
        "range(1000000)", "range(1, 2, 0)", "each($i, 1000000, $i)", "each($i, 90000, each($j, 90000, $j))",
        "min(list())", "max(act)", "sum(kinds)", "sort(list('a', 1))", "prod(repeat(10, 100))", "exp(1000)",
        "round(1.5, 1000000)", "map($x, act, $x)", "split(act, '')", "$2", "coalesce(nothing, 1)", "gcd(1.5, 2)",
    ],
)  # fmt: skip
def test_unknown(text: str) -> None:
    assert value(text, 0, 1) is UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 +", "(1", "1)", "a..b", "a.1", "a[", "a[]", "'open", '"double"', "1 < 2 < 3", "a not b",
        "1 + not a", "f(1)", "if(1, 2)", "len()", "list(1,)", "each(i, 2, 1)", "each($i, 2)", "$i", "map($x, $x, 1)",
        "has(a)", "has('')", "true()", "and", "not", "a.true", "9223372036854775808", "1" * 5000, "1e999", "1.",
        "3abc", "a = b",
        "a == b == c", "__import__('os')", "a; b", "$100", "a\x00", "ä", "lambda: 0",
    ],
)  # fmt: skip
def test_invalid(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        parse(text)


def test_limits_of_texts() -> None:
    assert value("(" * 150 + "1" + ")" * 150) == 1
    assert value("+".join(["1"] * 1500)) == 1500
    assert value(" and ".join(["(1 < 2)"] * 1000)) is True
    nested = "if(false, 0, " * (MAX_DEPTH - 1) + "7" + ")" * (MAX_DEPTH - 1)
    assert value(nested) == 7
    for text in ["not " * 5000 + "1", "(" * 5000, f"if(1, 2, {nested})", "1+" * MAX_NODES + "1", " " * MAX_TEXT + "1"]:
        with pytest.raises(ExpressionInvalid):
            parse(text)


def test_parsing_is_cached() -> None:
    assert parse("hidden_size * 2") is parse("hidden_size * 2")


def test_fields_and_indices() -> None:
    node = parse("if(a.b == null, list(c)[$1], sizes[$0].x) + map($v, d.e[0].f, $v)[0] + has('g.h') + get(i, 'j')")
    assert fields(node) == {"a.b", "c", "sizes", "d.e", "g.h", "i"}
    assert indices(node) == (0, 1)


def test_every_function_of_the_grammar_is_there() -> None:
    assert set(functions.FUNCTIONS) == set(ARITY) - {"if", "coalesce", "has"} - LOOPS


def test_a_hostile_loop_ends_soon() -> None:
    started = time.process_time()
    assert value("each($i, 100000, each($j, 100000, $i + $j))") is UNKNOWN
    assert time.process_time() - started < 2


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from([
    "a", "b.c", "1", "2.5", "'s'", "$0", "$x", "null", "true", "+", "-", "*", "**", "//", "%", "(", ")", "[", "]", ",",
    ".", "not", "and", "or", "in", "==", "<", "if(", "map($x,", "len(", "list(", "each($i,", " ",
]), max_size=30).map(" ".join))  # fmt: skip
def test_any_text_is_an_expression_or_invalid(text: str) -> None:
    try:
        node = parse(text)
    except ExpressionInvalid as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017 # both outcomes are right
    else:
        evaluate(node, CONFIG, (0,))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**300), 10**300) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abxy"), inner, max_size=3),
    max_leaves=8,
)
EVERYTHING = [
    *(f"a {sign} b" for sign in ("+", "-", "*", "/", "//", "%", "**", "==", "<", ">=", "in", "and", "or")),
    *(
        f"{function}({', '.join(['a', 'b', 'c'][: max(1, least)])})"
        for function, (least, _) in ARITY.items()
        if function != "has"
    ),
    "-a", "not a", "a[b]", "a.x.y", "has('a.x')", "get(a, b, c)", "map($x, a, $x + b)", "filter($x, a, $x < b)",
    "each($i, a, b[$i])", "round(a, b)", "log(a, b)", "range(a, b, c)", "min(a, b)", "max(a, b, c)", "gcd(a, b)",
    "a ** b ** c", "sum(map($x, a, $x * $x))", "concat(a, b)[c]", "repeat(repeat(a, b), c)",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERYTHING), JSON, JSON, JSON)
def test_any_config_gives_a_value_or_unknown(text: str, a: object, b: object, c: object) -> None:
    result = evaluate(parse(text), Level({"a": a, "b": b, "c": c}))
    assert result is UNKNOWN or result is None or isinstance(result, (bool, int, float, str, list, dict))
    if isinstance(result, int):
        assert abs(result) < 2**63


ARITHMETIC = st.recursive(
    st.integers(0, 40).map(str) | st.floats(0, 40).map(repr) | st.sampled_from(["a", "b", "c"]),
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "and", "or"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner),
        st.builds("(not {})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("({})".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "int", "float", "bool"]), inner),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(ARITHMETIC, st.integers(-50, 50), st.floats(-50, 50), st.booleans())
def test_agrees_with_python(text: str, a: int, b: float, c: bool) -> None:  # noqa: FBT001 # one of the kinds of number
    ours = evaluate(parse(text), Level({"a": a, "b": b, "c": c}))
    builtins = {"min": min, "max": max, "abs": abs, "int": int, "float": float, "bool": bool}
    try:
        # The text is made of the pieces above and nothing else.
        python = eval(text, {"__builtins__": {}}, {**builtins, "a": a, "b": b, "c": c})
    except (ArithmeticError, ValueError):
        assert ours is UNKNOWN
        return
    assert ours is UNKNOWN if isinstance(python, int) and abs(python) >= 2**63 else repr(ours) == repr(python)
