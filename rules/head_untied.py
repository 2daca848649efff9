"""The output head is not in the files, and the config does not tie it to the embedding.

## What it finds
A model without its head, or with the head and not the embedding, where `tie_word_embeddings` is false at the level that
the class reads: by the word of the config, by default, or because it is true in `text_config` alone. It is tried: with
the flag at true nothing would be missing. One finding.

## Why it matters
transformers 5.23.0 fills the head with random numbers, says so in a report and exits with 0: the model writes
gibberish. The flag in `text_config` alone did that to https://github.com/huggingface/transformers/pull/43429 ; a config
without the flag to https://github.com/LLaVA-VL/LLaVA-NeXT/issues/315 .

## How to put it right
Set `tie_word_embeddings` to true if the model was trained so, in a multimodal config at the top. If the head was
trained by itself, save the model again with it.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

TENSORS = without(llama_tensors(), "lm_head")
SILENT = {name: value for name, value in LLAMA.items() if name != "tie_word_embeddings"}


class HeadUntied(Rule):
    id = "WGT013"
    name = "head-untied"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Set tie_word_embeddings to true if head and embedding are one; else save the model again with both."
    bad = (
        Example(
            "the flag is false and there is no head",
            repository(LLAMA, TENSORS),
            at=(At("config.json", "/tie_word_embeddings"),),
        ),
        Example(
            "a config without the flag: in a Llama it is false",
            repository(SILENT, TENSORS),
            at=(At("model.safetensors", tensor="lm_head.weight"),),
        ),
        Example(
            "the head was saved, and the embedding was not",
            repository(LLAMA, without(llama_tensors(), "embed_tokens")),
            at=(At("config.json", "/tie_word_embeddings"),),
        ),
    )
    good = (
        Example("a head of its own", repository(LLAMA, llama_tensors())),
        Example("a tied model", repository(LLAMA, TENSORS, tie_word_embeddings=True), near_miss=True),
        Example(
            "a tied model that stores both: equal, as far as headers tell",
            repository(LLAMA, llama_tensors(), tie_word_embeddings=True),
            near_miss=True,
        ),
        Example(
            "a tied model of which the head was saved, and not the embedding",
            repository(LLAMA, without(llama_tensors(), "embed_tokens"), tie_word_embeddings=True),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.UNTIED):
            yield self.finding(at, cause.message, hint=cause.hint)
