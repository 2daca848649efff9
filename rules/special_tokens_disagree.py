"""Two files give different tokens for the same role.

## What it finds
A `bos_token`, `eos_token`, `unk_token`, `sep_token`, `pad_token`, `cls_token` or `mask_token` that
`special_tokens_map.json` and `tokenizer_config.json` give differently, and one that only `special_tokens_map.json`
gives where transformers does not read that file. One finding for a role, at the file that loses. A note where
transformers goes by tokenizer_config.json as everybody does.

A role that is in one of the files alone is no fault where it counts; that transformers 5 writes no
`special_tokens_map.json` is none either. Whether an id in the config of the model fits is TOK022.

## Why it matters
Measured with transformers 5.23.0, and the same with 4.57.1 and 4.44.2: with an `added_tokens_decoder` in
tokenizer_config.json the map is not opened, and a `pad_token` that stands there alone is None, so that padding raises
`Asking to pad but the tokenizer does not have a padding token`. Without it the map wins: who corrects the `eos_token`
in tokenizer_config.json sees nothing change, while programs that read that file alone take the new one.
https://github.com/huggingface/transformers/issues/31099 (one token in the map, another in the tokenizer),
https://github.com/pytorch/executorch/pull/15215 (a reader that goes by the map).

## How to put it right
Decide which token the model was trained with, write it into `tokenizer_config.json`, and delete
`special_tokens_map.json` or make it agree.
"""

from collections.abc import Iterator
from posixpath import basename, join

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SPECIALS,
    decoder_entry,
    special_tokens_map,
    tokenizer_json,
    vocab_txt,
    with_tokenizer,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG, ROLES
from hfcheck.tokens.table import NAMED, Special, TokenTable

MODEL = repository(LLAMA, llama_tensors())
DECODER = {str(index): decoder_entry(token) for index, token in enumerate(SPECIALS)}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b")


class SpecialTokensDisagree(Rule):
    id = "TOK013"
    name = "special-tokens-disagree"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the right token into tokenizer_config.json, and delete special_tokens_map.json or make it agree."
    bad = (
        Example(
            "the map wins, and the token in the config does not count",
            {**with_tokenizer(MODEL), "special_tokens_map.json": special_tokens_map(eos_token="h")},
            at=(At("tokenizer_config.json", "/eos_token"),),
        ),
        Example(
            "the map is not read: a note",
            {
                **with_tokenizer(MODEL, added_tokens_decoder=DECODER),
                "special_tokens_map.json": special_tokens_map(eos_token={"content": "h", "lstrip": False}),
            },
            at=(At("special_tokens_map.json", "/eos_token"),),
        ),
        Example(
            "a padding token that stands only where nobody reads it",
            {
                **with_tokenizer(MODEL, added_tokens_decoder=DECODER),
                "special_tokens_map.json": special_tokens_map(pad_token="h"),
            },
            at=(At("special_tokens_map.json", "/pad_token"),),
        ),
        Example(
            "the same, with a null in the file that counts",
            {
                **with_tokenizer(MODEL, added_tokens_decoder=DECODER, pad_token=None),
                "special_tokens_map.json": special_tokens_map(pad_token="h"),
            },
            at=(At("special_tokens_map.json", "/pad_token"),),
        ),
    )
    good = (
        Example("the same in both", {**with_tokenizer(MODEL), "special_tokens_map.json": special_tokens_map()}),
        Example("no map: transformers 5 writes none", with_tokenizer(MODEL), near_miss=True),
        Example(
            "a role that only the map gives, and that counts",
            {**with_tokenizer(MODEL), "special_tokens_map.json": special_tokens_map(pad_token="h")},
            near_miss=True,
        ),
        Example(
            "a string here, an object with the same content there",
            {
                **with_tokenizer(MODEL, added_tokens_decoder=DECODER),
                "special_tokens_map.json": special_tokens_map(eos_token={"content": "</s>", "lstrip": True}),
            },
            near_miss=True,
        ),
        Example(
            "a role that only the map gives, and that the class has by itself",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(WORDS),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {}},
                "special_tokens_map.json": {"cls_token": "[CLS]", "pad_token": "[PAD]"},
            },
            near_miss=True,
        ),
        Example(
            "padding in tokenizer.json gives the role",
            {
                **with_tokenizer(
                    MODEL,
                    tokenizer_json(padding={
                        "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 13,
                        "pad_type_id": 0, "pad_token": "h",
                    }),
                    added_tokens_decoder=DECODER,
                ),
                "special_tokens_map.json": special_tokens_map(pad_token="h"),
            },
            near_miss=True,
        ),
    )  # fmt: skip

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            given = {
                file: {role.name: role for role in table.roles if role.at is not None and _is_in(role.at, file)}
                for file in (CONFIG, ROLES)
            }
            document = facts.json(join(folder, CONFIG))
            settings = document.value if document is not None and type(document.value) is dict else {}
            for name in NAMED:
                in_map, in_config = given[ROLES].get(name), given[CONFIG].get(name)
                if in_map is None:
                    continue
                if "added_tokens_decoder" in settings:
                    yield from self._not_read(table, in_map, in_config)
                elif in_config is not None and in_config.content != in_map.content and in_config.at is not None:
                    message = (
                        f"{name} is {quote(in_config.content)} here and {quote(in_map.content)} in {ROLES}, which "
                        "transformers takes: other readers take this one"
                    )
                    yield self.finding(in_config.at, message)

    def _not_read(self, table: TokenTable, in_map: Special, in_config: Special | None) -> Iterator[Finding]:
        """A role in a map that transformers does not open."""
        if in_map.at is None:
            return
        if in_config is not None:
            if in_config.content != in_map.content:
                message = (
                    f"{in_map.name} is {quote(in_map.content)} here and {quote(in_config.content)} in {CONFIG}, which "
                    "transformers takes: readers that go by this file take another"
                )
                yield self.finding(in_map.at, message, severity=Severity.NOTE)
        elif table.certain and table.raises is None:
            has = table.specials.get(in_map.name)
            if has is None or has.content != in_map.content:
                found = f"has {quote(has.content)}" if has is not None else "has none"
                message = (
                    f"{in_map.name} is {quote(in_map.content)} here alone, and transformers does not open this file "
                    f"where {CONFIG} has an added_tokens_decoder: the tokenizer {found}"
                )
                yield self.finding(in_map.at, message)


def _is_in(at: At, file: str) -> bool:
    return basename(at.path) == file and (at.pointer or "").count("/") == 1
