"""The reader of tokenizer.json: what is cut out of the text is found all the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import json_, tokenizer_json
from hfcheck.formats.json_ import Fault, JsonInvalid
from hfcheck.formats.tokenizer_json import Merges, TokenizerFacts, parse

VOCAB = {"a": 0, "b": 1, "ab": 2, "c": 3, "abc": 4}


def document(merges: Any, **model: Any) -> bytes:  # noqa: ANN401 - whatever stands there
    return json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": VOCAB, **model, "merges": merges}}).encode()


def found(merges: Any, **model: Any) -> Merges | None:  # noqa: ANN401
    return parse(document(merges, **model)).merges


@pytest.mark.parametrize("merges", [["a b", "ab c"], [["a", "b"], ["ab", "c"]]], ids=["strings", "pairs"])
@pytest.mark.parametrize("indent", [None, 0, 2])
def test_both_forms(merges: list[Any], indent: int | None) -> None:
    whole = {"model": {"type": "BPE", "vocab": VOCAB, "merges": merges}}
    facts = parse(json.dumps(whole, indent=indent).encode() + b"\n")
    assert facts.merges == Merges(2, pairs=merges[0] != "a b")
    assert facts.value["model"]["merges"] == []
    assert facts.value["model"]["vocab"] == VOCAB


def test_the_other_facts_are_those_of_json() -> None:
    text = b'{"x": [NaN, -0], "a": 1, "a": 2, "auto_map": 0, "model": {"vocab": {}, "merges": ["a b"]}}'
    facts, whole = parse(text), json_.parse(text)
    assert facts.merges is not None
    assert (facts.nonfinite, facts.minus_zero, facts.watched) == (whole.nonfinite, whole.minus_zero, whole.watched)
    assert facts.shadowed == whole.shadowed


@pytest.mark.parametrize(
    ("merges", "odd", "unknown"),
    [
        (["a b", "a  b", "ab"], (1, 2), ()),
        ([["a", "b"], ["a"], ["a", "b", "c"], ["a", 1], 5, None], (1, 2, 3, 4, 5), ()),
        (["a b", "a z", "b c", "ab c"], (), ((1, "z"), (2, "bc"))),
        ([["a", "b"], ["z", "a"]], (), ((1, "z"),)),
        (["a b", ["ab", "c"]], (), ()),
    ],
)
def test_what_tokenizers_refuses(merges: list[Any], odd: tuple[int, ...], unknown: tuple[tuple[int, str], ...]) -> None:
    facts = found(merges)
    assert facts is not None
    assert (facts.odd, facts.unknown) == (odd, unknown)
    assert (facts.odd_count, facts.unknown_count, facts.count) == (len(odd), len(unknown), len(merges))


def test_a_prefix_of_what_is_inside_a_word() -> None:
    facts = parse(
        b'{"model": {"continuing_subword_prefix": "##", "vocab": {"a": 0, "##b": 1, "ab": 2}, "merges": ["a ##b"]}}'
    )
    assert facts.merges == Merges(1)


def test_only_the_first_are_kept() -> None:
    facts = found(["z z"] * 5000)
    assert facts is not None
    assert facts.unknown_count == 5000
    assert len(facts.unknown) == tokenizer_json.SHOWN


def test_long_arrays_are_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = [["],", '["'], ['","', "\\"], ['"]', "]]}"], ["é", "😀"], ['\\"', '"],["']] * 500
    for merges in (hostile, [" ".join(pair) for pair in hostile]):
        monkeypatch.setattr(tokenizer_json, "_CHUNK", 100)
        facts = parse(json.dumps({"model": {"vocab": [], "merges": merges}}, ensure_ascii=False).encode())
        assert facts.merges is not None
        assert facts.merges.count == len(merges)
        assert facts.merges.odd_count == 0


@pytest.mark.parametrize(
    "text",
    [
        b'{"merges": ["a b"], "model": {"merges": 7000000000000001}}',
        b'{"model": {"m\\u0065rges": ["a b"]}, "x": {"merges": ["c d"]}}',
        b'{"model": {"merges": ["a b"], "merges": ["c d"]}}',
        b'{"model": {"merges": "merges\\": [1] }}"}}',
        b'{"model": {"merges": {"a": 1}}}',
        b'{"model": []}',
        b'[{"model": {"merges": ["a b"]}}]',
        b'{"model": {"merges": ["\\ud83d \\ude00"]}}',
        b'{"model": {"merges": [{"a": 1, "a": 2}]}}',
        b'{"model": {"merges": [-0, NaN]}}',
        b"7",
    ],
)
def test_whatever_else_is_there(text: bytes) -> None:
    facts, whole = parse(text), json_.parse(text)
    for name in ("nonfinite", "surrogates", "minus_zero", "shadowed"):
        assert getattr(facts, name) == getattr(whole, name), name
    if facts.merges is not None:
        whole.value["model"]["merges"] = []
    assert repr(facts.value) == repr(whole.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"model": {"merges": ["a b", ]}}', Fault.SYNTAX),
        (b'{"model": {"merges": ["a b" "c d"]}}', Fault.SYNTAX),
        (b'{"model": {"merges": ["a b"', Fault.TRUNCATED),
        (b'{"model": {"merges": ["a \xff"]}}', Fault.ENCODING),
        (b'{"model": {"merges": ["a b"]}} x', Fault.TRAILING),
    ],
)
def test_errors_are_those_of_json(text: bytes, fault: Fault) -> None:
    with pytest.raises(JsonInvalid) as ours:
        parse(text)
    with pytest.raises(JsonInvalid) as whole:
        json_.parse(text)
    assert (ours.value.offset, ours.value.expected) == (whole.value.offset, whole.value.expected)
    assert ours.value.fault == fault


TEXTS = st.text(st.sampled_from('ab ,[]{}"\\é\n'), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(TEXTS, st.tuples(TEXTS, TEXTS)), max_size=30), st.sampled_from((None, 1)), st.booleans())
def test_any_merges(merges: list[Any], indent: int | None, last: bool) -> None:  # noqa: FBT001 - drawn
    model = {"vocab": VOCAB, "merges": merges} if last else {"merges": merges, "vocab": VOCAB}
    facts = parse(json.dumps({"model": model}, indent=indent).encode())
    assert isinstance(facts, TokenizerFacts)
    assert facts.merges is not None
    assert facts.merges.count == len(merges)
    odd = [n for n, one in enumerate(merges) if len(one.split(" ") if isinstance(one, str) else one) != 2]
    assert list(facts.merges.odd) == odd
