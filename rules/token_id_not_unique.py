"""Two tokens have one id, or one token stands in the vocabulary twice.

## What it finds
Two tokens of the vocabulary with the same id: a warning. An added token that gets the id of another token of the
vocabulary, because the vocabulary leaves ids out and added tokens are counted from its size: an error. A token that
stands twice in a list, a `vocab.txt` or a SentencePiece model: a note, and a warning for SentencePiece, whose library
refuses it. One finding of each kind for a tokenizer.

The same key twice in a JSON object is `FMT021`.

## Why it matters
Two tokens of one id share a row of the embedding, and no model can tell them apart. Which of them tokenizers 0.23.3
decodes the id to is chosen anew at each start: 40 loads of one file gave both. Where an added token takes the id, the
other one cannot be decoded at all. Of a token that stands twice the last place is its id, in transformers 5.23.0 as in
Python, and the row of the first is lost; `sentencepiece` stops with `a is already defined`. Vocabularies that were
pruned, merged or extended by hand have such ids: https://github.com/huggingface/transformers/issues/3382 .

## How to put it right
Give each token an id of its own, from 0 on without gaps, and put the rows of the embedding in the same order.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    TOKENS,
    added,
    added_specials,
    decoder_entry,
    merges_txt,
    numbered,
    sentencepiece,
    tokenizer_config,
    tokenizer_json,
    unigram,
    vocab_txt,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.sentencepiece import SentencePieceFacts
from hfcheck.formats.vocabulary import VocabularyFacts
from hfcheck.rule import Example, Rule
from hfcheck.tokens.table import TokenTable, Vocabulary

MODEL = repository(LLAMA, llama_tensors())
FULL = "tokenizer.json"
HOLE = {**numbered(TOKENS[:-1]), "h": SIZE}
"""A vocabulary of fourteen tokens whose last id is 14: the next token that is added gets 14 too."""


class TokenIdNotUnique(Rule):
    id = "TOK002"
    name = "token-id-not-unique"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give each token an id of its own, and put the rows of the embedding in the same order."
    bad = (
        Example(
            "an added token takes the id of another, as save_pretrained wrote it",
            with_tokenizer(MODEL, tokenizer_json(word_level(HOLE), [*added_specials(), added("<new>", SIZE)])),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "two tokens of a vocabulary: a warning",
            {
                **MODEL,
                "vocab.json": {**numbered(), "h": SIZE - 2},
                "merges.txt": merges_txt(),
                "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"),
            },
            at=(At("vocab.json", "/h"),),
        ),
        Example(
            "a piece twice: the library of SentencePiece refuses it, a warning",
            {
                "tokenizer.model": sentencepiece((*TOKENS, "a")),
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            at=(At("tokenizer.model"),),
        ),
        Example(
            "a line twice: a note",
            {
                "vocab.txt": vocab_txt(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "a")),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            at=(At("vocab.txt"),),
        ),
        Example(
            "an entry of a list twice: a note",
            with_tokenizer(MODEL, tokenizer_json(unigram((*TOKENS, "a")))),
            at=(At(FULL, f"/model/vocab/{SIZE}"),),
        ),
    )
    good = (
        Example("ids from 0 on", with_tokenizer(MODEL)),
        Example(
            "a vocabulary that leaves an id out, and nothing is added",
            with_tokenizer(MODEL, tokenizer_json(word_level(HOLE))),
            near_miss=True,
        ),
        Example(
            "an added token that is in the vocabulary, with its id there",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials(), added("a", 3)])),
            near_miss=True,
        ),
        Example(
            "the same token in every file",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<a>", SIZE)]),
                added_tokens_decoder={f"{SIZE}": decoder_entry("<a>")},
                pad_token="<a>",
            )
            | {"added_tokens.json": {"<a>": SIZE}, "vocab.json": numbered()},
            near_miss=True,
        ),
        Example(
            "the hole is behind another added token, which is counted on from",
            with_tokenizer(
                MODEL,
                tokenizer_json(word_level(HOLE), [*added_specials(), added("h", SIZE), added("<new>", SIZE + 1)]),
                added_tokens_decoder={},
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            if table.vocabularies:
                yield from self._shared(table.vocabularies[0])
                yield from self._again(facts, table.vocabularies[0])
            if table.certain and table.raises is None:
                yield from self._taken(table)

    def _shared(self, vocabulary: Vocabulary) -> Iterator[Finding]:
        pairs = _pairs(vocabulary.ids)
        if pairs:
            first, other, index = pairs[0]
            more = f" ({len(pairs)} such tokens)" if len(pairs) > 1 else ""
            message = (
                f"{quote(first)} and {quote(other)} both have the id {index}{more}: they share a row of the embedding,"
                " and the id is decoded to either of them"
            )
            yield self.finding(vocabulary.at(other), message, severity=Severity.WARNING)

    def _taken(self, table: TokenTable) -> Iterator[Finding]:
        renumbered = {one.content for one in table.renumbered}  # TOK004 says it of these
        new = {index for index, token in table.added.items() if token.content not in table.base}
        holders = {index: token for token, index in table.base.items() if index in new} if new else {}
        found = [(index, table.added[index]) for index in sorted(holders)]
        found = [(index, token) for index, token in found if token.content not in renumbered]
        if found:
            index, token = found[0]
            more = f" ({len(found)} such tokens)" if len(found) > 1 else ""
            message = (
                f"the added token {quote(token.content)} gets the id {index}, which {quote(holders[index])} of the"
                f" vocabulary has{more}: both share a row of the embedding, and the latter cannot be decoded"
            )
            place = token.at if token.at.path or table.vocabulary is None else table.vocabulary.at(holders[index])
            yield self.finding(place, message)

    def _again(self, facts: Facts, vocabulary: Vocabulary) -> Iterator[Finding]:
        tokens = list(_repeated(facts, vocabulary))
        if not tokens:
            return
        more = f" ({len(tokens)} such tokens)" if len(tokens) > 1 else ""
        index = vocabulary.ids[tokens[0]]
        message = f"{quote(tokens[0])} stands in the vocabulary more than once{more}: its id is {index}, the last place"
        if vocabulary.kind == "sentencepiece":
            refused = f"{message}, and the sentencepiece library refuses the model"
            yield self.finding(vocabulary.at(tokens[0]), refused, severity=Severity.WARNING)
        else:
            lost = f"{message}, and the row of the first is never used"
            yield self.finding(vocabulary.at(tokens[0]), lost, severity=Severity.NOTE)


def _pairs(ids: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Tokens that share an id, each with the first that has it."""
    if len(set(ids.values())) == len(ids):
        return []
    first: dict[int, str] = {}
    return [(kept, token, index) for token, index in ids.items() if (kept := first.setdefault(index, token)) != token]


def _repeated(facts: Facts, vocabulary: Vocabulary) -> Iterator[str]:
    """Tokens that a list has more than once, some of them where there are very many."""
    reading = facts.reading(vocabulary.path)
    match reading.facts if reading is not None else None:
        case VocabularyFacts() as lines:
            yield from dict.fromkeys(lines.lines[number] for number in lines.duplicates)
        case SentencePieceFacts() as model:
            yield from dict.fromkeys(model.duplicates)
        case JsonFacts() as document if vocabulary.kind == "Unigram" and vocabulary.count > len(vocabulary.ids):
            rows = document.value["model"]["vocab"]
            texts = chain.from_iterable(row[:1] for row in rows if type(row) is list)
            counts = Counter(text for text in texts if type(text) is str)
            yield from (token for token, count in counts.items() if count > 1 and token in vocabulary.ids)
