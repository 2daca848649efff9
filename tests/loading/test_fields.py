"""What a field takes is decided by the Python type of the parsed value, as `strict` of huggingface_hub does."""

import json
from typing import Any

import pytest

from hfcheck.loading.fields import accepts, expected, fault


@pytest.mark.parametrize(
    ("types", "text"),
    [
        (["int"], "4096"),
        (["float"], "1.0"),
        (["float"], "NaN"),
        (["null", "int"], "null"),
        (["int", "float"], "0"),
        (["bool"], "true"),
        ([{"list": ["int"]}], "[]"),
        (["int", {"list": ["int"]}], "[1, 2]"),
        ([{"sequence": ["str"]}], '"a string is a sequence"'),
        ([{"dict": [["str"], ["null", "int"]]}], '{"a": null}'),
        ([{"literal": ["cls", "mean"]}], '"cls"'),
        (["any"], '{"a": [1]}'),
    ],
)
def test_takes(types: list[Any], text: str) -> None:
    assert accepts(types, json.loads(text))


@pytest.mark.parametrize(
    ("types", "text"),
    [
        (["int"], "4096.0"),
        (["int"], "true"),
        (["float"], "1"),
        (["bool"], "1"),
        (["int", "float"], "false"),
        (["int"], "null"),
        (["int"], '"4096"'),
        ([{"list": ["float"]}], "[1.0, 2]"),
        ([{"dict": [["str"], ["int"]]}], '{"a": "b"}'),
        ([{"literal": ["cls"]}], '"CLS"'),
        ([{"tuple": ["int", "int"]}], "[1, 2]"),
        ([], "null"),
    ],
)
def test_refuses(types: list[Any], text: str) -> None:
    assert not accepts(types, json.loads(text))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ({"type": ["float"], "min": 0.0, "max": 1.0}, 1.5, "a value >= 0.0 and <= 1.0"),
        ({"type": ["float"], "min": 0.0}, float("nan"), "a value >= 0.0"),
        ({"type": ["null", "int"], "exclusive_min": 0, "null_passes": True}, 0, "a value > 0"),
        ({"type": ["null", "float"], "min": 0.0}, None, "a value >= 0.0"),
        ({"type": ["str"], "enum": ["gelu"]}, "nope", "one of the activation functions of transformers"),
        ({"type": ["null", "int", "float"]}, "1", "a number or null"),
        ({"type": ["null", {"list": ["int"]}]}, 1, "a list with an integer in each place or null"),
    ],
)
def test_says_what_it_expects(field: dict[str, Any], value: object, said: str) -> None:
    assert fault(field, value) == said


def test_takes_null_where_the_validator_does() -> None:
    assert fault({"type": ["null", "int"], "exclusive_min": 0, "null_passes": True}, None) is None


def test_does_not_check_what_has_no_type() -> None:
    assert fault({"default": None}, {"any": "thing"}) is None


def test_names_choices() -> None:
    assert expected([{"literal": ["cls", "mean"]}]) == 'one of the string "cls", the string "mean"'
