"""The config declares one type, names the class of another, and the tensors are those of the class.

## What it finds
A `model_type` that transformers knows, an `architectures` whose first class belongs to another type, and weights that
this class takes whole while the declared type does not. One finding, at `model_type`.

## Why it matters
transformers 5.23.0 goes by `model_type` alone: it builds the model of that type, which stops at the shapes or is filled
with random numbers, and no message says that `architectures` was right. It happens where a config is copied from a
model of another family.

## How to put it right
Set `model_type` to that of the class, or take the config that was saved together with the weights.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, QWEN3_MOE, bert_tensors, llama_tensors, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class ModelTypeOfAnotherModel(Rule):
    id = "WGT027"
    name = "model-type-of-another-model"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Set model_type to that of the class in architectures."
    bad = (
        Example(
            "a mixture of experts that is declared as a Llama",
            repository(QWEN3_MOE, qwen3_moe_tensors(), model_type="llama"),
            at=(At("config.json", "/model_type"),),
        ),
        Example(
            "a BERT that is declared as a Llama",
            repository(BERT, bert_tensors(), model_type="llama"),
            at=(At("config.json", "/model_type"),),
        ),
    )
    good = (
        Example("type and class of one family", repository(LLAMA, llama_tensors())),
        Example(
            "a class of another type that has the same tensors",
            repository(LLAMA, llama_tensors(), architectures=["MistralForCausalLM"]),
            near_miss=True,
        ),
        Example(
            "a class that transformers does not know",
            repository(LLAMA, llama_tensors(), architectures=["MyLlamaForCausalLM"]),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.OTHER_TYPE):
            yield self.finding(at, cause.message, hint=cause.hint)
