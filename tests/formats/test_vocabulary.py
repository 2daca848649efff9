"""The readers of vocab.txt, merges.txt, tiktoken ranks, tekken.json and templates."""

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import jinja, tekken, tiktoken, vocabulary
from hfcheck.formats.jinja import TemplateInvalid
from hfcheck.formats.tekken import TekkenFacts
from hfcheck.formats.tiktoken import TiktokenInvalid
from hfcheck.formats.vocabulary import VocabularyInvalid


def lines(text: str) -> vocabulary.VocabularyFacts:
    return vocabulary.read(BytesIO(text.encode()))


def merges(text: str) -> vocabulary.MergesFacts:
    return vocabulary.read_merges(BytesIO(text.encode()))


def test_a_line_is_a_token_without_the_white_space_behind_it() -> None:
    facts = lines("a\n b \r\n\u3000\né\u2028\na\n\n")
    assert facts.lines == ("a", " b", "", "é", "a", "")
    assert facts.ids() == {"a": 4, " b": 1, "": 5, "é": 3}
    assert (facts.duplicates, facts.stripped) == ((4, 5), (1, 2, 3))
    assert list(facts.starts) == [0, 2, 7, 11, 17, 19]


@pytest.mark.loader
@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("ab \t\r\n\x1c\x85\xa0\u2028\u3000é#"), max_size=30))
def test_tokenizers_reads_the_same_tokens(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    models: Any = pytest.importorskip("tokenizers.models")
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_bytes(text.encode())
    assert models.WordPiece.read_file(str(path)) == lines(text).ids()


def test_merges() -> None:
    facts = merges("#version: 0.2\na b\r\nab c\n\n a b\n#version\nc d\n")
    assert facts.merges == ("a b", "ab c", "", " a b", "c d")
    assert tuple(facts.numbers) == (1, 2, 3, 4, 6)
    assert facts.odd == (3, 4)
    assert merges("a b\nb c").numbers == range(2)


@pytest.mark.parametrize("data", [b"\xff\xfea", b"a\n\x80"])
def test_what_is_no_text(data: bytes) -> None:
    for read in (vocabulary.read, vocabulary.read_merges):
        with pytest.raises(VocabularyInvalid):
            read(BytesIO(data))
    with pytest.raises(TemplateInvalid):
        jinja.read(BytesIO(data))


def test_ranks() -> None:
    facts = tiktoken.parse(b"IQ== 0\nIg== 1\n\nIyQ= 7\r\nIQ== 3\n")
    assert facts.ids() == {b"!": 3, b'"': 1, b"#$": 7}
    assert facts.duplicates == (b"!",)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"IQ== 0\nIg==\n", b"IQ== 0 1\n", b"IQ== x\n", b"I 0\n", b"IQ== 99999999999\n"]
)
def test_what_are_no_ranks(data: bytes) -> None:
    with pytest.raises(TiktokenInvalid):
        tiktoken.parse(data)


@pytest.mark.parametrize(
    ("head", "is_one"), [(b"IQ== 0\n", True), (b"a b\n", False), (b"IQ== 0", False), (b"\x0a\x0e", False), (b"", False)]
)
def test_what_looks_like_ranks(head: bytes, is_one: bool) -> None:  # noqa: FBT001 - a column of the table
    assert tiktoken.is_one(head) == is_one


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken, "MAX_RANKS", 1)
    with pytest.raises(TiktokenInvalid) as caught:
        tiktoken.parse(b"IQ== 0\nIg== 1\n")
    assert caught.value.budget == "tiktoken.ranks"
    for module, error in ((tiktoken, TiktokenInvalid), (vocabulary, VocabularyInvalid), (jinja, TemplateInvalid)):
        monkeypatch.setattr(module, "MAX_BYTES", 10)
        with pytest.raises(error) as refused:
            module.read(BytesIO(b"a" * 11))
        assert refused.value.budget is not None
    monkeypatch.setattr(vocabulary, "MAX_LINES", 2)
    with pytest.raises(VocabularyInvalid) as long:
        vocabulary.read(BytesIO(b"\n" * 3))
    assert long.value.budget == "vocabulary.lines"


def test_tekken() -> None:
    ranks = [{"rank": 0, "token_bytes": "IQ=="}, {"rank": 1, "token_bytes": "?"}, {"rank": 9, "token_bytes": "IQ=="}, 5]
    document = {"config": {"default_vocab_size": 10, "default_num_special_tokens": 3}, "vocab": ranks}
    special = [{"rank": 0, "token_str": "<s>"}, {"rank": -1, "token_str": "x"}, None]
    facts = tekken.read(BytesIO(json.dumps({**document, "special_tokens": special}).encode()))
    assert isinstance(facts, TekkenFacts)
    assert facts.tokens == (b"!", b"", None, None)
    assert (facts.specials, facts.places, facts.vocab_size) == (((0, "<s>"),), 3, 10)
    assert facts.value["vocab"] == []


@pytest.mark.parametrize("document", [[], {"config": 1}, {"config": {}, "vocab": {}}])
def test_another_document_of_that_name(document: object) -> None:
    facts = tekken.read(BytesIO(json.dumps(document).encode()))
    assert not isinstance(facts, TekkenFacts)
    assert facts.value == document


def test_a_template_is_text() -> None:
    assert jinja.read(BytesIO(b"{{ a }}\r\n{% b\r%}")).text == "{{ a }}\n{% b\n%}"
