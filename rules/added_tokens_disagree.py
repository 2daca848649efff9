"""Files disagree about the tokens that were added to the vocabulary.

## What it finds
Added tokens that `added_tokens.json`, `added_tokens_decoder` in `tokenizer_config.json` or `tokenizer.json` declare,
and that the tokenizer has not, or has under another id because it goes by another of these files. One finding for a
file that loses, with some of its tokens. Ids that the tokenizer changes by itself are TOK004.

A note where `added_tokens_decoder` and tokenizer.json say otherwise whether a token without a role is special.

## Why it matters
Measured with transformers 5.23.0. With an `added_tokens_decoder` in tokenizer_config.json nothing else counts: a token
that only `added_tokens.json` has is cut into pieces or unknown, and one that only tokenizer.json has as well, unless
the class is the generic one (4.57.1 keeps it, for any fast class). Without it tokenizer.json wins over
`added_tokens.json`. Nothing is said in any of these cases. Other readers take what they know of: tokenizers,
Transformers.js and text-generation-inference tokenizer.json, converters to GGUF `added_tokens.json` first
(https://github.com/ggml-org/llama.cpp/pull/3585 , https://github.com/microsoft/onnxruntime-extensions/pull/890). A turn
that ends in a token of another id does not end.

## How to put it right
Load the tokenizer, look whether it has the tokens with the ids that the model was trained with, and save it into an
empty folder: `save_pretrained` writes files that agree.
"""

from collections import defaultdict
from collections.abc import Iterator
from posixpath import basename

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SPECIALS,
    added,
    added_specials,
    bpe,
    decoder_entry,
    tokenizer_json,
    with_tokenizer,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import ADDED, CONFIG, FULL
from hfcheck.tokens.table import AddedToken, TokenTable

SHOWN = 3
MODEL = repository(LLAMA, llama_tensors())
DECODER = {str(index): decoder_entry(token) for index, token in enumerate(SPECIALS)}
TWO = [*added_specials(), added("<x>", 14), added("<y>", 15)]
BOTH = {**DECODER, "14": decoder_entry("<x>"), "15": decoder_entry("<y>")}


