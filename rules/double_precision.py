"""Weights are stored in double precision.

## What it finds
Tensors of type F64 that become parameters. One note for all, at the first.

## Why it matters
Nothing is lost: transformers 5.23.0 casts them to the type of the model. But they take twice the bytes of float32 and
four times those of bfloat16, no model is run in them, and some engines refuse the type. As a rule a script made them
from numbers of Python or numpy.

## How to put it right
Cast the tensors to the type of the others and save them again.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

NORM = "model.norm.weight"


class DoublePrecision(Rule):
    id = "WGT023"
    name = "double-precision"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Cast the tensors to the type of the others and save them again."
    bad = (
        Example(
            "a norm",
            repository(LLAMA, {**llama_tensors(), NORM: ("F64", [8])}),
            at=(At("model.safetensors", tensor=NORM),),
        ),
    )
    good = (
        Example("float32", repository(LLAMA, llama_tensors())),
        Example(
            "norms in float32 beside weights in bfloat16",
            repository(
                LLAMA, {name: (one[0] if "norm" in name else "BF16", one[1]) for name, one in llama_tensors().items()}
            ),
            near_miss=True,
        ),
        Example(
            "a table that no parameter is made of",
            repository(LLAMA, {**llama_tensors(), "model.layers.0.self_attn.rotary_emb.inv_freq": ("F64", [2])}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.DOUBLE):
            yield self.finding(at, cause.message, hint=cause.hint)
