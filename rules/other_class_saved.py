"""The tensors are those of another class of the same type than `architectures` names.

## What it finds
Weights that another class of the type takes whole, where the named class leaves some of them out. It is an error where
that class also lacks something, which is then random, and else a warning. One finding, at `architectures`. The heads of
pre-training beside a whole head are no fault.

## Why it matters
transformers 5.23.0 drops the head that is stored and, if the named class has one of its own, fills it with random
numbers. Engines pick the class by `architectures` too and refuse one without a head:
https://github.com/vllm-project/vllm/issues/10481 , https://github.com/OpenBMB/MiniCPM/issues/241 .

## How to put it right
Write the class that was saved into `architectures`, or save the model again through the class that is named.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.pooling import pools_hidden_states
from hfcheck.rule import Example, Rule

CLASS = At("config.json", "/architectures/0")
NEXT_SENTENCE = {"cls.seq_relationship.weight": ("F32", [2, 8]), "cls.seq_relationship.bias": ("F32", [2])}


class OtherClassSaved(Rule):
    id = "WGT014"
    name = "other-class-saved"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the class that was saved into architectures."
    bad = (
        Example(
            "a language model under the name of its base: a warning",
            repository(LLAMA, llama_tensors(), architectures=["LlamaModel"]),
            at=(CLASS,),
        ),
        Example(
            "a language model that is to classify: its head is dropped, and the other is random",
            repository(LLAMA, llama_tensors(), architectures=["LlamaForSequenceClassification"]),
            at=(CLASS,),
        ),
    )
    good = (
        Example("the class that was saved", repository(LLAMA, llama_tensors())),
        Example(
            "a base under its own name",
            repository(LLAMA, without(llama_tensors(), "lm_head"), architectures=["LlamaModel"]),
            near_miss=True,
        ),
        Example(
            "a head of pre-training beside the classifier",
            repository(BERT, {**bert_tensors(), **NEXT_SENTENCE}),
            near_miss=True,
        ),
        Example(
            "the base saved through its own class, without the prefix",
            repository(BERT, renamed(without(bert_tensors(), "classifier"), "bert.", ""), architectures=["BertModel"]),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.OTHER_CLASS):
            # sentence-transformers loads the base by AutoModel: the head is missing for others.
            severity = None if cause.missing and not pools_hidden_states(facts) else Severity.WARNING
            yield self.finding(at, cause.message, hint=cause.hint, severity=severity)
