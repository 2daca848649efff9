"""What a pickle would call, as a line of text: bounded in length and time, printable, and not to be mistaken."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, How, Opaque, Persistent, Set, Value
from hfcheck.pickle_wording import LENGTH, dotted, listed, rendered

REDUCE = ord("R")


def named(module: str | None, name: str | None) -> Global:
    return Global(module, name, 0, How.GLOBAL, 2)


def call(callee: Value, *args: Value, kwargs: Value = None) -> Call:
    return Call(callee, args, kwargs, 0, REDUCE)


SYSTEM = named("os", "system")
GETATTR = named("builtins", "getattr")

CASES = {
    "a command": (call(SYSTEM, "echo hi"), 'os.system("echo hi")'),
    "no argument": (call(SYSTEM), "os.system()"),
    "constants": (call(SYSTEM, None, 3, 2.5, b"\x00a"), "os.system(None, 3, 2.5, b'\\x00a')"),
    "containers": (call(SYSTEM, [1], (), (1,), Dict(["a", 1]), Set([2], frozen=True)),
                   'os.system([1], (), (1,), {"a": 1}, frozenset({2}))'),
    "a call of a call": (call(call(GETATTR, named("os", "path"), "x"), 1), 'builtins.getattr(os.path, "x")(1)'),
    "arguments by name": (call(SYSTEM, 1, kwargs=Dict(["a", 2])), 'os.system(1, **{"a": 2})'),
    "arguments that are no tuple": (Call(SYSTEM, call(GETATTR), None, 0, REDUCE), "os.system(*builtins.getattr())"),
    "a persistent id": (Persistent(("storage", "0"), 0), 'persistent_load(("storage", "0"))'),
    "what is too long to keep": (call(SYSTEM, Bulk(str, 7, 100_000)), "os.system(<str of 100000 bytes>)"),
    "what cannot be known": (Opaque("a NumPy array"), "<a NumPy array>"),
    "a large number": (call(SYSTEM, 2**4000), "os.system(<an integer of 4001 bits>)"),
    "many arguments": (call(SYSTEM, *range(9)), "os.system(0, 1, 2, 3, 4, 5, ...(9 in all))"),
    "quotes do not end a string": (call(SYSTEM, 'a") or ("b'), 'os.system("a\\") or (\\"b")'),
    "a backslash is doubled": (call(SYSTEM, 'a\\"'), 'os.system("a\\\\\\"")'),
    "control characters": (call(SYSTEM, "a\n\x1b[31m\u202eb"), 'os.system("a\\x0a\\x1b[31m\\u202eb")'),
    "a computed module": (call(named(None, "system")), "<computed>.system()"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "text"), CASES.values(), ids=CASES)
def test_rendered(value: Value, text: str) -> None:
    assert rendered(value) == text


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("os", "system", "os.system"),
        ("\u043es", "system", '"\\u043es.system"'),
        ("os system", "x", '"os system.x"'),
        ("", "", '"."'),
        ("a\nb", "c", '"a\\x0ab.c"'),
        (None, None, "<computed>.<computed>"),
    ],
)
def test_a_name_that_is_none_stands_in_quotes(module: str | None, name: str | None, text: str) -> None:
    assert dotted(module, name) == text


def test_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcdef") == "a, b, c, d and 2 more"


def constants() -> st.SearchStrategy[Value]:
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.integers(4000, 20_000).map(_power),
    )


def _power(bits: int) -> int:
    return 1 << bits


def names() -> st.SearchStrategy[Value]:
    part = st.one_of(st.none(), st.text(), st.sampled_from(["os", "system", "a.b"]))
    return st.builds(named, part, part)


def built(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    several = st.lists(inner, max_size=8)
    return st.one_of(
        several,
        several.map(tuple),
        several.map(Dict),
        st.builds(lambda elements, frozen: Set(elements, frozen=frozen), several, st.booleans()),
        st.builds(lambda callee, args, kwargs: Call(callee, args, kwargs, 0, REDUCE), inner, inner, inner),
        st.builds(lambda id_: Persistent(id_, 0), inner),
        st.builds(Opaque, st.text()),
        st.builds(lambda length: Bulk(bytes, 0, length), st.integers(0, 2**63)),
    )


VALUES = st.recursive(st.one_of(constants(), names()), built, max_leaves=40)


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_any_value_is_a_short_printable_line(value: Value) -> None:
    text = rendered(value)
    assert len(text) <= LENGTH
    assert text.isascii()
    assert text.isprintable()


def shared() -> Value:
    value: Value = ("x" * 60_000,)
    for _ in range(200):
        value = (value, value)
    return value


def cyclic() -> Value:
    value: list[Value] = []
    result = Call(value, value, Dict([value, value]), 0, REDUCE)
    value += [value, result]
    return result


def called_without_end() -> Value:
    value: Value = SYSTEM
    for _ in range(100_000):
        value = call(value)
    return value


def nothing_but_empty() -> Value:
    value: Value = Call("", (), Dict([]), 0, REDUCE)
    for _ in range(50):
        value = [value] * 100_000
    return value


@pytest.mark.parametrize(
    "value", [shared(), cyclic(), called_without_end(), nothing_but_empty(), "\U000e0001" * 65_000]
)
def test_hostile_graphs_take_no_time(value: Value) -> None:
    start = time.process_time()
    text = rendered(value)
    assert time.process_time() - start < 0.5
    assert len(text) <= LENGTH
    assert text.isascii()
