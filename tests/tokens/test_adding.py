"""The ids of added tokens, held against the tokenizers library."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.finding import At
from hfcheck.tokens.adding import Adding
from hfcheck.tokens.table import AddedToken

TOKENS = st.sampled_from(("", "a", "b", "c", "x", "y", "z"))


def token(content: str) -> AddedToken:
    return AddedToken(content, None, At("tokenizer.json"))


@pytest.mark.parametrize(
    ("base", "batches", "expected"),
    [
        ({"a": 0, "b": 1}, [["x", "y"]], {"x": 2, "y": 3}),
        ({"a": 0, "b": 1}, [["a", "x", "x"]], {"a": 0, "x": 2}),
        ({"a": 100, "b": 1}, [["a"], ["x"]], {"a": 100, "x": 101}),
        ({"a": 2, "b": 1}, [["a", "x"]], {"a": 2, "x": 2}),  # two tokens with one id
        ({}, [["", "x"]], {"x": 0}),
    ],
)
def test_ids_are_counted_on(base: dict[str, int], batches: list[list[str]], expected: dict[str, int]) -> None:
    adding = Adding(base, len(base))
    for batch in batches:
        adding.add(map(token, batch))
    assert adding.ids == expected


@pytest.mark.loader
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), st.lists(st.lists(TOKENS, max_size=5), max_size=4))
def test_tokenizers_gives_the_same_ids(base: dict[str, int], batches: list[list[str]]) -> None:
    library: Any = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.WordLevel(base, unk_token="a"))
    adding = Adding(base, len(base))
    for batch in batches:
        made.add_tokens(batch)
        adding.add(map(token, batch))
    assert {**base, **adding.ids} == made.get_vocab()
    assert {index: one.content for index, one in adding.by_id.items()} == {
        index: one.content for index, one in made.get_added_tokens_decoder().items()
    }
