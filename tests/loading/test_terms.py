"""What the simplifier of terms changes nothing about: the value, for whatever the fields hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.loading.expression import evaluate, parse
from hfcheck.loading.names import ABSENT
from tools.atlas.symbolic import terms
from tools.atlas.symbolic.terms import Term


@dataclass(frozen=True)
class Fields:
    values: Mapping[str, Any]

    def get(self, name: str) -> object:
        return self.values.get(name, ABSENT)


BOOLS, INTS = ("p", "q", "r"), ("x", "y", "z")
VALUES = st.fixed_dictionaries(
    {
        **dict.fromkeys(BOOLS, st.booleans()),
        **dict.fromkeys(INTS, st.integers(-4, 9)),
    }
)

# A tree of operators, which is made into a simplified and into a plain term.
NUMBERS = st.recursive(
    st.sampled_from(INTS) | st.integers(-3, 5),
    lambda inner: st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
    max_leaves=8,
)
CONDITIONS = st.recursive(
    st.sampled_from(BOOLS) | st.tuples(st.sampled_from(["==", "<", ">="]), NUMBERS, NUMBERS),
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), inner, inner)
        | st.tuples(st.just("if"), inner, inner, inner)
    ),
    max_leaves=10,
)


def leaf(tree: Any) -> Term:  # noqa: ANN401 — a tree of any kind
    if isinstance(tree, int):
        return terms.const(tree)
    return ("v", tree, "bool") if tree in BOOLS else ("v", tree)


def plain(tree: Any) -> Term:  # noqa: ANN401 — as above
    if not isinstance(tree, tuple):
        return leaf(tree)
    op, *parts = tree
    made = tuple(plain(part) for part in parts)
    return ("f", op, *made) if op in {"not", "and", "or", "if"} else (op, *made)


def simple(tree: Any) -> Term:  # noqa: ANN401 — as above
    if not isinstance(tree, tuple):
        return leaf(tree)
    op, *parts = tree
    made = [simple(part) for part in parts]
    if op in terms.ARITHMETIC:
        return terms.binary(op, *made)
    known: Mapping[str, Callable[..., Term]] = {
        "not": terms.negate,
        "and": terms.both,
        "or": terms.either,
        "if": terms.choose,
    }
    return known[op](*made) if op in known else terms.compare(op, *made)


def value(term: Term, fields: Mapping[str, Any]) -> object:
    return evaluate(parse(terms.text(term, {})), Fields(fields))


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, VALUES)
def test_a_simplified_condition_is_as_true_as_it_was(tree: object, fields: Mapping[str, Any]) -> None:
    assert value(simple(tree), fields) == value(plain(tree), fields)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, VALUES)
def test_a_simplified_number_is_the_same_number(tree: object, fields: Mapping[str, Any]) -> None:
    assert value(simple(tree), fields) == value(plain(tree), fields)


def test_an_alternative_that_covers_the_rest_is_taken_apart() -> None:
    p, q = leaf("p"), leaf("q")
    assert terms.either(p, terms.both(terms.negate(p), q)) == ("f", "or", p, q)


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        terms.text(("opaque", "a reason"), {})
