"""Two tensors are stored that the config ties into one.

## What it finds
A model whose embedding and head are one by its config (`tie_word_embeddings`), or other parameters that its class ties,
with a tensor for each in the files. One note, at the one that need not be there.

## Why it matters
If they are equal, it is only bytes. If they differ, as after a fine-tune or a merge that trained the head by itself,
each reader makes another model of them: transformers 5.23.0 keeps both with a warning, others drop the head:
https://github.com/huggingface/peft/pull/2972 , https://github.com/unslothai/unsloth/issues/1971 ,
https://github.com/hiyouga/LlamaFactory/issues/6749 . Headers do not tell whether they are equal.

## How to put it right
If the two differ, set `tie_word_embeddings` to false. If not, leave the head out: `save_pretrained` does.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class TiedTensorsStored(Rule):
    id = "WGT026"
    name = "tied-tensors-stored"
    severity = Severity.NOTE
    since = "0.1"
    hint = "If the two differ, set tie_word_embeddings to false; if not, leave the head out."
    bad = (
        Example(
            "a tied Llama with a head of its own",
            repository(LLAMA, llama_tensors(), tie_word_embeddings=True),
            at=(At("model.safetensors", tensor="lm_head.weight"),),
        ),
    )
    good = (
        Example(
            "a tied Llama without a head",
            repository(LLAMA, without(llama_tensors(), "lm_head"), tie_word_embeddings=True),
        ),
        Example("two tensors, and a config that says so", repository(LLAMA, llama_tensors()), near_miss=True),
        Example(
            "the head alone, which becomes the embedding",
            repository(LLAMA, without(llama_tensors(), "embed_tokens"), tie_word_embeddings=True),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.STORED_TWICE):
            yield self.finding(at, cause.message, hint=cause.hint)
