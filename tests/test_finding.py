"""Severities, pointers, and the first step of every string on its way to a sink."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.finding import At, Finding, Severity, pointer, printable, quote, shorten, visible

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("model.layers.0", "model.layers.0"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\x0ab"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),
        ("back\\slash", "back\\\\slash"),
        ("naïve 模型 🤗", "naïve 模型 🤗"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_visible_leaves_nothing_hidden(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(char) for char in shown} & HIDDEN
    assert (shown == text) == (not any(char == "\\" or unicodedata.category(char) in HIDDEN for char in text))


@given(st.text(alphabet="a\\x0\n1b"), st.text(alphabet="a\\x0\n1b"))
def test_visible_keeps_two_strings_apart(one: str, two: str) -> None:
    assert (visible(one) == visible(two)) == (one == two)


@given(st.text())
def test_printable_does_not_escape_twice(text: str) -> None:
    assert printable(f"the file {quote(text, 1000)}") == f"the file {quote(text, 1000)}"


@given(st.text(), st.integers(40, 200))
def test_shorten(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert len(cut) <= limit
    assert cut == text or f"({len(text)} characters)" in cut


@pytest.mark.parametrize(("parts", "expected"), [((), ""), (("a/b", "c~d"), "/a~1b/c~0d"), (("list", 3), "/list/3")])
def test_pointer(parts: tuple[str | int, ...], expected: str) -> None:
    assert pointer(*parts) == expected


def finding(at: At, message: str = "m") -> Finding:
    return Finding("IDX001", "index-shard-missing", Severity.ERROR, at, message, "h")


def test_fingerprint_knows_the_place_and_not_the_wording() -> None:
    place = At("model.safetensors", tensor="a", offset=8)
    assert finding(place).fingerprint == finding(At("model.safetensors", tensor="a", offset=99), "other").fingerprint
    assert finding(place).fingerprint != finding(At("model.safetensors", tensor="b")).fingerprint
    assert finding(At("\udcff")).fingerprint, "a name that is not UTF-8 has one too"


def test_severities_are_ordered() -> None:
    assert Severity.ERROR.at_least(Severity.WARNING)
    assert not Severity.NOTE.at_least(Severity.WARNING)
    assert sorted(Severity, key=lambda severity: severity.rank) == [Severity.ERROR, Severity.WARNING, Severity.NOTE]
