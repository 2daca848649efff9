"""The embedding has other rows than the config says.

## What it finds
An embedding, a head or both with another number of rows than the `vocab_size` of the config, where this value explains
the shapes: with the number of rows that is stored, the model loads. One finding, at the field.

## Why it matters
transformers 5.23.0 stops with `RuntimeError` and the advice to set `ignore_mismatched_sizes`, which makes the embedding
random. It happens where a tool rebuilds the embedding and not the config, or the reverse: a merge that dropped the
padding, https://github.com/arcee-ai/mergekit/issues/425 ; 50257 in the config beside 50264 rows,
https://huggingface.co/lora-x/backpack-gpt2/commit/c8e2c0dea5224c0962bbee9f21d59b7c0580a392 .

## How to put it right
Set `vocab_size` to the rows that are stored, or call `resize_token_embeddings` and save the model with its config. More
rows than the tokenizer has ids are no fault: many embeddings are padded.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

FIELD = At("config.json", "/vocab_size")


class VocabularyRows(Rule):
    id = "WGT006"
    name = "vocabulary-rows"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Set vocab_size to the rows that are stored, or resize the embedding and save the model again."
    bad = (
        Example(
            "a token was added to the config alone: embedding and head differ, and one finding says why",
            repository(LLAMA, llama_tensors(), vocab_size=17),
            at=(FIELD,),
        ),
        Example(
            "a tied model, which stores no head",
            repository(LLAMA, without(llama_tensors(), "lm_head"), vocab_size=15, tie_word_embeddings=True),
            at=(FIELD,),
        ),
    )
    good = (
        Example("as many rows as the config says", repository(LLAMA, llama_tensors())),
        Example(
            "more rows than the tokenizer has ids: the embedding is padded",
            {
                **repository(LLAMA, llama_tensors()),
                "tokenizer.json": {"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}},
            },
            near_miss=True,
        ),
        Example(
            "a tied model that stores no head",
            repository(LLAMA, without(llama_tensors(), "lm_head"), tie_word_embeddings=True),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.VOCABULARY):
            yield self.finding(at, cause.message, hint=cause.hint)
