"""A special token is not marked as special.

## What it finds
Tokens that `tokenizer_config.json` lists as special ones without a role, or that `generation_config.json` ends a text
with, and that the list of added tokens has with `"special": false`. One finding for the list, at the first of them, and
a warning for each token that ends a text.

A note where `tokenizer.json` has the token that begins or ends texts, or pads them, as not special: transformers puts
that right by itself, and other readers do not.

## Why it matters
In transformers 5.23.0 `decode(..., skip_special_tokens=True)`, which is what pipelines and servers call, leaves such a
token in the text: an answer ends in `<|im_end|>`. The list says that it is special (`all_special_ids` has it), and the
flag is what decides. A token with a role (`eos_token`) is made special by transformers; `tokenizers` and what is built
on it (text-generation-inference, Transformers.js) read the flag in `tokenizer.json` and leave `</s>` in the text.
https://github.com/Blaizzy/mlx-vlm/pull/2112 .

## How to put it right
Write `"special": true` at the entry of the token. Tokens that belong into the text, as `<think>` and `<tool_call>` may,
are not special: then take them out of the list of special tokens.
"""

from collections.abc import Iterator
from posixpath import join

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    SPECIALS,
    added,
    added_specials,
    decoder_entry,
    tokenizer_json,
    with_tokenizer,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_settings import Full, fulls, is_known
from hfcheck.tokens.table import AddedToken, TokenTable

PRODUCED = ("bos_token", "eos_token", "sep_token", "cls_token", "pad_token")
"""Roles whose tokens are in what a tokenizer or a model makes: a mask is not (Gemma has it as no special token)."""

MODEL = repository(LLAMA, llama_tensors())
PLAIN = tokenizer_json(None, [*added_specials(), added("<|im_end|>", SIZE, special=False)])
MARKED = tokenizer_json(None, [*added_specials(), added("<|im_end|>", SIZE)])
STOPS = {"eos_token_id": [2, SIZE]}
ENTRY = At("tokenizer.json", f"/added_tokens/{len(SPECIALS)}")


class SpecialTokenNotSpecial(Rule):
    id = "TOK021"
    name = "special-token-not-special"
    severity = Severity.NOTE
    since = "0.1"
    hint = 'Write "special": true at the entry of the token, or take it out of the list of special tokens.'
    bad = (
        Example(
            "a token that ends a text: a warning",
            with_tokenizer(MODEL, PLAIN) | {"generation_config.json": STOPS},
            at=(ENTRY,),
        ),
        Example(
            "in the list of special tokens",
            with_tokenizer(MODEL, PLAIN, additional_special_tokens=["<|im_end|>"]),
            at=(ENTRY,),
        ),
        Example(
            "the end of text, which transformers makes special by itself",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials()[:2], added("</s>", 2, special=False)])),
            at=(At("tokenizer.json", "/added_tokens/2"),),
        ),
    )
    good = (
        Example("marked", with_tokenizer(MODEL, MARKED, additional_special_tokens=["<|im_end|>"])),
        Example(
            "marked, and the end of a text",
            with_tokenizer(MODEL, MARKED) | {"generation_config.json": STOPS},
            near_miss=True,
        ),
        Example(
            "a token that belongs into the text, and ends none",
            with_tokenizer(MODEL, tokenizer_json(None, [*added_specials(), added("<think>", SIZE, special=False)])),
            near_miss=True,
        ),
        Example(
            "tokenizer_config.json has it as special, which counts",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<|im_end|>", SIZE, special=False)]),
                added_tokens_decoder={str(SIZE): decoder_entry("<|im_end|>")},
                additional_special_tokens=["<|im_end|>"],
            ),
            near_miss=True,
        ),
        Example(
            "a mask, which no text is given back with",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<mask>", SIZE, special=False)]),
                mask_token="<mask>",
            ),
            near_miss=True,
        ),
        Example(
            "an end of text that is a token of the vocabulary, and no added one",
            with_tokenizer(MODEL, tokenizer_json(None, added_specials()[:2])),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            if not is_known(table):
                continue
            ends = {token.content: token for index in _ends(facts, folder) if (token := _plain(table, index))}
            for token in ends.values():
                message = (
                    f'{quote(token.content)} ends a text by generation_config.json and has "special": false: '
                    "decoding leaves it in the text"
                )
                yield self.finding(token.at, message, severity=Severity.WARNING)
            # Without a pointer it is a file of pieces that gives the list, and the kind of a piece is no mistake.
            listed = [one for one in table.extra if one.at is not None and one.at.pointer and one.content not in ends]
            plain = [token for one in listed if (token := _plain(table, one.id)) is not None]
            if plain:
                others = f", and {len(plain) - 1} more are like it" if len(plain) > 1 else ""
                message = (
                    f'{quote(plain[0].content)} is in the list of special tokens and has "special": false{others}: '
                    "decoding leaves it in the text"
                )
                yield self.finding(plain[0].at, message)
        for full in fulls(facts):
            yield from self._named(full)

    def _named(self, full: Full) -> Iterator[Finding]:
        roles = {role.content: role.name for role in full.table.specials.values() if role.name in PRODUCED}
        for token in full.table.declared:
            if token.at.path == full.path and token.content in roles and not token.special:
                message = (
                    f'{quote(token.content)} is the {roles[token.content]} and has "special": false: '
                    "transformers marks it by itself, other readers of tokenizer.json leave it in decoded text"
                )
                yield self.finding(token.at, message)


def _plain(table: TokenTable, index: int | None) -> AddedToken | None:
    """The added token with an id, where it is none of the special ones and a file declares it."""
    token = table.added.get(index) if index is not None else None
    return token if token is not None and not token.special and token.at.path else None


def _ends(facts: Facts, folder: str) -> list[int]:
    """The ids at which generation ends."""
    document = facts.json(join(folder, "generation_config.json"))
    found = document.value.get("eos_token_id") if document is not None and type(document.value) is dict else None
    return [index for index in (found if type(found) is list else [found]) if type(index) is int]
