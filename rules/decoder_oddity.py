"""Decoded text keeps the signs that stand for spaces and bytes in the vocabulary.

## What it finds
A `tokenizer.json` that writes texts as bytes (ByteLevel), with `▁` for a space (Metaspace), or with a prefix for what
continues a word (WordPiece), and has no decoder that takes this back, where its class brings none along.

## Why it matters
Encoding is right, so that a comparison of ids shows nothing. transformers 5.23.0 decodes `a b` to `a Ġ b` with
ByteLevel and no decoder, to `aĠb` with that of Metaspace, to `▁ a ▁ b` with Metaspace and none, and `gb` to `g ##b`
with WordPiece and none: what a model generates is unreadable. `TokenizersBackend` (formerly `PreTrainedTokenizerFast`)
takes the decoder of the file as it is; classes such as LlamaTokenizer and GPT2Tokenizer make their own.
https://github.com/huggingface/tokenizers/issues/1340 .

## How to put it right
Set the decoder that belongs to the pre-tokenizer (`tokenizer.decoder = decoders.ByteLevel()`), and save again.
"""

from collections.abc import Iterator
from typing import Any

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import TOKENS, bpe, numbered, tokenizer_json, unigram, with_tokenizer, word_piece
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import class_of
from hfcheck.token_settings import Full, fulls

MOST = 1000
"""Parts within parts that are looked at."""

SPACE, BYTE_SPACE = "\u2581", "\u0120"
MODEL = repository(LLAMA, llama_tensors())
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPACES = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
REPLACED = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PUT_BACK = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
FEW = numbered((*TOKENS, BYTE_SPACE))


def _with(model: dict[str, Any], pre: object, decoder: object, normalizer: object = None) -> dict[str, Any]:
    full = tokenizer_json(model, pre_tokenizer=pre, decoder=decoder, normalizer=normalizer)
    return with_tokenizer(MODEL, full)


class DecoderOddity(Rule):
    id = "TOK027"
    name = "decoder-oddity"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Set the decoder that belongs to the pre-tokenizer and save the tokenizer again."
    bad = (
        Example("bytes, and no decoder", _with(bpe(FEW), BYTES, None), at=(At("tokenizer.json", "/decoder"),)),
        Example(
            "bytes, and the decoder of another kind",
            _with(bpe(FEW), {"type": "Sequence", "pretokenizers": [BYTES]}, SPACES),
            at=(At("tokenizer.json", "/decoder"),),
        ),
        Example(
            "signs for spaces, and no decoder",
            _with(unigram((*TOKENS, SPACE)), SPACES, None),
            at=(At("tokenizer.json", "/decoder"),),
        ),
        Example(
            "pieces of words, and no decoder",
            _with(word_piece(numbered((*TOKENS, "##b"))), {"type": "BertPreTokenizer"}, None),
            at=(At("tokenizer.json", "/decoder"),),
        ),
    )
    good = (
        Example("the decoder of bytes", _with(bpe(FEW), BYTES, BYTES)),
        Example(
            "the decoder of bytes in a sequence",
            _with(bpe(FEW), BYTES, {"type": "Sequence", "decoders": [BYTES]}),
            near_miss=True,
        ),
        Example(
            "spaces that the normalizer replaces and the decoder puts back",
            _with(bpe(), None, {"type": "Sequence", "decoders": [PUT_BACK, {"type": "Fuse"}]}, normalizer=REPLACED),
            near_miss=True,
        ),
        Example("words, which need no decoder", _with(bpe(), {"type": "Whitespace"}, None), near_miss=True),
        Example(
            "a class that has a decoder of its own",
            with_tokenizer(
                MODEL, tokenizer_json(bpe(FEW), pre_tokenizer=BYTES, decoder=None), tokenizer_class="GPT2Tokenizer"
            ),
            near_miss=True,
        ),
        Example(
            "whole words in a WordPiece model",
            _with(word_piece(), {"type": "BertPreTokenizer"}, None),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for full in fulls(facts):
            found = class_of(full.table)
            if found is None or found.builds:
                continue
            lacking = _lacking(full)
            if lacking is not None:
                at = full.at("decoder") if "decoder" in full.document else At(full.path)
                yield self.finding(at, f"{lacking}, and the decoder does not take that back: decoded text keeps it")


def _lacking(full: Full) -> str | None:
    """What is written into tokens and not taken out of them; None where all is, or nothing is known to be."""
    before = [*_parts(full.document.get("normalizer")), *_parts(full.document.get("pre_tokenizer"))]
    after = list(_parts(full.document.get("decoder")))
    kinds = {str(part.get("type")) for part in after}
    puts_back = any(part.get("type") == "Replace" and _pattern(part) == SPACE for part in after)
    for part in before:
        if part.get("type") == "ByteLevel" and "ByteLevel" not in kinds:
            return "texts are written as bytes (ByteLevel)"
        is_space = part.get("type") == "Metaspace" or (part.get("type") == "Replace" and part.get("content") == SPACE)
        if is_space and "Metaspace" not in kinds and not puts_back:
            return f"spaces are written as {SPACE}"
    model = full.document.get("model")
    pieces: dict[str, Any] = model if type(model) is dict and model.get("type") == "WordPiece" else {}
    prefix = pieces.get("continuing_subword_prefix")
    if isinstance(prefix, str) and prefix and not kinds & {"WordPiece", "Replace", "CTC"}:
        continued = any(token.startswith(prefix) and token != prefix for token in full.table.base)
        return f"parts of words begin with {quote(prefix)}" if continued else None
    return None


def _pattern(part: dict[str, Any]) -> object:
    pattern = part.get("pattern")
    return pattern.get("String") if type(pattern) is dict else None


def _parts(value: object) -> Iterator[dict[str, Any]]:
    """A normalizer, pre-tokenizer or decoder, and what is within a sequence."""
    pending: list[Any] = [value]
    for part in pending:
        if type(part) is not dict:
            continue
        yield part
        for name in ("normalizers", "pretokenizers", "decoders"):
            nested = part.get(name)
            pending.extend((nested if type(nested) is list else [])[: max(MOST - len(pending), 0)])
