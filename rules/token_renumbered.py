"""An added token in tokenizer.json gets another id than it says.

## What it finds
Entries of `added_tokens` whose `id` is not the one that the tokenizer gives: behind a gap, in another order, or with
other ids than the vocabulary of the model. One finding at the first, with the count. An error where no file says the id
that comes out; a warning where another one does, or the vocabulary.

## Why it matters
tokenizers 0.23.3 reads no `id` there. It keeps the id of a token that is in the vocabulary and counts the others on, in
the order in which they stand, from the size of the vocabulary. transformers 5.23.0 says nothing: text with the token
takes the row of another one, or of none. Other readers, transformers.js among them, take the id that is written.
`save_pretrained` writes the ids that come out: others are from an editor, or a script that prunes a vocabulary. "How do
we know that the token number that it is assigned, the token that it was assigned during training are the same?", asks
https://github.com/huggingface/tgi-gaudi/pull/199 .

## How to put it right
Put the tokens in the order of their ids and fill a gap with tokens that nobody writes, or add them to the vocabulary of
the model, whose ids count. Then compare `tokenizer.convert_tokens_to_ids` with what the model was trained with.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    TOKENS,
    added,
    added_specials,
    decoder_entry,
    numbered,
    tokenizer_json,
    unigram,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.renumbering import renumbering
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors())
FULL = "tokenizer.json"


class TokenRenumbered(Rule):
    id = "TOK004"
    name = "token-renumbered"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Order the added tokens by id without a gap, or add them to the vocabulary of the model, whose ids count."
    bad = (
        Example(
            "a gap before the last token",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials(), added("<|im_end|>", SIZE + 1)])),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "two tokens in the wrong order change places",
            with_tokenizer(
                MODEL, tokenizer_json(None, [*added_specials(), added("<b>", SIZE + 1), added("<a>", SIZE)])
            ),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "a vocabulary with a hole: the new token takes an id that another one has",
            with_tokenizer(
                MODEL,
                tokenizer_json(
                    word_level({**numbered(TOKENS[:-1]), "h": SIZE}), [*added_specials(), added("<new>", SIZE + 1)]
                ),
            ),
            at=(At(FULL, "/added_tokens/3"),),
        ),
        Example(
            "a token of the vocabulary with another id: a warning",
            with_tokenizer(MODEL, tokenizer_json(unigram(), [*added_specials(), added("a", SIZE)])),
            at=(At(FULL, "/added_tokens/3"),),
        ),
    )
    good = (
        Example(
            "new tokens follow the vocabulary",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials(), added("<a>", SIZE)])),
        ),
        Example(
            "tokens of the vocabulary, in any order",
            with_tokenizer(MODEL, tokenizer_json(None, [added("<a>", SIZE), *reversed(added_specials())])),
            near_miss=True,
        ),
        Example(
            "a gap that the vocabulary has itself",
            with_tokenizer(
                MODEL, tokenizer_json(word_level({**numbered(), "<new>": SIZE + 1}), [added("<new>", SIZE + 1)])
            ),
            near_miss=True,
        ),
        Example(
            "a decoder says it too, as transformers 4 wrote it",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<a>", SIZE)]),
                added_tokens_decoder={"0": decoder_entry("<unk>"), f"{SIZE}": decoder_entry("<a>")},
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            for at, sentence, severity in renumbering(table, FULL):
                yield self.finding(at, sentence, severity=severity)
