"""The weight index: what a loader could follow, and what not."""

from typing import Any

import pytest

from hfcheck.formats.index import IndexFacts, IndexInvalid, read
from hfcheck.formats.json_ import JsonFacts, parse

MAP = {"a": "model-00001-of-00002.safetensors", "b": "part/model-00002-of-00002.safetensors"}


def index(value: Any) -> IndexFacts:  # noqa: ANN401 - any JSON
    return read(JsonFacts(value))


def test_an_index() -> None:
    facts = index({"metadata": {"total_size": 8}, "weight_map": MAP})
    assert facts == IndexFacts(MAP, {"total_size": 8}, has_metadata=True)
    assert facts.total_size == 8


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ([], ""),
        (None, ""),
        ("weight_map", ""),
        ({}, ""),
        ({"metadata": {}}, ""),
        ({"weight_map": None}, "/weight_map"),
        ({"weight_map": []}, "/weight_map"),
        ({"weight_map": "model.safetensors"}, "/weight_map"),
    ],
)
def test_no_index(value: Any, pointer: str) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(IndexInvalid) as error:
        index(value)
    assert (error.value.pointer, error.value.budget) == (pointer, None)


@pytest.mark.parametrize(
    ("value", "metadata", "has_metadata"),
    [
        ({"weight_map": {}}, None, False),
        ({"weight_map": {}, "metadata": None}, None, True),
        ({"weight_map": {}, "metadata": []}, [], True),
        ({"weight_map": {}, "metadata": {"mergekit_version": "0.1"}}, {"mergekit_version": "0.1"}, True),
    ],
)
def test_metadata(value: dict[str, Any], metadata: object, *, has_metadata: bool) -> None:
    facts = index(value)
    assert (facts.metadata, facts.has_metadata, facts.total_size) == (metadata, has_metadata, None)


@pytest.mark.parametrize(
    ("written", "size"),
    [("8", 8), ("8.0", 8.0), ("1e3", 1000.0), ("0", 0), ("-1", -1), ('"8"', None), ("true", None), ("null", None)],
)
def test_total_size(written: str, size: float | None) -> None:
    assert read(parse(f'{{"metadata": {{"total_size": {written}}}, "weight_map": {{}}}}'.encode())).total_size == size


def test_entries_that_name_no_file() -> None:
    facts = index({"weight_map": {"a": 1, "b": "x", "c": None, "d": ["x"], "e": {"x": 1}, "f": True, "": ""}})
    assert facts.weight_map == {"b": "x", "": ""}
    assert facts.not_strings == ("a", "c", "d", "e", "f")
