"""The JSON reader: what readers disagree about, why a text is none, where things stand."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hfcheck.finding import pointer
from hfcheck.formats.json_ import (
    BOM,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_SHADOWED,
    SHOWN,
    Fault,
    JsonInvalid,
    parse,
    positions,
    read,
    walk,
)

FEW = settings(max_examples=300, derandomize=True, deadline=None)


@dataclass(frozen=True)
class Pairs:
    """An object as it is written: a key may come more than once."""

    items: tuple[tuple[str, Any], ...]


Document = None | bool | float | str | list[Any] | Pairs


KEYS = st.sampled_from(["a", "b", "", "0", "1", "~", "/", "a/b~c", "é", '"', "\\", "\n", "😀", "__metadata__"])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(lambda items: Pairs(tuple(items)))
    ),
    max_leaves=12,
)


class Writer:
    """Writes a document with random spaces and escapes, and notes where it put what: the oracle of `positions`."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.text = ""
        self.places: dict[str, int] = {}

    def write(self, document: Document, path: tuple[str | int, ...] = (), *, seen: bool = True) -> None:
        self._space()
        if seen and (not path or type(path[-1]) is int):
            self.places[pointer(*path)] = len(self.text) if path else 0
        match document:
            case Pairs(items):
                self._object(items, path, seen=seen)
            case list():
                self.text += "["
                for index, child in enumerate(document):
                    self.text += "," * (index > 0)
                    self.write(child, (*path, index), seen=seen)
                self.text += "]"
            case _:
                self.text += json.dumps(document, ensure_ascii=self.dice.random() < 0.5)
        self._space()

    def _object(self, items: tuple[tuple[str, Any], ...], path: tuple[str | int, ...], *, seen: bool) -> None:
        last = {key: index for index, (key, _) in enumerate(items)}
        self.text += "{"
        for index, (key, child) in enumerate(items):
            self.text += "," * (index > 0)
            self._space()
            wins = seen and last[key] == index
            if wins:
                self.places[pointer(*path, key)] = len(self.text)
            self._string(key)
            self._space()
            self.text += ":"
            self.write(child, (*path, key), seen=wins)
        self.text += "}"

    def _string(self, key: str) -> None:
        escaped = "".join(f"\\u{ord(char):04x}" if char < "\x7f" and self.dice.random() < 0.3 else char for char in key)
        self.text += json.dumps(key, ensure_ascii=False) if escaped == key else f'"{escaped}"'

    def _space(self) -> None:
        self.text += "".join(self.dice.choices(" \t\n\r", k=self.dice.choice((0, 0, 1, 3))))


