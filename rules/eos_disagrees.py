"""Generation stops at none of the tokens that the tokenizer calls the end.

## What it finds
Models that write text, whose `eos_token_id` for `generate`, that of generation_config.json or of config.json where that
file is absent, does not have the id of the tokenizer's `eos_token`, and no token either with which the chat template
ends a turn. A list that has one of them passes. What GEN001 says is not said again.

## Why it matters
`generate` of transformers 5.23 stops at `eos_token_id` alone. Text that was made with this tokenizer for training ends
with its `eos_token`, which does not stop the model then: after conversions of checkpoints, one of the two was wrong
(https://github.com/huggingface/transformers/issues/22239).

## How to put it right
Set `eos_token_id` in generation_config.json and in config.json to the id of the token that the model was trained to end
with; it may be a list.
"""

from collections.abc import Iterator

from hfcheck.example_chats import CHATML, END, END_ID, EOS_ID, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.generation_settings import GENERATION_CONFIG, generates_text, generation_settings
from hfcheck.rule import Example, Rule
from hfcheck.turn_ends import turn_ends


class EosDisagrees(Rule):
    id = "GEN004"
    name = "eos-disagrees"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Set eos_token_id in generation_config.json to the id of the token that the model was trained to end with."
    bad = (
        Example(
            "another id in generation_config.json",
            chat(None, {"eos_token_id": 1}),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
        Example(
            "a list without it", chat(None, {"eos_token_id": [0, 1]}), at=(At(GENERATION_CONFIG, "/eos_token_id"),)
        ),
        Example(
            "no generation_config.json, and another id in config.json",
            chat(None, eos_token_id=1),
            at=(At("config.json", "/eos_token_id"),),
        ),
        Example(
            "a translator that stops at the beginning",
            chat(None, {"eos_token_id": 1}, architectures=["T5ForConditionalGeneration"]),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
        Example(
            "a template whose turns end with text",
            chat("{% for m in messages %}{{ m.content }}.{% endfor %}", {"eos_token_id": 1}),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
    )
    good = (
        Example("the same", chat(None, {"eos_token_id": EOS_ID})),
        Example("one of a list", chat(None, {"eos_token_id": [1, EOS_ID]}), near_miss=True),
        Example(
            "the end of a turn is another token, and that is the stop",
            chat(CHATML, {"eos_token_id": END_ID}),
            near_miss=True,
        ),
        Example("GEN001 says it", chat(CHATML, {"eos_token_id": EOS_ID}, eos=END), near_miss=True),
        Example(
            "config.json has another id, which nothing reads",
            chat(None, {"eos_token_id": EOS_ID}, eos_token_id=1),
            near_miss=True,
        ),
        Example(
            "a decoder of sounds, whose ids are no tokens of the tokenizer",
            chat(None, {"eos_token_id": 1}, architectures=["MusicgenForConditionalGeneration"]),
            near_miss=True,
        ),
        Example(
            "a classifier, which does not write",
            chat(None, eos_token_id=1, architectures=["LlamaForSequenceClassification"]),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        table, settings = facts.tokens, generation_settings(facts)
        if table is None or not table.certain or table.raises is not None or settings is None:
            return
        stops, eos = settings.stops, table.specials.get("eos_token")
        if not generates_text(facts) or not stops or eos is None or eos.id is None or eos.id in stops:
            return
        if all(table.token_of(index) is None for index in stops):
            return  # TOK005 and TOK006 speak of ids that no token has
        ends = turn_ends(table)
        if (ends is not None and ends.ids) or settings.get("stop_strings"):
            return
        named = ((index, table.token_of(index)) for index in sorted(stops)[:5])
        listed = ", ".join(f"{index} ({quote(token)})" if token is not None else str(index) for index, token in named)
        more = ", ..." if len(stops) > 5 else ""  # noqa: PLR2004
        said = f"generate of transformers stops only at {listed}{more}, and the tokenizer's eos_token"
        yield self.finding(settings.at("eos_token_id"), f"{said} is {quote(eos.content)} (id {eos.id})")
