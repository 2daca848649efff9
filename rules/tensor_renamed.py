"""A tensor has nearly the name of a parameter that is missing.

## What it finds
Tensors that the class does not use, beside missing parameters of the same shape whose names differ in little:
`q_prj` for `q_proj`. One finding for each word that was changed, however many tensors have it.

## Why it matters
transformers 5.23.0 fills the parameter with random numbers and leaves the tensor out. A report says both, among
hundreds of lines, and the exit code is 0.

## How to put it right
Rename the tensors in the files and in the index, and put the script right that wrote them.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class TensorRenamed(Rule):
    id = "WGT017"
    name = "tensor-renamed"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Rename the tensors in the files and in the index."
    bad = (
        Example(
            "a letter is missing, in both layers",
            repository(LLAMA, renamed(llama_tensors(), "q_proj", "q_prj")),
            at=(At("model.safetensors", tensor="model.layers.0.self_attn.q_prj.weight"),),
        ),
        Example(
            "a module of another name, with four matrices in it",
            repository(LLAMA, renamed(llama_tensors(), "layers.1.self_attn", "layers.1.attention")),
            at=(At("model.safetensors", tensor="model.layers.1.attention.k_proj.weight"),),
        ),
    )
    good = (
        Example("the names of the model", repository(LLAMA, llama_tensors())),
        Example(
            "old names of a norm, which the loader knows",
            repository(BERT, renamed(renamed(bert_tensors(), "Norm.weight", "Norm.gamma"), "Norm.bias", "Norm.beta")),
            near_miss=True,
        ),
        Example(
            "a tensor of nearly the same name, and nothing missing",
            repository(LLAMA, {**llama_tensors(), "model.layers.0.self_attn.q_prj.weight": ("F32", [8, 8])}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.RENAMED):
            yield self.finding(at, cause.message, hint=cause.hint)