def hidden(document: Document, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """The pointers of all that a later key of the same name hides, hidden values themselves searched as well."""
    match document:
        case Pairs(items):
            last = {key: index for index, (key, _) in enumerate(items)}
            for index, (key, child) in enumerate(items):
                if last[key] != index:
                    yield pointer(*path, key)
                yield from hidden(child, (*path, key))
        case list():
            for index, child in enumerate(document):
                yield from hidden(child, (*path, index))
        case _:
            pass


@FEW
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_a_document_is_what_json_says_and_hides_what_comes_again(document: Document, dice: Random) -> None:
    writer = Writer(dice)
    writer.write(document)
    facts = parse(writer.text.encode())
    assert facts.value == json.loads(writer.text)
    assert Counter(entry.pointer for entry in facts.shadowed) == Counter(hidden(document))


@FEW
@given(DOCUMENTS, st.randoms(use_true_random=False))
@example(Pairs((("a", Pairs((("b", 1),))), ("a", Pairs((("b", 2),))))), Random(1))
def test_every_pointer_is_found_where_it_was_written(document: Document, dice: Random) -> None:
    writer = Writer(dice)
    writer.write(document)
    pointers = {pointer(*path) for path, _ in walk(json.loads(writer.text))}
    assert set(writer.places) == pointers
    assert positions(writer.text, pointers) == writer.places
    some = {place for place in writer.places if dice.random() < 0.3}
    assert positions(writer.text, some) == {place: writer.places[place] for place in some}


@pytest.mark.parametrize(
    "text", ["", "{", "[[", ']"', '{"a', '{"a":"\\', "}}", '{"a":1}}{"b":2', '"' * 9, "{]}", "<html>"]
)
def test_a_place_in_what_is_no_document_stops_nothing(text: str) -> None:
    assert set(positions(text, {"/a", "/0", "/b/c"})) <= {"/a", "/0"}


@pytest.mark.parametrize(
    ("text", "found"),
    [('["%s"]' % ("\\n" * 10**6), {"/0": 1}), ('["%s' % ('\\"' * 10**6), {})],
    ids=["whole", "cut off"],
)
def test_a_long_string_takes_little_memory(text: str, found: dict[str, int]) -> None:
    """A regular expression would keep a way back for each of the escapes: 4 GB for a file of 64 MB."""
    tracemalloc.start()
    try:
        assert positions(text, {"/0"}) == found
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_what_is_not_there_is_left_out() -> None:
    assert positions('{"a": [1]}', {"/b", "/a/1", "/a/0/c", "/A"}) == {}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('{"a": NaN}', {"nonfinite": ("/a",)}),
        ("[Infinity, 1, -Infinity]", {"nonfinite": ("/0", "/2")}),
        ('{"a": [1e999, -1e999]}', {"nonfinite": ("/a/0", "/a/1")}),
        ('{"a": {"b": NaN}, "a": 1}', {"nonfinite": ("/a/b",)}),
        ('{"a": "NaN", "b": 1e308}', {}),
        ("[-0, 0, -0.0, -1]", {"minus_zero": ("/0",)}),
        ('"-0"', {}),
        ('{"a": "\\ud800"}', {"surrogates": ("/a",)}),
        ('{"\\udc00": 1}', {"surrogates": ("/\udc00",)}),
        ('["\\ud83d\\ude00", "\\ude00\\ud83d", "\\ud83d"]', {"surrogates": ("/1", "/2")}),
        ('["\\uD83D\\uDE00", "\\\\ud83d", "ud83d"]', {}),
        ('["\\\\ud83d\\ude00"]', {"surrogates": ("/0",)}),
        ('["\\\\\\ud83d\\ude00"]', {}),
        ('{"a": "\\ud800", "a": 1}', {"surrogates": ("/a",)}),
        ('{"a~/b": [NaN]}', {"nonfinite": ("/a~0~1b/0",)}),
    ],
)  # fmt: skip
def test_what_other_readers_refuse(text: str, facts: dict[str, Any]) -> None:
    found = parse(text.encode())
    places = {"nonfinite": found.nonfinite, "minus_zero": found.minus_zero, "surrogates": found.surrogates}
    assert {key: value for key, value in places.items() if value} == facts


def test_minus_zero_is_no_plain_integer() -> None:
    (minus, zero) = parse(b"[-0, 0]").value
    assert (minus, type(minus) is int, type(zero) is int) == (0, False, True)


def test_byte_order_mark() -> None:
    facts = parse(BOM + b"[1]")
    assert (facts.value, facts.bom) == ([1], True)
    assert not parse(b"[1]").bom
    with pytest.raises(JsonInvalid) as error:
        parse(BOM + "é".encode() + b"[1]")
    assert error.value.offset == len(BOM)


def test_a_hidden_value_hides_others() -> None:
    facts = parse(b'{"a": {"b": 1, "b": {"c": 2, "c": 3}}, "x": 0, "a": {"b": 4, "b": 5}}')
    assert [(entry.pointer, entry.value) for entry in facts.shadowed] == [
        ("/a", {"b": {"c": 3}}),
        ("/a/b", 4),
        ("/a/b", 1),
        ("/a/b/c", 2),
    ]


def test_only_the_first_places_are_kept() -> None:
    assert len(parse(b"[" + b"NaN," * 5000 + b"1]").nonfinite) == SHOWN
    long = parse(json.dumps({"a" * 60_000: [0] * 100}).replace("0", "NaN").encode())
    assert len(long.nonfinite) == 2, "two of 60,000 characters are enough"


