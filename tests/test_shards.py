"""Where an index and its shards differ, and what counts as the same tensor under another name."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.formats.index import IndexFacts
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Tensor
from hfcheck.layout import IndexName
from hfcheck.shards import Comparison, WeightSet, compare, copies, disagreement, kindred
from hfcheck.tying import says_untied
from hfcheck.weights import Index

TENSOR = Tensor("F16", (2,), 0, 4)
NAMES = st.sampled_from(["a", "b", "c", "model.a", "model.b"])
SHARDS = ("one", "two", "three")


def header(names: Sequence[str]) -> SafetensorsFacts:
    return SafetensorsFacts(dict.fromkeys(names, TENSOR), None, 8)


def index(weight_map: dict[str, str]) -> Index:
    name = IndexName("model", ".safetensors", None)
    return Index("model.safetensors.index.json", name, IndexFacts(weight_map, {}, has_metadata=True))


def weights(*names: str, whole: bool = True) -> WeightSet:
    return WeightSet(("x",), dict.fromkeys(names, TENSOR), whole, single=True)


@given(
    st.dictionaries(NAMES, st.sampled_from(SHARDS)),
    st.fixed_dictionaries({shard: st.lists(NAMES, unique=True) for shard in SHARDS}),
)
def test_every_difference_is_named_once(weight_map: dict[str, str], stored: dict[str, list[str]]) -> None:
    found = compare(index(weight_map), {shard: header(names) for shard, names in stored.items()}, {})
    everywhere = {name for names in stored.values() for name in names}
    assert {*found.absent, *found.renamed} == weight_map.keys() - everywhere
    assert not set(found.absent) & set(found.renamed)
    assert {name for name, _ in found.misplaced} == {
        name for name, shard in weight_map.items() if name in everywhere and name not in stored[shard]
    }
    assert all(name in stored[shard] and name not in weight_map for shard, name in found.unmapped)
    if not found.renamed:
        assert {name for _, name in found.unmapped} == everywhere - weight_map.keys()


def test_what_an_unlisted_shard_stores_is_not_absent() -> None:
    found = compare(index({"a": "one", "b": "one"}), {"one": header(["a"])}, {"two": header(["b"])})
    assert found == Comparison()
    assert found.agrees


@pytest.mark.parametrize(
    ("absent", "unmapped", "kin"),
    [
        ("a.q_proj.weight", "a.q_proj.weight_packed", True),
        ("a.q_proj.weight", "model.a.q_proj.weight", True),
        ("base_model.model.model.a.weight", "model.a.weight", True),
        ("a.q_proj.weight", "a.k_proj.weight", False),
        ("x.weight", "y.x.y.weight", False),
        ("weight", "a.weight", False),
    ],
)
def test_kindred(absent: str, unmapped: str, kin: bool) -> None:  # noqa: FBT001 - a column of the table
    assert kindred([absent], [unmapped]) == (({absent}, {unmapped}) if kin else (set(), set()))


def test_copies_name_all_files_in_order() -> None:
    headers = {"one": header(["a", "b"]), "two": header(["b"]), "three": header(["c", "b", "a"])}
    assert copies(headers) == {"b": ["one", "two", "three"], "a": ["one", "three"]}


def test_sets_are_the_same_model() -> None:
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    assert disagreement(weights("a", "b"), weights("a", "b"), untied=True) is None
    assert disagreement(weights("a", embedding), weights("a", embedding, head), untied=False) is None
    assert disagreement(weights("a", "b"), weights("a", whole=False), untied=True) is None
    unknown = WeightSet(("x",), None, whole=True, single=True)
    assert disagreement(weights("a"), unknown, untied=True) is None


def test_sets_are_two_models() -> None:
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    other = WeightSet(("x",), {"a": Tensor("F32", (2,), 0, 8)}, whole=True, single=True)
    for loaded, beside, tensors in (
        (weights("a"), other, ("a",)),
        (weights("a", "b"), weights("a"), ("b",)),
        (weights("a"), weights("a", "b", whole=False), ("b",)),
        (weights(embedding), weights(embedding, head), (head,)),
    ):
        found = disagreement(loaded, beside, untied=True)
        assert found is not None
        assert found.tensors == tensors


@pytest.mark.parametrize(
    ("config", "untied"),
    [
        (None, False),
        ({}, False),
        ({"tie_word_embeddings": False}, True),
        ({"tie_word_embeddings": "no"}, False),
        ({"text_config": {"tie_word_embeddings": False}}, True),
        ({"tie_word_embeddings": False, "text_config": {"tie_word_embeddings": True}}, False),
        ({"vision_config": {"tie_word_embeddings": False}}, False),
    ],
)
def test_says_untied(config: dict[str, object] | None, untied: bool) -> None:  # noqa: FBT001 - a column of the table
    assert says_untied(config) is untied
