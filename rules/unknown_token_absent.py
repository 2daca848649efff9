"""The token for unknown text is not in the vocabulary.

## What it finds
The unk_token of a WordLevel, WordPiece or BPE model that its own vocabulary does not have, and the `unk_id` of a
Unigram model beyond its vocabulary, which is an error, or null. That the token is an added one does not help: the model
looks into its own vocabulary alone. BPE models that know every byte are left out, since nothing is unknown to them, and
so are classes that build the model and drop what is unknown.

## Why it matters
Measured with transformers 5.23.0 and tokenizers 0.23.3: the tokenizer loads, and the first text with a word or letter
that it does not know raises `WordLevel error: Missing [UNK] token from the vocabulary`, `WordPiece error: Missing [UNK]
token from the vocabulary` or ``Unk token `<unk>` not found in the vocabulary``; with a null it is `Encountered an
unknown token but 'unk_id' is missing`, and an `unk_id` that is too large does not load: `Unable to load vocab
UnkIdNotInVocabulary`. Tests in the language of the training pass. https://github.com/huggingface/tokenizers/issues/1609
shows such a token, which was added and not trained.

## How to put it right
Train with the token among the special ones of the trainer, or name one that the vocabulary has.
"""

from collections.abc import Iterator, Mapping
from posixpath import join
from typing import Any

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SPECIALS,
    added,
    bpe,
    numbered,
    tokenizer_json,
    unigram,
    vocab_txt,
    with_tokenizer,
    word_level,
    word_piece,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote, shorten
from hfcheck.rule import Example, Rule
from hfcheck.token_files import FULL, class_of
from hfcheck.tokens.sources import byte_text, kind_of
from hfcheck.tokens.table import TokenTable

DEFAULT = {"WordLevel": "<unk>", "WordPiece": "[UNK]"}
"""What tokenizers takes where a model does not say it."""

BYTES = tuple(byte_text(bytes([byte])) for byte in range(256))
FALLBACK = tuple(f"<0x{byte:02X}>" for byte in range(256))

MODEL = repository(LLAMA, llama_tensors())
WORDS = numbered(("<s>", "</s>", "a", "b", "ab"))
MERGES = (("a", "b"),)
UNK = At("tokenizer.json", "/model/unk_token")


class UnknownTokenAbsent(Rule):
    id = "TOK018"
    name = "unknown-token-absent"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Name a token that the vocabulary has, or train with the token among the special ones."
    bad = (
        Example("words", with_tokenizer(MODEL, tokenizer_json(word_level(WORDS), [])), at=(UNK,)),
        Example("pieces", with_tokenizer(MODEL, tokenizer_json(word_piece(WORDS), [])), at=(UNK,)),
        Example(
            "an added token does not help",
            with_tokenizer(MODEL, tokenizer_json(bpe(WORDS, MERGES), [added("<unk>", len(WORDS))])),
            at=(UNK,),
        ),
        Example(
            "a number beyond the vocabulary: an error",
            with_tokenizer(MODEL, tokenizer_json({**unigram(), "unk_id": 99})),
            at=(At("tokenizer.json", "/model/unk_id"),),
        ),
        Example(
            "a null",
            with_tokenizer(MODEL, tokenizer_json({**unigram(), "unk_id": None})),
            at=(At("tokenizer.json", "/model/unk_id"),),
        ),
        Example(
            "a vocab.txt without [UNK]",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(("[PAD]", "[CLS]", "[SEP]", "[MASK]", "a", "b")),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]"},
            },
            at=(At("vocab.txt"),),
        ),
    )
    good = (
        Example("the vocabulary has it", with_tokenizer(MODEL)),
        Example(
            "a byte-level model knows every byte",
            with_tokenizer(MODEL, tokenizer_json(bpe(numbered(BYTES), ()), [])),
            near_miss=True,
        ),
        Example(
            "letters that are not known fall back to bytes",
            with_tokenizer(MODEL, tokenizer_json({**bpe(numbered(FALLBACK), ()), "byte_fallback": True}, [])),
            near_miss=True,
        ),
        Example(
            "a BPE model without one drops what it does not know",
            with_tokenizer(MODEL, tokenizer_json({**bpe(WORDS, MERGES), "unk_token": None}, [])),
            near_miss=True,
        ),
        Example(
            "the class builds the model, and drops it too",
            with_tokenizer(MODEL, tokenizer_json(bpe(WORDS, MERGES), []), tokenizer_class="GPT2Tokenizer"),
            near_miss=True,
        ),
        Example(
            "the settings give the class another one",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt((*SPECIALS, "a", "b")),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "unk_token": "<unk>"},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            document = facts.json(join(folder, FULL))
            model = document.value.get("model") if document is not None and type(document.value) is dict else None
            found = class_of(table)
            if found is None or found.backend != "tokenizers" or not table.certain:
                continue
            if type(model) is dict and kind_of(model) == "Unigram":
                yield from self._unigram(At(join(folder, FULL), "/model/unk_id"), model, builds=found.builds)
            elif table.raises is not None or table.vocabulary is None:
                continue
            elif found.builds and found.model == "WordPiece":
                yield from self._built(table)
            elif not found.builds and type(model) is dict:
                yield from self._stated(At(join(folder, FULL), "/model/unk_token"), model, table)

    def _unigram(self, at: At, model: Mapping[str, Any], *, builds: bool) -> Iterator[Finding]:
        tokens, index = model.get("vocab"), model.get("unk_id")
        if type(tokens) is not list:
            return
        if type(index) is int and not 0 <= index < len(tokens):
            message = (
                f"unk_id is {shorten(str(index), 20)}, and the vocabulary has {len(tokens):,} tokens: nothing loads it"
            )
            yield self.finding(at, message, severity=Severity.ERROR)
        elif index is None and not builds and not model.get("byte_fallback"):
            place = at if "unk_id" in model else At(at.path, "/model")
            yield self.finding(place, "there is no unk_id, and text with a letter that is not known raises an error")

    def _stated(self, at: At, model: Mapping[str, Any], table: TokenTable) -> Iterator[Finding]:
        kind = kind_of(model)
        token = model.get("unk_token", DEFAULT.get(kind))
        if type(token) is not str or token in table.base or (kind == "BPE" and _knows_bytes(model, table.base)):
            return
        place = at if "unk_token" in model else At(at.path, "/model")
        message = f"unk_token is {quote(token, 40)}, which the vocabulary of the model does not have"
        yield self.finding(place, f"{message}: text that it does not know raises an error")

    def _built(self, table: TokenTable) -> Iterator[Finding]:
        token = table.specials.get("unk_token")
        if not any(role.content in table.base for role in table.specials.values()):
            return  # a file that is no vocabulary, of which TOK016 speaks
        if token is not None and table.vocabulary is not None and token.content not in table.base:
            message = f"the vocabulary does not have the unk_token {quote(token.content, 40)}"
            yield self.finding(
                At(table.vocabulary.path), f"{message}: text with a word that it does not know raises an error"
            )


def _knows_bytes(model: Mapping[str, Any], tokens: Mapping[str, int]) -> bool:
    """Whether nothing is unknown to a BPE model, because it has a token for each byte."""
    if model.get("byte_fallback") is True and all(token in tokens for token in FALLBACK):
        return True
    return all(token in tokens for token in BYTES)
