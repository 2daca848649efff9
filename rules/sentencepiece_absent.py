"""A Gemma model has no tokenizer.model, which converters to GGUF ask for.

## What it finds
Models of the types gemma, gemma2 and gemma3 with a `tokenizer.json` and without the `tokenizer.model` beside it. A
note: transformers needs only the first. Other families are left out, since the converter reads their tokenizer.json.

## Why it matters
`convert_hf_to_gguf.py` of llama.cpp takes the vocabulary of these models from the SentencePiece model alone:
`FileNotFoundError: File not found: .../tokenizer.model` (https://github.com/unslothai/unsloth/issues/785 ,
https://github.com/ggml-org/llama.cpp/issues/19152). For text models of Gemma 3 it goes on with tokenizer.json, as if
that were byte-level. A fine-tuned model that was merged and saved has no tokenizer.model: transformers 5.23.0 writes
tokenizer.json alone, whatever it had read.

## How to put it right
Copy `tokenizer.model` from the base model, if the vocabulary is the same, before you convert.
"""

from collections.abc import Iterator
from posixpath import join

from hfcheck.example import Gguf
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import bpe, sentencepiece, tokenizer_config, tokenizer_json
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import FULL, names

ASKED = frozenset({"gemma", "gemma2", "gemma3", "gemma3_text"})
FILES = {"tokenizer.json": tokenizer_json(bpe()), "tokenizer_config.json": tokenizer_config("GemmaTokenizer")}


class SentencepieceAbsent(Rule):
    id = "TOK017"
    name = "sentencepiece-absent"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Copy tokenizer.model from the base model before you convert to GGUF, if the vocabulary is the same."
    bad = (
        Example(
            "a Gemma 2 that was merged and saved",
            {"config.json": {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]}, **FILES},
            at=(At("tokenizer.json"),),
        ),
        Example(
            "a Gemma 3",
            {"config.json": {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}, **FILES},
            at=(At("tokenizer.json"),),
        ),
    )
    good = (
        Example(
            "both are there",
            {"config.json": {"model_type": "gemma2"}, **FILES, "tokenizer.model": sentencepiece()},
        ),
        Example(
            "a Llama: the converter reads its tokenizer.json",
            {
                **repository(LLAMA, llama_tensors()),
                "tokenizer.json": tokenizer_json(bpe()),
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            near_miss=True,
        ),
        Example(
            "it is converted already",
            {"config.json": {"model_type": "gemma"}, **FILES, "model.gguf": Gguf({"a": [2]})},
            near_miss=True,
        ),
        Example("without a tokenizer at all", {"config.json": {"model_type": "gemma"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        kind = (facts.config or {}).get("model_type")
        found = names(facts, facts.folder)
        if not isinstance(kind, str) or kind not in ASKED or FULL not in found or "tokenizer.model" in found:
            return
        if any(name.endswith(".gguf") for name in found):
            return
        message = (
            f"there is no tokenizer.model beside it: llama.cpp converts no model of type {quote(kind)} to GGUF without"
        )
        yield self.finding(At(join(facts.folder, FULL)), message)
