"""A token in tokenizer.json has an id that is none.

## What it finds
Entries of the vocabulary or of `added_tokens` in `tokenizer.json` whose id is no whole number from 0 to 4294967295, or
in a Unigram vocabulary is no pair of a token and a score. One finding for each of the two, at the first. A warning on
an added token where transformers builds the class of the tokenizer from the vocabulary alone.

## Why it matters
tokenizers 0.23.3 refuses the file, and transformers 5.23.0 stops: `invalid value: integer -1, expected u32 at line 61
column 1`, where for the vocabulary the line is that of the end of the file. Placeholders like -1, ids as strings and
lists of another shape come from scripts: https://github.com/huggingface/tokenizers/issues/752 .

## How to put it right
Give the token the row of the embedding it was trained with, or take it out.
"""

from collections.abc import Iterator
from posixpath import join

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    added,
    added_specials,
    bpe,
    merges_txt,
    numbered,
    tokenizer_config,
    tokenizer_json,
    unigram,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.rule import Example, Rule
from hfcheck.tokens.classes import classes
from hfcheck.tokens.table import TokenTable

MODEL = repository(LLAMA, llama_tensors())
FULL = "tokenizer.json"
LIMIT = 2**32
NUMBER = "an id that is no whole number from 0 on"
PAIR = "no token with a score behind it"


class TokenIdInvalid(Rule):
    id = "TOK007"
    name = "token-id-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give the token the row of the embedding that it was trained with, or take it out."
    bad = (
        Example(
            "a negative id",
            with_tokenizer(MODEL, tokenizer_json(word_level({**numbered(), "x": -1}))),
            at=(At(FULL, "/model/vocab/x"),),
        ),
        Example(
            "an id as a string",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials(), {**added("x", 0), "id": "14"}])),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "an id that GPT2Tokenizer does not read, and others do: a warning",
            with_tokenizer(
                MODEL,
                tokenizer_json(bpe(), [*added_specials(), {**added("x", 0), "id": -1}]),
                tokenizer_class="GPT2Tokenizer",
            ),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "a piece without a score",
            with_tokenizer(MODEL, tokenizer_json({**unigram(), "vocab": [["<unk>", 0], ["a"]]})),
            at=(At(FULL, "/model/vocab/1"),),
        ),
    )
    good = (
        Example("whole numbers", with_tokenizer(MODEL)),
        Example(
            "scores of a Unigram model that are whole numbers, and negative",
            with_tokenizer(MODEL, tokenizer_json({**unigram(), "vocab": [["<unk>", 0], ["<s>", 0], ["a", -1]]}, [])),
            near_miss=True,
        ),
        Example(
            "the same in vocab.json, of which other readers take what they can",
            {
                **MODEL,
                "vocab.json": {**numbered(), "x": "14"},
                "merges.txt": merges_txt(),
                "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            path = join(folder, FULL)
            vocabulary = next((one for one in table.vocabularies if one.path == path), None)
            if vocabulary is not None and vocabulary.unusual:
                yield self._refused(vocabulary.unusual[0], PAIR if vocabulary.kind == "Unigram" else NUMBER)
            rows = _object(facts, path).get("added_tokens")
            ids = [row.get("id") if type(row) is dict else None for row in (rows if type(rows) is list else ())]
            odd = next((index for index, number in enumerate(ids) if not _is_id(number)), None)
            if odd is not None:
                at = At(path, pointer("added_tokens", odd))
                is_built = vocabulary is not None and vocabulary.kind != "Unigram" and _is_built(table)
                is_unread = is_built and (
                    _decides(facts, folder) or len(ids) == 1 or isinstance(ids[odd], (int, float))
                )
                yield self._unread(at, table) if is_unread else self._refused(at, NUMBER)

    def _refused(self, at: At, what: str) -> Finding:
        return self.finding(
            at, f"this entry has {what}: tokenizers refuses the file, and names neither it nor the token"
        )

    def _unread(self, at: At, table: TokenTable) -> Finding:
        message = f"this entry has {NUMBER}: tokenizers refuses the file, and only {table.class_name} does not read it"
        return self.finding(at, message, severity=Severity.WARNING)


def _is_id(number: object) -> bool:
    return type(number) is int and 0 <= number < LIMIT


def _is_built(table: TokenTable) -> bool:
    """Whether the class builds its tokenizer from the vocabulary alone."""
    known = classes().find(table.class_name)
    return known is not None and known.builds


def _decides(facts: Facts, folder: str) -> bool:
    """Whether another file has all added tokens, so that those of tokenizer.json are not even sorted by their ids."""
    return "added_tokens_decoder" in _object(facts, join(folder, "tokenizer_config.json"))


def _object(facts: Facts, path: str) -> dict[str, object]:
    document = facts.json(path)
    return document.value if document is not None and type(document.value) is dict else {}
