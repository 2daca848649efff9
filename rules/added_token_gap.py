"""An added token has an id that does not follow the vocabulary.

## What it finds
Tokens in `added_tokens.json`, or in `added_tokens_decoder` of `tokenizer_config.json`, which the tokenizer gives other
ids than they have there: behind a gap, or with the id of another token. An error where no file says the id that comes
out, a warning where another one does. A note on ids in `added_tokens.json` that come out right, and that the slow
tokenizers before transformers 4.34 refuse: tokens that are in the vocabulary anyway. One finding for a file.

Tokens of the vocabulary in `added_tokens_decoder` are legal: transformers 4 writes them all.

## Why it matters
transformers 5.23.0 sorts these tokens by their ids and adds them one after the other, so that each gap closes without a
word: the token of row 62 gets the row 60. The slow tokenizers of 4.34 and later took the ids as they are, and a model
that was trained with them needs that. Those before stop with `ValueError: Non-consecutive added token '<unk>' found.
Should have index 32000 but has index 0`: https://github.com/NExT-GPT/NExT-GPT/issues/43 ,
https://github.com/huggingface/transformers/issues/9246 , https://github.com/huggingface/transformers/issues/11759 ,
https://github.com/chentong0/factoid-wiki/issues/2 .

## How to put it right
Fill a gap with tokens that nobody writes, so that each token has the id it was trained with. Take tokens that are in
the vocabulary out of `added_tokens.json`; where nothing is left, delete the file.
"""

from collections.abc import Iterator
from operator import itemgetter
from posixpath import join

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
    vocab_txt,
    with_tokenizer,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.renumbering import renumbering
from hfcheck.rule import Example, Rule
from hfcheck.tokens.table import TokenTable

MODEL = repository(LLAMA, llama_tensors())
ADDED, CONFIG = "added_tokens.json", "tokenizer_config.json"

OWN = {"T5Tokenizer": 100}
"""Tokens that a slow class counted to its vocabulary beside those of the file."""

SLOW = ("BPE", "WordPiece", "sentencepiece")


def _slow(**fields: object) -> dict[str, object]:
    return {
        **MODEL,
        "vocab.json": numbered(),
        "merges.txt": merges_txt(),
        CONFIG: tokenizer_config("GPT2Tokenizer", **fields),
    }


class AddedTokenGap(Rule):
    id = "TOK003"
    name = "added-token-gap"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Fill the gap with tokens that nobody writes, or give the token the id that it was trained with."
    bad = (
        Example(
            "a gap of one id",
            _slow() | {ADDED: {"<unk>": 0, "<s>": 1, "<|im_end|>": SIZE + 1}},
            at=(At(ADDED, "/<|im_end|>"),),
        ),
        Example(
            "the id of another token",
            _slow(added_tokens_decoder={"5": decoder_entry("<|im_end|>")}),
            at=(At(CONFIG, "/added_tokens_decoder/5"),),
        ),
        Example(
            "tokenizer.json has the token with its true id: a warning",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<a>", SIZE)]),
                added_tokens_decoder={f"{SIZE + 1}": decoder_entry("<a>")},
            ),
            at=(At(CONFIG, f"/added_tokens_decoder/{SIZE + 1}"),),
        ),
        Example(
            "tokens that are in the vocabulary: a note",
            {
                "tokenizer.model": sentencepiece(),
                CONFIG: tokenizer_config("LlamaTokenizer"),
                ADDED: {"<unk>": 0, "<s>": 1, "</s>": 2},
            },
            at=(At(ADDED, "/<unk>"),),
        ),
        Example(
            "ids that T5 counts as its own: a note",
            {
                "spiece.model": sentencepiece(model="unigram"),
                CONFIG: {"tokenizer_class": "T5Tokenizer"},
                ADDED: {"<extra_id_99>": SIZE},
            },
            at=(At(ADDED, "/<extra_id_99>"),),
        ),
    )
    good = (
        Example("ids that follow the vocabulary", _slow() | {ADDED: {"<a>": SIZE, "<b>": SIZE + 1}}),
        Example(
            "ids that follow it, in another order",
            _slow() | {ADDED: {"<b>": SIZE + 1, "<a>": SIZE}},
            near_miss=True,
        ),
        Example(
            "a decoder with tokens of the vocabulary, as transformers 4 writes it",
            _slow(added_tokens_decoder={str(index): decoder_entry(token) for index, token in enumerate(TOKENS[:3])}),
            near_miss=True,
        ),
        Example(
            "tokens of the vocabulary beside a tokenizer.json alone, which no slow tokenizer reads",
            with_tokenizer(MODEL) | {ADDED: {"<unk>": 0}},
            near_miss=True,
        ),
        Example(
            "the vocabulary in a vocab.txt",
            {
                "vocab.txt": vocab_txt(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")),
                CONFIG: {"tokenizer_class": "BertTokenizer"},
                ADDED: {"<a>": 5},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            told = set()
            for at, sentence, severity in renumbering(table, ADDED, CONFIG):
                told.add(at.path)
                yield self.finding(at, sentence, severity=severity)
            if join(folder, ADDED) not in told:
                yield from self._refused_before(table, join(folder, ADDED))

    def _refused_before(self, table: TokenTable, path: str) -> Iterator[Finding]:
        """What the slow tokenizers before 4.34 refused: an id that is not the next one."""
        slow = [one for one in table.vocabularies if one.kind in SLOW and not one.path.endswith("tokenizer.json")]
        if not slow:
            return
        following = len(slow[0].ids) + OWN.get(table.class_name, 0)
        stated = [(token.id, token) for token in table.declared if token.at.path == path and token.id is not None]
        for index, token in sorted(stated, key=itemgetter(0)):
            if index != following:
                message = (
                    f"{quote(token.content)} has the id {index}, and slow tokenizers before transformers 4.34 refuse"
                    f" any but {following}: later ones read the file"
                )
                hint = "Take tokens that are in the vocabulary out of the file, or ask for transformers 4.34 or later."
                yield self.finding(token.at, message, severity=Severity.NOTE, hint=hint)
                return
            following += 1
