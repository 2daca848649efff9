"""The embedding has rows that no token of the tokenizer leads to.

## What it finds
A start or end token in the config whose id has a row and no token: a warning. Up to 64 rows behind the last token,
where no padding to a multiple of 8, 16, 32 and so on explains them: a note. One finding for a tokenizer, and none where
it is not certain what `AutoTokenizer` builds.

Padded embeddings are legal and frequent: a multiple of 8, 16, 64 or 128 rows, or hundreds of rows in reserve.

## Why it matters
A tokenizer that was published without the tokens that were added in training cuts `<|im_end|>` into pieces, and decodes
what the model generates in its place to nothing. transformers 5.23.0 says nothing of it: it never compares the two.
Strict converters do, and refuse ("Vocab size mismatch"): https://github.com/OptimalScale/LMFlow/issues/627 ,
https://huggingface.co/NousResearch/Hermes-2-Pro-Mistral-7B/discussions/12 . Whether a token is missing at the end or in
the middle, which shifts all ids behind it, nothing but the right vocabulary can tell:
https://github.com/huggingface/transformers/issues/5777 .

## How to put it right
Save the tokenizer of the training run beside the model. If the rows are not used, nothing needs to be done; for a
converter, add tokens that nobody writes, until there are as many as rows.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import SIZE, added, added_specials, tokenizer_json, with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule
from hfcheck.token_rows import Fed, fed, special_ids

ALIGNED = 8
RESERVE = 64
"""Rows beyond the last token, from which on they are kept in reserve and no lost ones."""

USED = ("eos_token_id", "bos_token_id", "decoder_start_token_id")

MODEL = repository(LLAMA, llama_tensors())
ODD = {
    "config.json": {**LLAMA, "vocab_size": SIZE + 1},
    "model.safetensors": {
        name: (dtype, [SIZE + 1, *shape[1:]] if shape[0] == LLAMA["vocab_size"] else shape)
        for name, (dtype, shape) in llama_tensors().items()
    },
}
"""A model with a row more than there are tokens."""

ROWS = At("model.safetensors", tensor="model.embed_tokens.weight")


class RowsWithoutTokens(Rule):
    id = "TOK005"
    name = "rows-without-tokens"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Save the tokenizer of the training run beside the model, with the tokens that were added there."
    bad = (
        Example("one row more than tokens: a note", with_tokenizer(ODD), at=(ROWS,)),
        Example(
            "a multiple of 8, and more than 8 rows without a token: a note",
            with_tokenizer({"config.json": {**LLAMA, "vocab_size": 24}}),
            at=(At("config.json", "/vocab_size"),),
        ),
        Example(
            "the end token has a row and no token",
            with_tokenizer({**MODEL, "generation_config.json": {"bos_token_id": 1, "eos_token_id": 15}}),
            at=(At("generation_config.json", "/eos_token_id"),),
        ),
        Example(
            "the config alone tells of a row more: a note",
            with_tokenizer({"config.json": {**LLAMA, "vocab_size": SIZE + 1}}),
            at=(At("config.json", "/vocab_size"),),
        ),
    )
    good = (
        Example(
            "a token for each row", with_tokenizer(ODD, tokenizer_json(None, [*added_specials(), added("<a>", SIZE)]))
        ),
        Example("rows padded to a multiple of 8", with_tokenizer(MODEL), near_miss=True),
        Example(
            "rows padded to a multiple of 64",
            with_tokenizer({"config.json": {**LLAMA, "vocab_size": 64}}),
            near_miss=True,
        ),
        Example(
            "rows in reserve",
            with_tokenizer({"config.json": {**LLAMA, "vocab_size": SIZE + 99}}),
            near_miss=True,
        ),
        Example(
            "a padding token that only the config has",
            with_tokenizer({**MODEL, "generation_config.json": {"eos_token_id": 2, "pad_token_id": 15}}),
            near_miss=True,
        ),
        Example(
            "one of several end tokens is known",
            with_tokenizer({**MODEL, "generation_config.json": {"bos_token_id": 1, "eos_token_id": [2, 15]}}),
            near_miss=True,
        ),
        Example("a model without a tokenizer", ODD, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for one in fed(facts):
            ids = special_ids(facts) if one.folder == facts.folder else ()
            named = next((found for found in ids if self._is_lost(one, *found[1:])), None)
            if named is not None:
                at, name, values = named
                row = f"{name} is {values[0]}, within {one.rows}, and no token of the tokenizer has this id"
                yield self.finding(at, f"{row}: in texts it is written and read as something else, or not at all")
            elif finding := self._counted(one):
                yield finding

    @staticmethod
    def _is_lost(one: Fed, name: str, values: list[int]) -> bool:
        rows = one.embedding.rows
        return name in USED and all(0 <= value < rows and one.table.token_of(value) is None for value in values)

    def _counted(self, one: Fed) -> Finding | None:
        rows, ids = one.embedding.rows, one.table.highest + 1
        gap = rows - ids
        if not 0 < gap <= RESERVE or ids == 0 or max(gap, ALIGNED - 1) < rows & -rows:
            return None  # the largest power of two in `rows` is what it may have been padded to
        message = (
            f"the ids of the tokenizer end with {ids - 1}, and no padding explains the {gap} more of {one.rows}:"
            " added tokens were lost, or the vocabulary lacks some"
        )
        return self.finding(one.embedding.at, message, severity=Severity.NOTE)
