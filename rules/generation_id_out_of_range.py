"""A generation setting speaks of a token that the model does not have.

## What it finds
Ids in `bad_words_ids` and `sequence_bias` for which the model has no row, counted from its embedding and its head in
the weights, and negative ones. In `suppress_tokens` and `begin_suppress_tokens` such an id is a note; -1 there means
nothing. The ids of the beginning, the end and the padding are other rules' business (TOK006).

## Why it matters
`generate` of transformers 5.23 raises at the first call: "The model vocabulary size is 32000, but the following tokens
were being biased: [32001]" (https://github.com/huggingface/transformers/pull/10889). A suppressed token that is not
there is passed over, so that the token that was meant is not suppressed.

## How to put it right
Take the ids from the tokenizer that the model is published with.
"""

from collections.abc import Iterable, Iterator

from hfcheck.example_chats import CHATML, END_ID, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.generation_settings import GENERATION_CONFIG, generates, generation_settings
from hfcheck.rule import Example, Rule

RAISES = ("bad_words_ids", "sequence_bias")
PASSED_OVER = ("suppress_tokens", "begin_suppress_tokens")
HEAD = "lm_head.weight"
SHOWN = 5


def _settings(**fields: object) -> dict[str, object]:
    return {"eos_token_id": END_ID, **fields}


class GenerationIdOutOfRange(Rule):
    id = "GEN003"
    name = "generation-id-out-of-range"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take the ids from the tokenizer that the model is published with."
    bad = (
        Example(
            "a bad word", chat(CHATML, _settings(bad_words_ids=[[3], [4, 16]])),
            at=(At(GENERATION_CONFIG, "/bad_words_ids"),),
        ),
        Example(
            "a bias", chat(CHATML, _settings(sequence_bias=[[[99], -1.0]])),
            at=(At(GENERATION_CONFIG, "/sequence_bias"),),
        ),
        Example(
            "a suppressed token: a note", chat(CHATML, _settings(suppress_tokens=[5, 16])),
            at=(At(GENERATION_CONFIG, "/suppress_tokens"),),
        ),
    )  # fmt: skip
    good = (
        Example("all of them are there", chat(CHATML, _settings(bad_words_ids=[[3], [15]], suppress_tokens=[0]))),
        Example("-1 in a list of suppressed tokens", chat(CHATML, _settings(suppress_tokens=[-1, 4])), near_miss=True),
        Example("empty lists", chat(CHATML, _settings(suppress_tokens=[], begin_suppress_tokens=None)), near_miss=True),
        Example(
            "config.json, where generate does not look",
            chat(CHATML, _settings(), bad_words_ids=[[99]]),
            near_miss=True,
        ),
        Example(
            "the ids of the decoder of another kind of model: a classifier",
            chat(CHATML, _settings(bad_words_ids=[[99]]), architectures=["LlamaForSequenceClassification"]),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        settings, rows = generation_settings(facts), _rows(facts)
        if settings is None or rows is None or not generates(facts):
            return
        for key in (*RAISES, *PASSED_OVER):
            value = settings.get(key)
            ids = [row[0] for row in _rows_of(value)] if key == "sequence_bias" else value
            lowest = 0 if key in RAISES else -1
            outside = [index for index in _ids(ids) if index >= rows or index < lowest]
            if not outside:
                continue
            listed = ", ".join(map(str, outside[:SHOWN])) + (", ..." if len(outside) > SHOWN else "")
            then = "generate raises ValueError" if key in RAISES else "these are passed over"
            severity = None if key in RAISES else Severity.NOTE
            said = f"{key} has {listed}, and the model has {rows} tokens, from 0 on: {then}"
            yield self.finding(settings.at(key), said, severity=severity)


def _rows(facts: Facts) -> int | None:
    """Tokens that the model scores: the rows of its head, where it has one of its own."""
    rows = facts.embeddings.rows
    path = facts.loaded_tensors.get(HEAD)
    head = facts.loaded_headers[path].tensors[HEAD].shape if path is not None else ()
    return max(rows, head[0]) if rows is not None and head else rows


def _rows_of(value: object) -> list[list[object]]:
    return [row for row in value if isinstance(row, list) and row] if isinstance(value, list) else []


def _ids(value: object) -> Iterable[int]:
    """The whole numbers in a list, or in the lists in it."""
    for one in value if isinstance(value, list) else ():
        for index in one if isinstance(one, list) else [one]:
            if type(index) is int:
                yield index