@pytest.mark.parametrize(
    ("data", "fault", "offset"),
    [
        (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', Fault.CONFLICT, 2),
        (b'{"a": 1}\n>>>>>>> theirs\n', Fault.CONFLICT, 9),
        (b"<!DOCTYPE html>\n<html>", Fault.HTML, 0),
        (b"\n\n  <html>", Fault.HTML, 4),
        (b'{"a": [1, 2', Fault.TRUNCATED, 11),
        (b'{"a": "unfin', Fault.TRUNCATED, 6),
        (b"", Fault.TRUNCATED, 0),
        (b'{"a": "\xc3', Fault.TRUNCATED, 7),
        (b'{"a": 1}{"b": 2}', Fault.TRAILING, 8),
        (b'{"a": 1}\0\0\0', Fault.TRAILING, 8),
        (b'{"a": 1}\ngarbage', Fault.TRAILING, 9),
        ('{"a": "é"}'.encode("latin-1"), Fault.ENCODING, 7),
        ("{}".encode("utf-16"), Fault.ENCODING, 0),
        (b"{'a': 1}", Fault.SYNTAX, 1),
        (b'{"a": 1 // one\n}', Fault.SYNTAX, 8),
        (b'{"a": True}', Fault.SYNTAX, 6),
        ('{"é😀": 1, "ü" 2}'.encode(), Fault.SYNTAX, 19),
        ('{"é": "a\tb"}'.encode(), Fault.SYNTAX, 9),
        (BOM + '{"é": tru }'.encode(), Fault.SYNTAX, 10),
    ],
)  # fmt: skip
def test_why_and_where_it_is_none(data: bytes, fault: Fault, offset: int) -> None:
    with pytest.raises(JsonInvalid) as error:
        parse(data)
    assert (error.value.fault, error.value.offset, error.value.budget) == (fault, offset, None)
    assert not error.value.expected.startswith("Expecting")


@FEW
@given(DOCUMENTS, st.randoms(use_true_random=False), st.data())
def test_a_part_of_a_document_was_cut_off(document: Document, dice: Random, data: st.DataObject) -> None:
    writer = Writer(dice)
    writer.write([document])
    whole = writer.text.strip().encode()
    with pytest.raises(JsonInvalid) as error:
        parse(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert error.value.fault is Fault.TRUNCATED


@FEW
@given(DOCUMENTS, st.text("]}x1\"', \0é", min_size=1).filter(str.strip))
def test_something_was_appended_to_a_document(document: Document, junk: str) -> None:
    writer = Writer(Random(0))
    writer.write([document])
    whole = writer.text.strip().encode()
    with pytest.raises(JsonInvalid) as error:
        parse(whole + junk.encode())
    assert error.value.fault is Fault.TRAILING
    assert error.value.offset == len(whole) + len(junk) - len(junk.lstrip(" "))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1100, 100_000])
@pytest.mark.parametrize("form", ["[%s]", '{"a":%s}', '{"a":%s,"a":1}', '{"a":1,"a":%s}'])
def test_depth(form: str, depth: int) -> None:
    inner = "[" * (depth - 1) + "]" * (depth - 1)
    with pytest.raises(JsonInvalid) as error:
        parse((form % inner).encode())
    assert error.value.budget == "json.depth"
    less = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert parse((form % less).encode()).value


@pytest.mark.parametrize("sign", ["", "-"])
def test_digits(sign: str) -> None:
    digits = sign + "9" * MAX_DIGITS
    assert parse(f'{{"a": {digits}, "b": -0}}'.encode()).value["a"] == int(digits)
    for text in (f'{{"a": {digits}9}}', f'{{"a": {digits}9, "b": -0}}'):
        with pytest.raises(JsonInvalid) as error:
            parse(text.encode())
        assert error.value.budget == "json.digits"


def test_digits_where_python_sets_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.get_int_max_str_digits", lambda: 0)
    with pytest.raises(JsonInvalid) as error:
        parse(b"9" * (MAX_DIGITS + 1))
    assert error.value.budget == "json.digits"


def test_keys_that_come_again() -> None:
    under = parse(b'{"a":0' + b',"a":0' * MAX_SHADOWED + b"}")
    assert len(under.shadowed) == MAX_SHADOWED
    for over in (
        b'{"a":0' + b',"a":0' * (MAX_SHADOWED + 1) + b"}",
        b'{"%s":{"a":0%s}}' % (b"k" * 10**6, b',"a":0' * 11),
    ):
        with pytest.raises(JsonInvalid) as error:
            parse(over)
        assert error.value.budget == "json.duplicates"


def test_walk_is_in_the_order_of_the_document() -> None:
    paths = [path for path, _ in walk({"a": [1, {"b": 2}], "c": {}})]
    assert paths == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",)]


def test_read_begins_at_the_start() -> None:
    stream = BytesIO(b'{"a": 1}')
    stream.seek(5)
    assert read(stream).value == {"a": 1}
