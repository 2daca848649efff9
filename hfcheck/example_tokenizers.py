"""Tiny tokenizers for the examples of rules: the files that transformers 5.23 reads, of the four kinds of model.

Each has the three specials `<unk>`, `<s>`, `</s>` and eleven other tokens: `SIZE` ids from 0 on, below the sixteen rows
of the models in `hfcheck.example_models`.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SPECIALS = ("<unk>", "<s>", "</s>")
LETTERS = ("a", "b", "c", "ab", "abc", "d", "e", "de", "f", "g", "h")
TOKENS = (*SPECIALS, *LETTERS)
SIZE = len(TOKENS)
MERGES = (("a", "b"), ("ab", "c"), ("d", "e"))
"""The merges of BPE that make the longer tokens."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
"""Kinds of SentencePiece pieces."""


def numbered(tokens: Iterable[str] = TOKENS) -> dict[str, int]:
    """The tokens with their ids from 0 on: a `vocab.json`, or the vocabulary of a model."""
    return {token: index for index, token in enumerate(tokens)}


def word_level(vocab: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A model that takes whole words."""
    return {"type": "WordLevel", "vocab": dict(vocab or numbered()), "unk_token": "<unk>"}


def word_piece(vocab: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A model like that of BERT."""
    return {
        "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": dict(vocab or numbered()),
    }  # fmt: skip


def bpe(vocab: Mapping[str, int] | None = None, merges: Iterable[Sequence[str]] = MERGES) -> dict[str, Any]:
    """A model like that of GPT-2, with its merges as pairs."""
    return {
        "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": dict(vocab or numbered()), "merges": [list(merge) for merge in merges],
    }  # fmt: skip


def unigram(tokens: Iterable[str] = TOKENS) -> dict[str, Any]:
    """A model like that of T5: the place of a token is its id."""
    return {
        "type": "Unigram", "unk_id": 0, "byte_fallback": False,
        "vocab": [[token, -float(index)] for index, token in enumerate(tokens)],
    }  # fmt: skip


def added(content: str, index: int, *, special: bool = True) -> dict[str, Any]:
    """An entry of `added_tokens` in tokenizer.json."""
    return {
        "id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": not special, "special": special,
    }  # fmt: skip


def added_specials() -> list[dict[str, Any]]:
    """The entries of `SPECIALS`."""
    return [added(token, index) for index, token in enumerate(SPECIALS)]


def tokenizer_json(
    model: Mapping[str, Any] | None = None, added_tokens: Iterable[Mapping[str, Any]] | None = None, **fields: object
) -> dict[str, Any]:
    """A whole `tokenizer.json`: of words, and with `SPECIALS` as its added tokens, unless others are given."""
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [dict(token) for token in (added_specials() if added_tokens is None else added_tokens)],
        "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": dict(model or word_level()), **fields,
    }  # fmt: skip


def tokenizer_config(tokenizer_class: str = "PreTrainedTokenizerFast", **fields: object) -> dict[str, Any]:
    """A `tokenizer_config.json` that gives the roles of `SPECIALS`."""
    return {
        "tokenizer_class": tokenizer_class, "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>",
        "model_max_length": 1024, **fields,
    }  # fmt: skip


def special_tokens_map(**fields: object) -> dict[str, Any]:
    """A `special_tokens_map.json` that gives the roles of `SPECIALS`."""
    return {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", **fields}


def decoder_entry(content: str, *, special: bool = True) -> dict[str, Any]:
    """An entry of `added_tokens_decoder` in tokenizer_config.json, whose key is the id."""
    return {key: value for key, value in added(content, 0, special=special).items() if key != "id"}


def vocab_txt(tokens: Iterable[str] = TOKENS) -> str:
    """A `vocab.txt`: a token a line, whose number is its id."""
    return "".join(f"{token}\n" for token in tokens)


def merges_txt(merges: Iterable[Sequence[str]] = MERGES) -> str:
    """A `merges.txt`."""
    return "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)


def sentencepiece(pieces: Iterable[str] = TOKENS, *, model: str = "bpe") -> bytes:
    """A model of SentencePiece; its specials are of the kinds that they have everywhere."""
    data = b""
    for index, piece in enumerate(pieces):
        kind = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL, "<pad>": CONTROL}.get(piece, NORMAL)
        data += _field(1, _field(1, piece.encode()) + b"\x15" + struct.pack("<f", -float(index)) + _number(3, kind))
    return data + _field(2, _number(3, {"unigram": 1, "bpe": 2}[model]))


def with_tokenizer(model: Mapping[str, Any], full: Mapping[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """The files of a model (`hfcheck.example_models.repository`), with a tokenizer.json and its config beside them."""
    return {
        **model, "tokenizer.json": dict(full or tokenizer_json()),
        "tokenizer_config.json": {**tokenizer_config(), **fields},
    }  # fmt: skip


def _varint(number: int) -> bytes:
    head = b""
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
