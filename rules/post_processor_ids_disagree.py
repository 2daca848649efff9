"""What the tokenizer puts around each text is not what its post-processor names.

## What it finds
In the `post_processor` of a `tokenizer.json`, where the class of the tokenizer uses it: an id that is not that of the
token named with it, which is an error where the embedding has no row for it; and, as errors, a template with a token
that its `special_tokens` do not have, and a template without a place for the text. One finding for each place.

## Why it matters
tokenizers 0.23.3 inserts the id as it is written, and the token beside it is a label that nothing compares: with an id
that was right for another vocabulary every text of transformers 5.23.0 begins with another token than the model was
trained with, and with an id past the embedding each is `IndexError`. A template whose token is not in `special_tokens`
ends the first text with `PanicException: no entry found for key`, which `except Exception` does not catch; one without
`{"Sequence": {"id": "A"}}` leaves the text out, so that every text has the same ids.
https://github.com/haotian-liu/LLaVA/issues/69 .

Classes with a post-processor of their own (BertTokenizer, RobertaTokenizer, T5Tokenizer and some forty others) do not
look at the one in the file.

## How to put it right
Write the id of the token in this vocabulary, or save the tokenizer again from the class that made it.
"""

from collections.abc import Iterator
from typing import Any

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import bpe, tokenizer_json, with_tokenizer, word_piece
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_rows import fed
from hfcheck.token_settings import OWN_POST_PROCESSOR, Full, fulls

MODEL = repository(LLAMA, llama_tensors())
BEGIN = "<s>"
MOST = 1000
"""Processors within processors, and pieces of a template, that are looked at."""


def _template(index: int, token: str = BEGIN, **fields: object) -> dict[str, Any]:
    first = {"SpecialToken": {"id": token, "type_id": 0}}
    text, other = ({"Sequence": {"id": name, "type_id": kind}} for kind, name in enumerate("AB"))
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, other],
        "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]}},
        **fields,
    }


def _with(post_processor: object) -> dict[str, Any]:
    return with_tokenizer(MODEL, tokenizer_json(post_processor=post_processor))


IDS = At("tokenizer.json", "/post_processor/special_tokens/<s>/ids/0")


class PostProcessorIdsDisagree(Rule):
    id = "TOK025"
    name = "post-processor-ids-disagree"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the id that the token has in this vocabulary, or save the tokenizer again."
    bad = (
        Example("another id", _with(_template(5)), at=(IDS,)),
        Example("an id without a row: an error", _with(_template(16)), at=(IDS,)),
        Example(
            "a token that the tokenizer has not",
            _with(_template(5, "[CLS]")),
            at=(At("tokenizer.json", "/post_processor/special_tokens/[CLS]/ids/0"),),
        ),
        Example(
            "the second of two processors",
            _with(
                {
                    "type": "Sequence",
                    "processors": [
                        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                        {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
                    ],
                }
            ),
            at=(At("tokenizer.json", "/post_processor/processors/1/cls"),),
        ),
        Example(
            "a token that its special_tokens do not have: an error",
            _with(_template(1, special_tokens={})),
            at=(At("tokenizer.json", "/post_processor/single/0"),),
        ),
        Example(
            "a template without the text: an error",
            _with(_template(1, single=[{"SpecialToken": {"id": "<s>", "type_id": 0}}])),
            at=(At("tokenizer.json", "/post_processor/single"),),
        ),
    )
    good = (
        Example("the same ids", _with(_template(1))),
        Example("no post-processor", _with(None), near_miss=True),
        Example(
            "one that adds no tokens",
            _with({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),
            near_miss=True,
        ),
        Example(
            "a template that has nothing but the text",
            _with(_template(1, single=[{"Sequence": {"id": "A", "type_id": 0}}])),
            near_miss=True,
        ),
        Example(
            "a class that has a post-processor of its own",
            with_tokenizer(
                MODEL, tokenizer_json(word_piece(), post_processor=_template(5)), tokenizer_class="BertTokenizer"
            ),
            near_miss=True,
        ),
        Example(
            "a template for pairs that has no pair",
            _with(_template(1, pair=[{"Sequence": {"id": "A", "type_id": 0}}])),
            near_miss=True,
        ),
        Example("a model of bytes", with_tokenizer(MODEL, tokenizer_json(bpe())), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        rows = {one.folder: one.embedding.rows for one in fed(facts)}
        for full in fulls(facts):
            if full.table.class_name not in OWN_POST_PROCESSOR:
                yield from self._ids(full, rows.get(full.folder))
                yield from self._templates(full)

    def _ids(self, full: Full, rows: int | None) -> Iterator[Finding]:
        for special in full.table.post_processor:
            index, own = special.id, full.table.id_of(special.content)
            if index is None or special.at is None or index == own:
                continue  # an id of a token that has no row either is a finding of TOK001
            has = "which the tokenizer has not" if own is None else f"which has the id {own}"
            message = f"the post-processor inserts the id {index} for {quote(special.content)}, {has}"
            if rows is not None and index >= rows:
                message += f": the embedding has {rows} rows, and each text raises IndexError"
                yield self.finding(special.at, message, severity=Severity.ERROR)
                continue
            other = full.table.token_of(index)
            as_other = quote(other) if other is not None else "no token at all"
            yield self.finding(special.at, f"{message}: the model gets {as_other} with each text")

    def _templates(self, full: Full) -> Iterator[Finding]:
        pending: list[tuple[Any, tuple[str | int, ...]]] = [(full.document.get("post_processor"), ("post_processor",))]
        for value, keys in pending:
            if type(value) is not dict:
                continue
            nested = value.get("processors")
            inner = (nested if type(nested) is list else [])[: max(MOST - len(pending), 0)]
            pending.extend((child, (*keys, "processors", index)) for index, child in enumerate(inner))
            single, known = value.get("single"), value.get("special_tokens")
            if value.get("type") == "TemplateProcessing" and type(single) is list and type(known) is dict:
                yield from self._template(full, single, known, keys)

    def _template(
        self, full: Full, single: list[Any], known: dict[str, Any], keys: tuple[str | int, ...]
    ) -> Iterator[Finding]:
        has_text = False
        for index, piece in enumerate(single[:MOST]):
            has_text |= type(piece) is dict and "Sequence" in piece
            special = piece.get("SpecialToken") if type(piece) is dict else None
            name = special.get("id") if type(special) is dict else None
            if isinstance(name, str) and name not in known:
                place = At(full.path, pointer(*keys, "single", index))
                message = f"the template has {quote(name)}, which its special_tokens do not have: each text panics"
                hint = "Add the token with its id to special_tokens, or take it out of the template."
                yield self.finding(place, message, hint=hint, severity=Severity.ERROR)
        if not has_text and len(single) <= MOST:
            message = "the template for one text has no place for the text: each text gets the same ids"
            hint = 'Add {"Sequence": {"id": "A", "type_id": 0}} where the text belongs.'
            yield self.finding(At(full.path, pointer(*keys, "single")), message, hint=hint, severity=Severity.ERROR)
