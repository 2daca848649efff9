"""The files hold the base of the model, and not the head that it was trained with.

## What it finds
Weights in which all of the base is there and nothing, or another head, in the place of the head of the class that
`architectures` names. One finding. A head that is tied to the embedding need not be stored. In front of a pooling
module of sentence-transformers it is a warning: that library loads the base alone.

## Why it matters
transformers 5.23.0 fills the head with random numbers, says so in a report and exits with 0: a classifier answers by
chance. It happens where a trainer, or peft without `modules_to_save`, saves the base alone:
https://github.com/huggingface/trl/issues/1379 , https://github.com/huggingface/transformers/issues/26160 .

## How to put it right
Save the model through the class that was trained. If the base is all that is meant, name its class in `architectures`.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.pooling import pools_hidden_states
from hfcheck.rule import Example, Rule

BASE = without(bert_tensors(), "classifier")


class HeadMissing(Rule):
    id = "WGT012"
    name = "head-missing"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the model through the class that was trained, or name the class of the base in architectures."
    bad = (
        Example(
            "the classifier was not saved: weight and bias, one finding",
            repository(BERT, BASE),
            at=(At("model.safetensors", tensor="classifier.bias"),),
        ),
        Example(
            "the base was saved through its own class",
            repository(BERT, renamed(BASE, "bert.", "")),
            at=(At("model.safetensors", tensor="classifier.bias"),),
        ),
    )
    good = (
        Example("base and head", repository(BERT, bert_tensors())),
        Example(
            "the class of the base",
            repository(BERT, renamed(BASE, "bert.", ""), architectures=["BertModel"]),
            near_miss=True,
        ),
        Example(
            "a head that is the embedding",
            repository(LLAMA, without(llama_tensors(), "lm_head"), tie_word_embeddings=True),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        # sentence-transformers loads the base by AutoModel: the head is missing for others.
        severity = Severity.WARNING if pools_hidden_states(facts) else None
        for cause, at in diagnosed(facts, Kind.HEAD):
            yield self.finding(at, cause.message, hint=cause.hint, severity=severity)
