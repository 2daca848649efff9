"""A merge names a token that the vocabulary does not have.

## What it finds
Merges of a BPE model, in `tokenizer.json` or in the `merges.txt` that is read, of which a part or the result is in no
entry of the vocabulary, and entries that are no pair of tokens. One finding for a file, at the first of them.

## Why it matters
tokenizers 0.23.3, and with it transformers 5.23.0, reads no such tokenizer: ``Exception: Token `x` out of vocabulary at
line 76 column 1``, where the line is that of the end of the model and not of the merge, and from `merges.txt` ``Error
while initializing BPE: Token `x` out of vocabulary``. An entry that is no pair is `Merges text file invalid at line 2`,
or `data did not match any variant of untagged enum MergeType`. It comes of vocabularies that were cut or edited without
their merges, and of `vocab.json` and `merges.txt` of two models.
https://github.com/jkawamoto/ctranslate2-rs/issues/91 .

## How to put it right
Take the merges out along with their tokens, or copy vocabulary and merges from one source.
"""

from collections.abc import Iterator, Mapping
from posixpath import join

from hfcheck.example_tokenizers import TOKENS, bpe, merges_txt, numbered, tokenizer_config, tokenizer_json, unigram
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.tokenizer_json import Merges
from hfcheck.formats.vocabulary import MergesFacts
from hfcheck.rule import Example, Rule
from hfcheck.token_files import FULL
from hfcheck.tokens.table import TokenTable


def _full(*merges: tuple[str, ...], **fields: object) -> dict[str, object]:
    return {
        "tokenizer.json": tokenizer_json(bpe(merges=merges) | fields),
        "tokenizer_config.json": tokenizer_config(),
    }


class MergeOfUnknownTokens(Rule):
    id = "TOK024"
    name = "merge-of-unknown-tokens"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take the merge out, or copy vocabulary and merges from one source."
    bad = (
        Example(
            "a part that is no token",
            _full(("a", "b"), ("x", "b")),
            at=(At("tokenizer.json", "/model/merges/1"),),
        ),
        Example("a result that is no token", _full(("b", "c")), at=(At("tokenizer.json", "/model/merges/0"),)),
        Example("three tokens", _full(("a", "b", "c")), at=(At("tokenizer.json", "/model/merges/0"),)),
        Example(
            "two spaces in the written form",
            _full(("a", "b")) | {"tokenizer.json": tokenizer_json(bpe() | {"merges": ["a b", "ab  c"]})},
            at=(At("tokenizer.json", "/model/merges/1"),),
        ),
        Example(
            "merges.txt and vocab.json of two models",
            {
                "vocab.json": numbered(),
                "merges.txt": merges_txt((("a", "b"), ("x", "y"))),
                "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"),
            },
            at=(At("merges.txt"),),
        ),
    )
    good = (
        Example("as saved", _full(("a", "b"), ("ab", "c"))),
        Example("a token is used before the merge that makes it", _full(("ab", "c"), ("a", "b")), near_miss=True),
        Example(
            "a part that continues a word and has a prefix there",
            _full(("a", "##b"))
            | {
                "tokenizer.json": tokenizer_json(
                    bpe(numbered((*TOKENS, "##b")), [("a", "##b")]) | {"continuing_subword_prefix": "##"}
                )
            },
            near_miss=True,
        ),
        Example(
            "a merges.txt that nothing reads, beside a tokenizer.json",
            _full(("a", "b")) | {"merges.txt": merges_txt((("x", "y"),)), "vocab.json": numbered()},
            near_miss=True,
        ),
        Example(
            "a model without merges",
            {"tokenizer.json": tokenizer_json(unigram()), "tokenizer_config.json": tokenizer_config()},
            near_miss=True,
        ),
        Example("no merges at all", _full(), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            if table.raises is None:
                continue  # a class that makes no BPE of the file never looks at its merges
            if table.merges is not None and table.merges_at is not None:
                yield from self._in_full(table.merges, table.merges_at)
            elif not facts.has_file(join(folder, FULL)):
                yield from self._in_text(facts, folder, table)

    def _in_full(self, merges: Merges, at: At) -> Iterator[Finding]:
        if merges.odd:
            place = At(at.path, f"{at.pointer}{pointer(merges.odd[0])}")
            message = f"{merges.odd_count} of the {merges.count} merges are no pair of tokens, this one first"
            yield self.finding(place, f"{message}: tokenizers refuses the file")
        elif merges.unknown:
            index, token = merges.unknown[0]
            others = f", and {merges.unknown_count - 1} more are like it" if merges.unknown_count > 1 else ""
            message = f"the merge {index} has the token {quote(token)}, which the vocabulary has not{others}"
            yield self.finding(At(at.path, f"{at.pointer}{pointer(index)}"), f"{message}: tokenizers refuses the file")

    def _in_text(self, facts: Facts, folder: str, table: TokenTable) -> Iterator[Finding]:
        path = join(folder, "merges.txt")
        merges = facts.of(path, MergesFacts)
        vocabulary = next((one for one in table.vocabularies if one.path == join(folder, "vocab.json")), None)
        if merges is None or vocabulary is None or vocabulary.unusual:
            return
        found = _first(merges, vocabulary.ids)
        if found is not None:
            index, reason = found
            line = merges.numbers[index] + 1
            message = f"line {line}, {quote(merges.merges[index])}, {reason}: tokenizers refuses the two files"
            yield self.finding(At(path), message)


def _first(merges: MergesFacts, ids: Mapping[str, int]) -> tuple[int, str] | None:
    """The first merge that is refused, and why."""
    odd = set(merges.odd)
    for index, row in enumerate(merges.merges):
        if index in odd:
            return index, "is no pair of tokens"
        left, _, right = row.partition(" ")
        unknown = next((part for part in (left, right, left + right) if part not in ids), None)
        if unknown is not None:
            return index, f"has the token {quote(unknown)}, which vocab.json has not"
    return None
