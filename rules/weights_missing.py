"""Parameters of the model are in none of the files.

## What it finds
Parameters that no stored tensor gives, after all renames and conversions of the loader, and for which there is no
better explanation: no prefix, no head, no layer, no changed name. One finding for each module of which everything is
missing, and one for each group of names that are missing in the same layers. Tied parameters and those that a class may
lack by its own word are left out, and so is what an index misses.

A base that lacks nothing but its pooler is a warning: its hidden states are good, and many embeddings are published so.
Where a pooling module of sentence-transformers takes the hidden states, nothing is said.

## Why it matters
transformers 5.23.0 fills the parameters with random numbers. It says so in a report and exits with 0, so that a
pipeline goes on: https://github.com/huggingface/transformers/issues/30381 .

## How to put it right
Save the model again from a process that holds all of it. If a part is not meant to be there, name a class without it.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.pooling import pools_hidden_states
from hfcheck.rule import Example, Rule

NO_POOLER = renamed(without(bert_tensors(), "classifier", "pooler"), "bert.", "")
POOLING = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


class WeightsMissing(Rule):
    id = "WGT019"
    name = "weights-missing"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the model again from a process that holds all of it."
    bad = (
        Example(
            "a norm is missing",
            repository(LLAMA, without(llama_tensors(), "model.norm")),
            at=(At("model.safetensors", tensor="model.norm.weight"),),
        ),
        Example(
            "a matrix of every layer: one finding",
            repository(LLAMA, without(llama_tensors(), "o_proj")),
            at=(At("model.safetensors", tensor="model.layers.0.self_attn.o_proj.weight"),),
        ),
        Example(
            "the embeddings, each of them: one finding",
            repository(BERT, without(bert_tensors(), "embeddings")),
            at=(At("model.safetensors", tensor="bert.embeddings.LayerNorm.bias"),),
        ),
        Example(
            "a base without its pooler: a warning",
            repository(BERT, NO_POOLER, architectures=["BertModel"]),
            at=(At("model.safetensors", tensor="pooler.dense.bias"),),
        ),
    )
    good = (
        Example("all there", repository(LLAMA, llama_tensors())),
        Example(
            "an embedding model whose pooling module does without the pooler",
            {**repository(BERT, NO_POOLER, architectures=["BertModel"]), "modules.json": POOLING},
            near_miss=True,
        ),
        Example(
            "a head that is the embedding",
            repository(LLAMA, without(llama_tensors(), "lm_head"), tie_word_embeddings=True),
            near_miss=True,
        ),
        Example(
            "a shard of the set is not in the index: IDX008 says so",
            {
                "config.json": dict(LLAMA),
                "model.safetensors.index.json": {
                    "metadata": {},
                    "weight_map": dict.fromkeys(
                        without(llama_tensors(), "model.norm"), "model-00001-of-00002.safetensors"
                    ),
                },
                "model-00001-of-00002.safetensors": without(llama_tensors(), "model.norm"),
                "model-00002-of-00002.safetensors": {"model.norm.weight": ("F32", [8])},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.MISSING, Kind.POOLER):
            if cause.kind is Kind.POOLER and pools_hidden_states(facts):
                continue  # its modules pool the hidden states
            severity = Severity.WARNING if cause.kind is Kind.POOLER else None
            yield self.finding(at, cause.message, hint=cause.hint, severity=severity)
