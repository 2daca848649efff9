"""The names begin with another module than those of the model.

## What it finds
Weights that the class would take if one prefix were exchanged, added or cut off: `transformer.` for `model.`, or
`visual.` for `model.visual.`. It is tried, with the renames of the loader. One finding for each prefix. Wrappers of
torch and peft, and towers whose name stands there twice, have rules of their own.

## Why it matters
transformers 5.23.0 adds or cuts the prefix of the base model by itself, and knows the old layouts of its own models.
Under any other prefix it finds nothing, fills the parameters with random numbers and exits with 0. In the wild:
https://huggingface.co/alycialee/m2-bert-110M/tree/4a1d153b4e00306b87610596d78597e3b6cd6166 ,
https://github.com/huggingface/transformers/pull/45361 .

## How to put it right
Rename the tensors in the files and in the index, or save the model again through the class that the config names.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class OtherPrefix(Rule):
    id = "WGT016"
    name = "other-prefix"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Rename the tensors, or save the model again through the class that the config names."
    bad = (
        Example(
            "a module of another name",
            repository(LLAMA, renamed(llama_tensors(), "model.", "transformer.")),
            at=(At("model.safetensors", tensor="transformer.embed_tokens.weight"),),
        ),
        Example(
            "a module too many",
            repository(BERT, {f"student.{name}": tensor for name, tensor in bert_tensors().items()}),
            at=(At("model.safetensors", tensor="student.bert.embeddings.word_embeddings.weight"),),
        ),
    )
    good = (
        Example("the names of the model", repository(LLAMA, llama_tensors())),
        Example(
            "without the prefix of the base: the loader adds it",
            repository(LLAMA, renamed(llama_tensors(), "model.", "")),
            near_miss=True,
        ),
        Example(
            "with the prefix of the base, through the class of the base: the loader cuts it off",
            repository(
                BERT,
                {name: tensor for name, tensor in bert_tensors().items() if name.startswith("bert.")},
                architectures=["BertModel"],
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.PREFIX):
            yield self.finding(at, cause.message, hint=cause.hint)
