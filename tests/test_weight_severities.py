"""Rules about weights that say more than one severity: what is random is an error, what is left over a warning."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hfcheck import registry, testing
from hfcheck.example import Example
from hfcheck.example_models import BERT, LLAMA, Tensors, bert_tensors, llama_tensors, renamed, repository, without
from hfcheck.finding import Severity

RULES = {rule.id: type(rule) for rule in registry.load()}
E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
VECTOR = ("F32", [2])
BIASES: Tensors = {
    f"model.layers.{layer}.mlp.{name}.bias": ("F32", [size])
    for layer in range(2)
    for name, size in (("down_proj", 8), ("gate_proj", 12), ("up_proj", 12))
}
TWICE = "language_model.language_model."


Change = tuple[Mapping[str, Any], Tensors, dict[str, Any]]
"""A config, tensors, and fields of the config that are set."""

CASES: tuple[tuple[str, Change, list[Severity]], ...] = (
    ("WGT003", (LLAMA, renamed(llama_tensors(), "model.", TWICE), {}), [E]),
    ("WGT003", ({"model_type": "x", "architectures": ["X"]}, {f"{TWICE}a": VECTOR}, {}), [W]),
    ("WGT008", (LLAMA, llama_tensors(), {"num_hidden_layers": 1}), [W]),
    ("WGT008", (LLAMA, without(llama_tensors(), "layers.1."), {}), [E]),
    ("WGT014", (LLAMA, llama_tensors(), {"architectures": ["LlamaModel"]}), [W]),
    ("WGT014", (LLAMA, llama_tensors(), {"architectures": ["LlamaForSequenceClassification"]}), [E]),
    ("WGT018", (LLAMA, llama_tensors(), {"attention_bias": True}), [E]),
    ("WGT018", (LLAMA, {**llama_tensors(), **BIASES}, {"mlp_bias": False}), [W]),
    ("WGT020", (LLAMA, {**llama_tensors(), "model.gate": VECTOR}, {}), [W]),
    ("WGT020", (BERT, {**bert_tensors(), "cls.seq_relationship.bias": VECTOR}, {}), [N]),
)


@pytest.mark.parametrize(("rule", "repository_of", "severities"), CASES)
def test_severity(rule: str, repository_of: Change, severities: list[Severity], tmp_path: Path) -> None:
    config, tensors, fields = repository_of
    testing.write(Example("", repository(config, tensors, **fields)), tmp_path)
    assert [finding.severity for finding in testing.findings(RULES[rule], tmp_path)] == severities
