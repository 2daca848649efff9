"""A tensor has another shape than the parameter, and no number of the config is to blame.

## What it finds
Single tensors that are transposed, have their numbers in other dimensions, or are of another size. One finding for each
name of a layer, however many layers it is in. Tensors of which only a placeholder was saved have a rule of their own.

## Why it matters
transformers 5.23.0 stops with `RuntimeError` and the advice to set `ignore_mismatched_sizes`, which fills the parameter
with random numbers: for a trained weight it is the wrong advice. A square matrix that is transposed loads without a
word, and no header shows it.

## How to put it right
Transpose or reshape the tensor where it was converted, and save it again.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

UP = "model.layers.%d.mlp.up_proj.weight"
NORM = "model.norm.weight"


class TensorShape(Rule):
    id = "WGT011"
    name = "tensor-shape"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensor again in the shape that the model has."
    bad = (
        Example(
            "matrices are transposed: two layers, one finding",
            repository(LLAMA, {**llama_tensors(), UP % 0: ("F32", [8, 12]), UP % 1: ("F32", [8, 12])}),
            at=(At("model.safetensors", tensor=UP % 0),),
        ),
        Example(
            "a vector with a dimension too many",
            repository(LLAMA, {**llama_tensors(), NORM: ("F32", [1, 8])}),
            at=(At("model.safetensors", tensor=NORM),),
        ),
        Example(
            "a vector of another size",
            repository(LLAMA, {**llama_tensors(), NORM: ("F32", [9])}),
            at=(At("model.safetensors", tensor=NORM),),
        ),
    )
    good = (
        Example("all shapes as the model has them", repository(LLAMA, llama_tensors())),
        Example(
            "another dtype: the loader casts it",
            repository(LLAMA, {**llama_tensors(), NORM: ("BF16", [8])}),
            near_miss=True,
        ),
        Example(
            "a tensor that the model does not have, in whatever shape",
            repository(LLAMA, {**llama_tensors(), "model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", [7])}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.TRANSPOSED, Kind.DIMENSIONS, Kind.SHAPE):
            yield self.finding(at, cause.message, hint=cause.hint)
