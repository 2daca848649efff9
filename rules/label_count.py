"""The classifier has other rows than the config has labels.

## What it finds
A head whose rows are not the number of labels that the loader takes the config to have: `num_labels`, else the entries
of `id2label`, else two. One finding for weight and bias, at the field, or at the tensor where the config says nothing.

## Why it matters
transformers 5.23.0 stops with `RuntimeError` and the advice to set `ignore_mismatched_sizes`, which makes the trained
head random: https://github.com/huggingface/transformers/issues/14218 . A config that names no labels means two of
them: https://github.com/huggingface/transformers/issues/135 .

## How to put it right
Write the labels that the head was trained for into `id2label` and `label2id`. Of `num_labels` and `id2label`, the first
wins where they differ.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, bert_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

THREE = {"classifier.weight": ("F32", [3, 8]), "classifier.bias": ("F32", [3])}
WITHOUT_LABELS = {name: value for name, value in BERT.items() if name not in ("id2label", "label2id")}


class LabelCount(Rule):
    id = "WGT007"
    name = "label-count"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the labels that the head was trained for into id2label and label2id."
    bad = (
        Example(
            "a head of three rows beside two labels",
            repository(BERT, {**bert_tensors(), **THREE}),
            at=(At("config.json", "/id2label"),),
        ),
        Example(
            "the config names no labels, which means two",
            repository(WITHOUT_LABELS, {**bert_tensors(), **THREE}),
            at=(At("model.safetensors", tensor="classifier.bias"),),
        ),
    )
    good = (
        Example("two labels, two rows", repository(BERT, bert_tensors())),
        Example("no labels in the config, two rows", repository(WITHOUT_LABELS, bert_tensors()), near_miss=True),
        Example(
            "num_labels, which wins over the names of two labels",
            repository(BERT, {**bert_tensors(), **THREE}, num_labels=3),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.LABELS):
            yield self.finding(at, cause.message, hint=cause.hint)
