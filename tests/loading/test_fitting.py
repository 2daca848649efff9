"""Files whose class nobody names: the class that they fit best is judged."""

from pathlib import Path

import pytest

from hfcheck.example import Example
from hfcheck.example_models import BERT, Tensors, bert_tensors, renamed, repository, without
from hfcheck.facts import units
from hfcheck.loading.choose import Choice, choose, fitted, index
from hfcheck.repository import scan
from hfcheck.testing import write

BASE = without(bert_tensors(), "classifier")
UNNAMED = {name: value for name, value in BERT.items() if name != "architectures"}


@pytest.mark.parametrize(
    ("tensors", "name", "outcome"),
    [
        (BASE, "BertModel", "loads"),
        (renamed(BASE, "bert.", ""), "BertModel", "loads"),
        (without(BASE, "pooler"), "BertModel", "loads-reinitialised"),
        (bert_tensors(), "BertForSequenceClassification", "loads"),
        (without(BASE, "encoder.layer.0.output"), "BertModel", "loads-reinitialised"),
    ],
)
def test_a_missing_head_is_no_fault_where_no_class_is_named(
    tmp_path: Path, tensors: Tensors, name: str, outcome: str
) -> None:
    write(Example("", repository(UNNAMED, tensors)), tmp_path)
    (facts,) = units(scan(str(tmp_path)))
    assert (facts.load.architecture, facts.load.outcome) == (name, outcome)


def test_the_reason_names_the_class_that_is_judged() -> None:
    choice = choose(UNNAMED, index())
    assert isinstance(choice, Choice)
    assert fitted(choice, "BertModel").reason == (
        '`architectures` names no class; BertModel is judged, which fits best, by the type "bert"'
    )
