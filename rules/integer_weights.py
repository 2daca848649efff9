"""Integers or booleans are stored where the model has weights.

## What it finds
Tensors of an integer type or of `BOOL` that become a parameter in floating point, in a checkpoint that is not
quantised. One finding for all, at the first. Positions, masks and counters are integers by right.

## Why it matters
transformers 5.23.0 never compares types: it casts what is stored, so that a weight of small numbers becomes zeros and
ones, and the report is clean. Tried with I8 and BOOL on twelve architectures: each loads, and each has other values.

## How to put it right
Save the weights in floating point. If they are quantised, write the `quantization_config` that says how.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

NORM, HEAD = "model.norm.weight", "lm_head.weight"


class IntegerWeights(Rule):
    id = "WGT022"
    name = "integer-weights"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the weights in floating point, or declare how they are quantised."
    bad = (
        Example(
            "a norm in integers",
            repository(LLAMA, {**llama_tensors(), NORM: ("I8", [8])}),
            at=(At("model.safetensors", tensor=NORM),),
        ),
        Example(
            "a head of booleans",
            repository(LLAMA, {**llama_tensors(), HEAD: ("BOOL", [16, 8])}),
            at=(At("model.safetensors", tensor=HEAD),),
        ),
    )
    good = (
        Example("floating point", repository(LLAMA, llama_tensors())),
        Example(
            "positions, which are no weights",
            repository(BERT, {**bert_tensors(), "bert.embeddings.position_ids": ("I64", [1, 10])}),
            near_miss=True,
        ),
        Example(
            "norms in float32 beside weights in bfloat16",
            repository(
                LLAMA, {name: (one[0] if "norm" in name else "BF16", one[1]) for name, one in llama_tensors().items()}
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.INTEGERS):
            yield self.finding(at, cause.message, hint=cause.hint)
