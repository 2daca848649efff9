"""A token in the settings of the tokenizer has a form that no tokenizer is made with.

## What it finds
In `tokenizer_config.json`, or where that counts in `special_tokens_map.json` and `tokenizer.json`: a special token that
is a number, a list, or an object without `"__type": "AddedToken"`; a list of special tokens that is none; an entry of
added tokens that is no object, or whose content or flags are of another type. The first of them, since nothing is read
behind it.

Null is legal, and so is the object without `__type` in `special_tokens_map.json`.

## Why it matters
transformers 5.23.0 makes no tokenizer: `TypeError: Special token bos_token has to be either str or AddedToken but got:
<class 'dict'>`, and for an added token ``Found a <class 'str'> in the saved `added_tokens_decoder` `` or ``'str' object
is not an instance of 'bool'``. None names the file. The objects come out of `special_tokens_map.json`, which
`save_pretrained` of version 4 wrote without the type, when somebody copies one from there. A form that the reader did
not expect stopped others before: https://github.com/ml-explore/mlx-lm/issues/661 .

## How to put it right
Write the token as a string, or give the object `"__type": "AddedToken"`.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import decoder_entry, special_tokens_map, with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule

CONFIG = "tokenizer_config.json"
MODEL = repository(LLAMA, llama_tensors())
UNTYPED = decoder_entry("<s>")
TYPED = {"__type": "AddedToken", **UNTYPED}


class TokenEntryRefused(Rule):
    id = "TOK028"
    name = "token-entry-refused"
    severity = Severity.ERROR
    since = "0.1"
    hint = 'Write the token as a string, or give the object "__type": "AddedToken".'
    bad = (
        Example(
            "an object of special_tokens_map.json in tokenizer_config.json",
            with_tokenizer(MODEL, bos_token=UNTYPED),
            at=(At(CONFIG, "/bos_token"),),
        ),
        Example("an id for a token", with_tokenizer(MODEL, eos_token=2), at=(At(CONFIG, "/eos_token"),)),
        Example("a list", with_tokenizer(MODEL, mask_token=["<s>"]), at=(At(CONFIG, "/mask_token"),)),
        Example(
            "special tokens that are no list",
            with_tokenizer(MODEL, extra_special_tokens="<s>"),
            at=(At(CONFIG, "/extra_special_tokens"),),
        ),
        Example(
            "a flag that is a word",
            with_tokenizer(MODEL, added_tokens_decoder={"1": {**UNTYPED, "special": "yes"}}),
            at=(At(CONFIG, "/added_tokens_decoder/1"),),
        ),
        Example(
            "an added token that is a string",
            with_tokenizer(MODEL, added_tokens_decoder={"1": "<s>"}),
            at=(At(CONFIG, "/added_tokens_decoder/1"),),
        ),
    )
    good = (
        Example("strings", with_tokenizer(MODEL)),
        Example("an object with its type", with_tokenizer(MODEL, bos_token=TYPED), near_miss=True),
        Example("no such token", with_tokenizer(MODEL, bos_token=None, pad_token=None), near_miss=True),
        Example(
            "objects in special_tokens_map.json",
            {**with_tokenizer(MODEL), "special_tokens_map.json": special_tokens_map(bos_token=UNTYPED)},
            near_miss=True,
        ),
        Example("a list of special tokens", with_tokenizer(MODEL, extra_special_tokens=["<s>"]), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            if table.certain and table.raises is not None and table.raises_at is not None:
                yield self.finding(table.raises_at, f"{table.raises}: AutoTokenizer raises TypeError")
