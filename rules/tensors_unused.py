"""The class of the model has no place for some of the tensors.

## What it finds
Stored tensors that the loader leaves out, where nothing else explains them. One warning for all of them, at the first;
a note for heads of pre-training or of another task beside a whole model. Silent are tables that older versions stored
(`inv_freq`, `position_ids`, masks), counters, scales of the key and value cache, and layers for the prediction of more
than one token.

## Why it matters
transformers 5.23.0 drops them and says so in a report. A model that was trained with them computes something else; one
that was not carries bytes that nobody reads: https://github.com/huggingface/transformers/issues/5421 .

## How to put it right
If the tensors belong to the model, name the class and the settings that use them. Else take them out of the files and
of the index.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

EXTRA = "model.layers.0.self_attn.gate.weight"
NEXT_SENTENCE = {"cls.seq_relationship.weight": ("F32", [2, 8]), "cls.seq_relationship.bias": ("F32", [2])}
SCALE = ("F32", [1])


class TensorsUnused(Rule):
    id = "WGT020"
    name = "tensors-unused"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Name the class and the settings that use the tensors, or take them out."
    bad = (
        Example(
            "a matrix that a Llama does not have, and another: one finding",
            repository(LLAMA, {**llama_tensors(), EXTRA: ("F32", [8, 8]), "model.gate.weight": ("F32", [8])}),
            at=(At("model.safetensors", tensor="model.gate.weight"),),
        ),
        Example(
            "a head of pre-training beside the classifier: a note",
            repository(BERT, {**bert_tensors(), **NEXT_SENTENCE}),
            at=(At("model.safetensors", tensor="cls.seq_relationship.bias"),),
        ),
    )
    good = (
        Example("nothing left over", repository(LLAMA, llama_tensors())),
        Example(
            "tables of older versions",
            repository(
                BERT,
                {
                    **bert_tensors(),
                    "bert.embeddings.position_ids": ("I64", [1, 10]),
                    "bert.encoder.layer.0.rotary_emb.inv_freq": ("F32", [4]),
                },
            ),
            near_miss=True,
        ),
        Example(
            "scales of the key and value cache",
            repository(
                LLAMA,
                {
                    **llama_tensors(),
                    "model.layers.0.self_attn.k_scale": SCALE,
                    "model.layers.0.self_attn.v_proj.output_scale": SCALE,
                },
            ),
            near_miss=True,
        ),
        Example(
            "layers for the prediction of a second token",
            repository(LLAMA, {**llama_tensors(), "mtp.layers.0.mlp.up_proj.weight": ("F32", [12, 8])}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.UNUSED, Kind.UNUSED_HEAD):
            severity = Severity.NOTE if cause.kind is Kind.UNUSED_HEAD else None
            yield self.finding(at, cause.message, hint=cause.hint, severity=severity)
