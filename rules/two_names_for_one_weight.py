"""Two tensors lead to the same parameter, and the loader takes one of them.

## What it finds
Stored names that become the same parameter by the renames of the loader: `LayerNorm.gamma` beside `LayerNorm.weight`,
or a name with the prefix of the base beside the same without it. One finding for all, at the first that is dropped.

## Why it matters
transformers 5.23.0 takes the name that comes first in its order, here the old one, and drops the other without a word.
If a fine-tune wrote the one and left the other, the model has the weights from before: tried on a BERT, whose output
changed, with a clean report.

## How to put it right
Keep the tensors that were trained last, under the names that `save_pretrained` gives them, and take the others out.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, bert_tensors, renamed, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

NORM = "bert.embeddings.LayerNorm"
VECTOR = ("F32", [8])


class TwoNamesForOneWeight(Rule):
    id = "WGT021"
    name = "two-names-for-one-weight"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Keep the tensors that were trained last, and take the others out."
    bad = (
        Example(
            "the old name of a norm beside the new one",
            repository(BERT, {**bert_tensors(), f"{NORM}.gamma": VECTOR}),
            at=(At("model.safetensors", tensor=f"{NORM}.weight"),),
        ),
        Example(
            "the base twice, with its prefix and without",
            repository(BERT, {**bert_tensors(), "embeddings.LayerNorm.weight": VECTOR}),
            at=(At("model.safetensors", tensor="embeddings.LayerNorm.weight"),),
        ),
    )
    good = (
        Example("one name each", repository(BERT, bert_tensors())),
        Example(
            "old names alone",
            repository(BERT, renamed(renamed(bert_tensors(), "Norm.weight", "Norm.gamma"), "Norm.bias", "Norm.beta")),
            near_miss=True,
        ),
        Example(
            "a buffer that the loader ignores, with the prefix and without",
            repository(
                BERT,
                {
                    **bert_tensors(),
                    "embeddings.position_ids": ("I64", [1, 10]),
                    "bert.embeddings.position_ids": ("I64", [1, 10]),
                },
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.SHADOWED):
            yield self.finding(at, cause.message, hint=cause.hint)
