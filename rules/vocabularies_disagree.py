"""Two files give the vocabulary, and they are not the same.

## What it finds
A `vocab.json`, `vocab.txt`, model of SentencePiece or file of tiktoken ranks beside a `tokenizer.json`, in which tokens
have other ids than there, or which one has and the other has not. One finding for a file, with some of the tokens; it
stands at the file that transformers does not take.

What is different by design is left out: added tokens; of a SentencePiece model all but its normal pieces (control and
user-defined symbols, bytes, unused pieces) and a shift that all its ids have in common (XLM-R, Pegasus); `vocab.json`
and `vocab.txt` where the class of the tokenizer reads neither; `tekken.json` and GGUF files, which have special tokens
of their own.

## Why it matters
transformers 5.23.0 takes tokenizer.json and looks at nothing else, and so do the fast tokenizers of 4.57.1. The slow
ones of 4.57.1 (`use_fast=False`) take the other file: measured with two tokens that had changed places, `a b` is
`[3, 4]` here and `[4, 3]` there, without a word. llama.cpp converts a `tokenizer.model` where there is one. So the same
model answers well in one place and with nonsense in another: https://github.com/huggingface/transformers/issues/5777
(a `vocab.txt` that lacks a token, and all ids behind it are shifted), https://github.com/01-ai/Yi-1.5/issues/32 (a
tokenizer.json that was changed beside its tokenizer.model).

## How to put it right
Delete the file that is out of date, or save both from the same tokenizer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SPECIALS,
    TOKENS,
    added,
    added_specials,
    bpe,
    merges_txt,
    numbered,
    sentencepiece,
    tokenizer_json,
    unigram,
    vocab_txt,
    with_tokenizer,
    word_piece,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.sentencepiece import Kind, SentencePieceFacts
from hfcheck.formats.vocabulary import VocabularyFacts
from hfcheck.rule import Example, Rule
from hfcheck.token_files import FULL, PIECES, class_of
from hfcheck.tokens.table import TokenTable, Vocabulary

READERS = {
    "sentencepiece": "llama.cpp and slow tokenizers go by this one",
    "tiktoken": "readers of tiktoken go by this one",
    "BPE": "slow tokenizers of transformers 4 go by this one",
    "WordPiece": "slow tokenizers of transformers 4 go by this one",
}
"""Who reads a file with a vocabulary where there is a tokenizer.json, by the kind of the vocabulary."""

SHOWN = 3
SLACK = 16
"""Tokens that a conversion from SentencePiece may write otherwise or leave out: Gemma's tabulator, Camembert's last."""

MODEL = repository(LLAMA, llama_tensors())
SWAPPED = [*TOKENS[:3], "b", "a", *TOKENS[5:]]
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TOKENS[3:])


@dataclass(frozen=True, slots=True)
class Difference:
    """The tokens that have another id in the other file, those that only it has, and those that it has not."""

    moved: tuple[str, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]


class VocabulariesDisagree(Rule):
    id = "TOK011"
    name = "vocabularies-disagree"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Delete the file that is out of date, or save both from the same tokenizer."
    bad = (
        Example(
            "two tokens have changed places in vocab.json",
            {
                **with_tokenizer(MODEL, tokenizer_json(bpe()), tokenizer_class="GPT2Tokenizer"),
                "vocab.json": numbered(SWAPPED),
                "merges.txt": merges_txt(),
            },
            at=(At("vocab.json", "/b"),),
        ),
        Example(
            "a vocab.txt that is a token short: all that follow have moved",
            {
                **repository(BERT, bert_tensors()),
                "tokenizer.json": tokenizer_json(word_piece(numbered(WORDS)), []),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
                "vocab.txt": vocab_txt([*WORDS[:6], *WORDS[7:]]),
            },
            at=(At("vocab.txt"),),
        ),
        Example(
            "the SentencePiece model of the base beside a tokenizer that was trained anew",
            {
                **with_tokenizer(MODEL, tokenizer_json(bpe()), tokenizer_class="LlamaTokenizer"),
                "tokenizer.model": sentencepiece([*SPECIALS, "x", "y", "z", *TOKENS[6:]]),
            },
            at=(At("tokenizer.model"),),
        ),
        Example(
            "a SentencePiece model with two pieces in another order",
            {
                **with_tokenizer(MODEL, tokenizer_json(unigram()), tokenizer_class="T5Tokenizer"),
                "spiece.model": sentencepiece(SWAPPED, model="unigram"),
            },
            at=(At("spiece.model"),),
        ),
        Example(
            "ranks of tiktoken with other ids",
            {
                **with_tokenizer(
                    MODEL, tokenizer_json({**bpe(numbered(("a", "b", "c", "ab")), [("a", "b")]), "unk_token": None}, [])
                ),
                "qwen.tiktoken": "YQ== 0\nYw== 1\nYg== 2\n",
            },
            at=(At("qwen.tiktoken"),),
        ),
        Example(
            "in the folder of a pipeline",
            {
                "model_index.json": {
                    "_class_name": "DiffusionPipeline",
                    "tokenizer": ["transformers", "CLIPTokenizer"],
                },
                "tokenizer/tokenizer.json": tokenizer_json(bpe()),
                "tokenizer/tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer"},
                "tokenizer/vocab.json": numbered(SWAPPED),
                "tokenizer/merges.txt": merges_txt(),
            },
            at=(At("tokenizer/vocab.json", "/b"),),
        ),
    )
    good = (
        Example(
            "all of them the same",
            {
                **with_tokenizer(MODEL, tokenizer_json(bpe()), tokenizer_class="GPT2Tokenizer"),
                "vocab.json": numbered(),
                "merges.txt": merges_txt(),
                "tokenizer.model": sentencepiece(),
            },
        ),
        Example(
            "added tokens, which only tokenizer.json has, or which are in the other as well",
            {
                **with_tokenizer(
                    MODEL,
                    tokenizer_json(bpe(), [*added_specials(), added("<|im_start|>", 14), added("<|im_end|>", 15)]),
                    tokenizer_class="GPT2Tokenizer",
                ),
                "vocab.json": numbered((*TOKENS, "<|im_start|>")),
                "merges.txt": merges_txt(),
            },
            near_miss=True,
        ),
        Example(
            "control symbols under other names, and all ids moved by one",
            {
                **with_tokenizer(
                    MODEL, tokenizer_json(unigram(["<s>", "<pad>", "</s>", "<unk>", *TOKENS[3:], "<mask>"]))
                ),
                "sentencepiece.bpe.model": sentencepiece(model="unigram"),
            },
            near_miss=True,
        ),
        Example(
            "a token that is white space in part, which readers of lines cut off",
            {
                **repository(BERT, bert_tensors()),
                "tokenizer.json": tokenizer_json(word_piece(numbered((*WORDS, "##\u2028", "h"))), []),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
                "vocab.txt": vocab_txt((*WORDS, "##\u2028", "h")),
            },
            near_miss=True,
        ),
        Example(
            "a vocab.json that no class of this tokenizer reads",
            {**with_tokenizer(MODEL, tokenizer_json(bpe())), "vocab.json": {"car": 0, "person": 1}},
            near_miss=True,
        ),
        Example(
            "two files of a slow tokenizer, which reads both",
            {
                "tokenizer_config.json": {"tokenizer_class": "M2M100Tokenizer"},
                "vocab.json": numbered(SWAPPED),
                "sentencepiece.bpe.model": sentencepiece(),
            },
            near_miss=True,
        ),
        Example(
            "two tokenizers of a pipeline, each in its folder",
            {
                "model_index.json": {"_class_name": "DiffusionPipeline"},
                "tokenizer/tokenizer.json": tokenizer_json(bpe()),
                "tokenizer_2/spiece.model": sentencepiece(SWAPPED),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            full = next((one for one in table.vocabularies if one.path.endswith(FULL)), None)
            for other in table.vocabularies if full is not None else ():
                if full is not None and other is not full and _is_read(table, full, other):
                    found = _difference(facts, table, full, other)
                    if found.moved or found.only_here or found.only_there:
                        yield self._finding(full, other, found)

    def _finding(self, full: Vocabulary, other: Vocabulary, found: Difference) -> Finding:
        parts = []
        if found.moved:
            named = ", ".join(
                f"{quote(token, 30)} is {other.ids[token]} and not {full.ids[token]}" for token in found.moved[:SHOWN]
            )
            verb = "has another id" if len(found.moved) == 1 else "have other ids"
            parts.append(f"{len(found.moved):,} of its tokens {verb} than in tokenizer.json ({named})")
        if found.only_here:
            parts.append(f"{len(found.only_here):,} are not in tokenizer.json ({_listed(found.only_here)})")
        if found.only_there:
            parts.append(f"{len(found.only_there):,} of tokenizer.json are not here ({_listed(found.only_there)})")
        first = next(iter((*found.moved, *found.only_here)), None)
        at = other.at(first) if first is not None else At(other.path)
        message = f"{', '.join(parts)}: transformers takes tokenizer.json, and {READERS[other.kind]}"
        return self.finding(at, message)


def _listed(tokens: tuple[str, ...]) -> str:
    return ", ".join(quote(token, 30) for token in tokens[:SHOWN])


def _is_read(table: TokenTable, full: Vocabulary, other: Vocabulary) -> bool:
    """Whether the other file is meant to say the same as tokenizer.json."""
    name = other.path.rpartition("/")[2]
    if other.kind in ("sentencepiece", "tiktoken"):
        return other.kind == "sentencepiece" or name not in PIECES  # of ranks under such a name TOK016 speaks
    found = class_of(table)
    return other.kind == full.kind and found is not None and found.builds and name in found.files.values()


def _difference(facts: Facts, table: TokenTable, full: Vocabulary, other: Vocabulary) -> Difference:
    if full.ids == other.ids or full.unusual or other.unusual:  # of entries that are none TOK007 speaks
        return Difference((), (), ())
    added = {token.content for token in table.declared} | {role.content for role in table.roles}
    pieces = facts.of(other.path, SentencePieceFacts)
    if pieces is None:
        lines = facts.of(other.path, VocabularyFacts)
        # Readers do not agree on white space at the end of a line, and the token is another one then.
        stripped = {lines.lines[index] for index in lines.stripped} if lines is not None else set()
        tokens = {token: index for token, index in other.ids.items() if token == token.strip() and token}
        tokens = {token: index for token, index in tokens.items() if token not in stripped}
        moved = (token for token, index in tokens.items() if full.ids.get(token, index) != index and token not in added)
        here = (token for token in tokens if token not in full.ids and token not in added)
        there = (
            token for token in full.ids if token not in other.ids and token == token.strip() and token not in added
        )
        return Difference(tuple(moved), tuple(here), tuple(there))
    return _of_pieces(table, full, pieces, added)


def _of_pieces(table: TokenTable, full: Vocabulary, pieces: SentencePieceFacts, added: Iterable[str]) -> Difference:
    normal = {
        piece: index
        for index, piece in enumerate(pieces.pieces)
        if pieces.kinds[index] == Kind.NORMAL and piece not in added and piece.isprintable()
    }
    shift = _shift(full.ids, normal)
    moved = (piece for piece, index in normal.items() if full.ids.get(piece, index + shift) != index + shift)
    here = tuple(piece for piece in normal if piece not in full.ids)
    known = {*pieces.pieces, *added}
    there = tuple(token for token in full.ids if token not in known and not (token[:1] == "<" and token[-1:] == ">"))
    found = class_of(table)
    converts = found is None or found.converts or shift != 0
    return Difference(
        tuple(moved),
        here if len(here) > (SLACK if converts else 0) else (),
        there if len(there) > SLACK and not converts else (),
    )


def _shift(ids: Mapping[str, int], normal: Mapping[str, int]) -> int:
    """By how much most pieces have moved."""
    shifts = Counter(ids[piece] - index for piece, index in normal.items() if piece in ids)
    return shifts.most_common(1)[0][0] if shifts else 0
