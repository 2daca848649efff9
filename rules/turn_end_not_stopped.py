"""The chat template ends a turn with a token at which generation does not stop.

## What it finds
Models that write text, whose chat template ends a turn of the assistant with one token or another, none of which is
among the ids at which `generate` stops: the `eos_token_id` of generation_config.json, or of config.json where that file
is absent. The template is read and never rendered: what may follow the content of an answer is taken from its syntax
tree. Where a single stop id ends a turn, nothing is said, and so where a turn ends with text. An end like
`<|eot_id|>` that is no token of the tokenizer is found at the template.

## Why it matters
`generate` of transformers 5.23 stops at those ids alone, whatever the tokenizer's `eos_token` is: the model ends its
turn, goes on with the next one, and stops at the limit of tokens. vLLM and text-generation-inference take the
tokenizer's `eos_token` too, so that the same files stop here and not there
(https://github.com/vllm-project/vllm/issues/4180, https://github.com/QwenLM/Qwen3/issues/927).

## How to put it right
Add the id of the token to `eos_token_id` in generation_config.json, which may be a list.
"""

from collections.abc import Iterator

from hfcheck.example_chats import CHATML, END, END_ID, EOS_ID, START_ID, WITH_EOS, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.generation_settings import GENERATION_CONFIG, generates, generation_settings
from hfcheck.rule import Example, Rule
from hfcheck.tokens.table import TokenTable
from hfcheck.turn_ends import TurnEnds, turn_ends

SHOWN = 6


class TurnEndNotStopped(Rule):
    id = "GEN001"
    name = "turn-end-not-stopped"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Add the id of the token to eos_token_id in generation_config.json, which may be a list."
    bad = (
        Example(
            "the turn ends with <|im_end|>, generation at </s>",
            chat(CHATML, {"eos_token_id": EOS_ID}),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
        Example(
            "the tokenizer says so, and generation_config.json does not",
            chat(CHATML, {"bos_token_id": 1, "eos_token_id": [EOS_ID]}, eos=END),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
        Example(
            "config.json knows the end, and generation_config.json, which counts, has none",
            chat(CHATML, {"bos_token_id": 1}, eos_token_id=END_ID),
            at=(At(GENERATION_CONFIG),),
        ),
        Example(
            "no generation_config.json, and another end in config.json",
            chat(CHATML, eos=END),
            at=(At("config.json", "/eos_token_id"),),
        ),
        Example(
            "the end of the text config",
            chat(CHATML, eos=END, eos_token_id=None, text_config={"eos_token_id": EOS_ID}),
            at=(At("config.json", "/text_config/eos_token_id"),),
        ),
        Example(
            "what the template ends a turn with is no token",
            chat(CHATML.replace(END, "<|eot_id|>"), {"eos_token_id": EOS_ID}),
            at=(At("tokenizer_config.json", "/chat_template"),),
        ),
        Example(
            "a template that ends turns with eos_token, and another stop",
            chat(WITH_EOS, {"eos_token_id": 1}),
            at=(At(GENERATION_CONFIG, "/eos_token_id"),),
        ),
    )
    good = (
        Example("the end of a turn is the stop", chat(CHATML, {"eos_token_id": END_ID}, eos=END)),
        Example(
            "the end of the tokenizer is another, and the list has both",
            chat(CHATML, {"eos_token_id": [EOS_ID, END_ID]}),
            near_miss=True,
        ),
        Example(
            "config.json has another end, which nothing reads", chat(CHATML, {"eos_token_id": END_ID}), near_miss=True
        ),
        Example("turns that end with text", chat(CHATML.replace(END, "."), {"eos_token_id": EOS_ID}), near_miss=True),
        Example(
            "an embedding model with the template of its base",
            {
                **chat(CHATML, {"eos_token_id": EOS_ID}),
                "modules.json": [
                    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
                ],
            },
            near_miss=True,
        ),
        Example(
            "a classifier with the template of its base",
            chat(CHATML, {"eos_token_id": EOS_ID}, architectures=["LlamaForSequenceClassification"]),
            near_miss=True,
        ),
        Example(
            "a mark that is no token, and the end token behind it",
            chat(CHATML.replace("<|im_end|>", "<|eot|></s>"), {"eos_token_id": EOS_ID}),
            near_miss=True,
        ),
        Example(
            "the end of the prompt is another token",
            chat(
                CHATML + "{% if add_generation_prompt %}<|im_start|>{% endif %}", {"eos_token_id": [START_ID, END_ID]}
            ),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        table, settings = facts.tokens, generation_settings(facts)
        if table is None or settings is None or not table.templates or not generates(facts):
            return
        stops = settings.stops
        if stops is None or settings.get("stop_strings"):
            return
        ends = turn_ends(table)
        if ends is None:
            return
        if ends.broken is not None:
            said = f"the chat template ends a turn with {quote(ends.broken)}, which is no token of this tokenizer"
            remedy = f"Add {quote(ends.broken)} to the tokenizer that the model was trained with."
            yield self.finding(ends.template.at, f"{said}: nothing stops at the pieces it is cut into", hint=remedy)
        if ends.ids and not stops & set(ends.ids.values()) and not _said_elsewhere(facts, table, stops):
            hint = None
            if len(stops) < SHOWN:
                ids = sorted({*stops, next(iter(ends.ids.values()))})
                hint = f'Set "eos_token_id": {ids if stops else ids[0]} in {GENERATION_CONFIG}.'
            yield self.finding(settings.at("eos_token_id"), _sentence(ends, stops, table), hint=hint)


def _sentence(ends: TurnEnds, stops: frozenset[int], table: TokenTable) -> str:
    content, index = next(iter(ends.ids.items()))
    said = f"the chat template ends a turn with {quote(content)} (id {index})"
    if stops:
        listed = ", ".join(_named(table.token_of(stop), stop) for stop in sorted(stops)[:SHOWN])
        said += f", and generate of transformers stops only at {listed}{', ...' if len(stops) > SHOWN else ''}"
    else:
        said += ", and there is no eos_token_id, so that generate of transformers never stops"
    eos = table.specials.get("eos_token")
    if eos is not None and eos.id in ends.ids.values():
        said += "; engines that take the tokenizer's eos_token as well do stop"
    return said


def _said_elsewhere(facts: Facts, table: TokenTable, stops: frozenset[int]) -> bool:
    """Whether TOK005 or TOK006 speak of the stops: ids without a token, or without a row."""
    rows = facts.embeddings.rows
    nowhere = (table.token_of(index) is None or (rows is not None and not 0 <= index < rows) for index in stops)
    return bool(stops) and all(nowhere)


def _named(token: str | None, index: int) -> str:
    return f"{index} ({quote(token)})" if token is not None else str(index)
