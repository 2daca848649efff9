"""None of the tensors is one of the model that the config describes.

## What it finds
Weights of which the class takes nothing, or less than a tenth, and for which no prefix in front of the names is to
blame. One finding, at the first tensor that is not used.

## Why it matters
transformers 5.23.0 loads the model without an error, fills all of it with random numbers, and exits with 0. It happens
where a checkpoint of a trainer or of the original code was uploaded beside a config of transformers, and where
`model_type` names another architecture with names of its own:
https://github.com/DennisGankin/species-aware-DNA-LM/issues/4 .

## How to put it right
Convert the weights with the script of the architecture and save them with `save_pretrained`, or name the type and the
class that these tensors belong to.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class TensorsOfAnotherModel(Rule):
    id = "WGT015"
    name = "tensors-of-another-model"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Convert the weights to transformers, or name the model_type and the class that they belong to."
    bad = (
        Example(
            "the names of the original code",
            repository(
                LLAMA, {"tok_embeddings.weight": ("F32", [16, 8]), "layers.0.attention.wq.weight": ("F32", [8, 8])}
            ),
            at=(At("model.safetensors", tensor="tok_embeddings.weight"),),
        ),
        Example(
            "the weights of another type",
            repository(LLAMA, bert_tensors()),
            at=(At("model.safetensors", tensor="bert.embeddings.word_embeddings.weight"),),
        ),
    )
    good = (
        Example("the weights of this model", repository(LLAMA, llama_tensors())),
        Example(
            "names without the prefix of the base: the loader adds it",
            repository(LLAMA, renamed(llama_tensors(), "model.", "")),
            near_miss=True,
        ),
        Example(
            "names of the first BERT files, which every version takes",
            repository(BERT, renamed(renamed(bert_tensors(), "Norm.weight", "Norm.gamma"), "Norm.bias", "Norm.beta")),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.NOTHING):
            yield self.finding(at, cause.message, hint=cause.hint)
