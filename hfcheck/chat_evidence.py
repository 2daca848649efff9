"""What tells that a model was trained for conversations, beside a chat template: its names and its stop tokens."""

import re
from collections.abc import Iterator
from posixpath import basename

from hfcheck.facts import Facts
from hfcheck.finding import quote
from hfcheck.formats.card import CardFacts
from hfcheck.generation_settings import generation_settings
from hfcheck.tokens.table import TokenTable

TURN_ENDS = frozenset({
    "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|end_of_turn|>", "<|eot|>", "<|END_OF_TURN_TOKEN|>",
    "<|return|>", "[|endofturn|]", "<|endofturn|>", "<|end_of_role|>", "<turn|>", "<|eom_id|>",
})  # fmt: skip
"""Tokens with which published models end a turn, and never a text."""

_NAME = re.compile(r"(?:^|[-_. ])(?:instruct|chat)(?:[-_. ]|$)|(?:[-_. ])(?:it|sft|dpo|rlhf)$", re.IGNORECASE)


def chat_evidence(facts: Facts, table: TokenTable) -> str | None:
    """The strongest sign, as a phrase: "its name is ..."; None for a model that nothing calls one for conversations."""
    settings, eos = generation_settings(facts), table.specials.get("eos_token")
    if eos is not None and eos.content in TURN_ENDS:
        return f"its eos_token {quote(eos.content)} ends turns"
    stops = [table.token_of(index) for index in (settings.stops if settings is not None else None) or ()]
    if stops and all(token in TURN_ENDS for token in stops):
        return f"generation stops at {quote(str(stops[0]))}, which ends turns"
    return next((f"{where} is {quote(name)}" for where, name in _named(facts) if _NAME.search(basename(name))), None)


def _named(facts: Facts) -> Iterator[tuple[str, str]]:
    card = facts.of(facts.inside("README.md"), CardFacts)
    if card is not None and card.heading is not None:
        yield "its model card", card.heading
    path = (facts.config or {}).get("_name_or_path")
    if isinstance(path, str):
        yield "the model it was made from", path.rstrip("/")
    for base in card.bases if card is not None else ():
        yield "the model it was made from", base