class AddedTokensDisagree(Rule):
    id = "TOK012"
    name = "added-tokens-disagree"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Load the tokenizer, look at its added tokens, and save it into an empty folder."
    bad = (
        Example(
            "added_tokens.json has a token that added_tokens_decoder has not: it does not count",
            {**with_tokenizer(MODEL, added_tokens_decoder=DECODER), "added_tokens.json": {"<|im_end|>": 14}},
            at=(At("added_tokens.json", "/<|im_end|>"),),
        ),
        Example(
            "tokenizer.json has a token that added_tokens_decoder has not, and the class is not the generic one",
            with_tokenizer(
                MODEL, tokenizer_json(bpe(), TWO), tokenizer_class="LlamaTokenizer", added_tokens_decoder=DECODER
            ),
            at=(At("tokenizer.json", "/added_tokens/3"),),
        ),
        Example(
            "two tokens have changed places",
            {**with_tokenizer(MODEL, tokenizer_json(None, TWO)), "added_tokens.json": {"<x>": 15, "<y>": 14}},
            at=(At("added_tokens.json", "/<x>"),),
        ),
        Example(
            "the same, with an added_tokens_decoder",
            {
                **with_tokenizer(MODEL, tokenizer_json(None, TWO), added_tokens_decoder=BOTH),
                "added_tokens.json": {"<x>": 15, "<y>": 14},
            },
            at=(At("added_tokens.json", "/<x>"),),
        ),
        Example(
            "another id than the vocabulary has",
            {**with_tokenizer(MODEL, added_tokens_decoder=DECODER), "added_tokens.json": {"abc": 14}},
            at=(At("added_tokens.json", "/abc"),),
        ),
        Example(
            "special here and not there: a note",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, TWO),
                added_tokens_decoder={**BOTH, "15": decoder_entry("<y>", special=False)},
            ),
            at=(At("tokenizer_config.json", "/added_tokens_decoder/15"),),
        ),
    )
    good = (
        Example(
            "all the same",
            {
                **with_tokenizer(MODEL, tokenizer_json(None, TWO), added_tokens_decoder=BOTH),
                "added_tokens.json": {"<x>": 14, "<y>": 15},
            },
        ),
        Example("no added_tokens.json and no added_tokens_decoder", with_tokenizer(MODEL), near_miss=True),
        Example(
            "added_tokens.json has a token more, and it counts",
            {**with_tokenizer(MODEL, tokenizer_json(None, TWO[:4])), "added_tokens.json": {"<y>": 15}},
            near_miss=True,
        ),
        Example(
            "added_tokens_decoder lacks tokens of the generic class, which takes them from tokenizer.json",
            with_tokenizer(MODEL, tokenizer_json(None, TWO), added_tokens_decoder=DECODER),
            near_miss=True,
        ),
        Example(
            "other flags about white space around a token",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, TWO),
                added_tokens_decoder={**BOTH, "15": decoder_entry("<y>") | {"lstrip": True}},
            ),
            near_miss=True,
        ),
        Example(
            "tokens of a tokenizer that code of the repository makes",
            {
                **MODEL,
                "tokenizer_config.json": {
                    "auto_map": {"AutoTokenizer": ["tokenization_my.MyTokenizer", None]},
                    "added_tokens_decoder": {"14": decoder_entry("<x>")},
                },
                "added_tokens.json": {"<y>": 15},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            if not table.certain or table.raises is not None:
                continue
            for tokens in _losing(table).values():
                yield self._finding(table, tokens)
            yield from self._flags(table)

    def _finding(self, table: TokenTable, tokens: list[AddedToken]) -> Finding:
        file = basename(tokens[0].at.path)
        named = ", ".join(_told(table, token) for token in tokens[:SHOWN])
        of = "an added token here is not" if len(tokens) == 1 else f"{len(tokens):,} added tokens here are not"
        has_decoder = any(basename(token.at.path) == CONFIG for token in table.declared)
        wins = "added_tokens_decoder in tokenizer_config.json" if has_decoder and file != CONFIG else FULL
        message = f"{of} so in the tokenizer, which goes by {wins} ({named}): readers of {file} feed other ids"
        return self.finding(tokens[0].at, message)

    def _flags(self, table: TokenTable) -> Iterator[Finding]:
        """The note on tokens that are special in one of two files."""
        roles = {role.content for role in (*table.roles, *table.specials.values(), *table.extra)}
        full = {token.content: token for token in table.declared if basename(token.at.path) == FULL}
        differ = [
            token
            for token in table.declared
            if basename(token.at.path) == CONFIG
            and token.content in full
            and full[token.content].special != token.special
            and token.content not in roles
        ]
        if differ:
            named = ", ".join(quote(token.content, 40) for token in differ[:SHOWN])
            of = "a token is" if len(differ) == 1 else f"{len(differ):,} tokens are"
            message = (
                f"{of} special in one of tokenizer_config.json and tokenizer.json ({named}): "
                "transformers goes by the first, and readers of the second keep or drop them in texts otherwise"
            )
            yield self.finding(differ[0].at, message, severity=Severity.NOTE)


def _losing(table: TokenTable) -> dict[str, list[AddedToken]]:
    """The added tokens that are not as their file says, by that file, without those that the tokenizer renumbers."""
    renumbered = {(one.content, one.stated) for one in table.renumbered}
    found: dict[str, list[AddedToken]] = defaultdict(list)
    for token in table.declared:
        if token.id is None or not token.content or (token.content, token.id) in renumbered:
            continue
        if table.id_of(token.content) != token.id:
            found[token.at.path].append(token)
    return dict(sorted(found.items(), key=lambda item: basename(item[0]) != ADDED))


def _told(table: TokenTable, token: AddedToken) -> str:
    loaded = table.id_of(token.content)
    has = "is not there" if loaded is None else f"is {loaded}"
    return f"{quote(token.content, 40)} is {token.id} here, and {has}"
