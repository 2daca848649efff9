"""The tokens with which the chat template of a tokenizer ends a turn of the assistant."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hfcheck.chat.ending import Ending
from hfcheck.chat.template import ChatTemplate, analysed
from hfcheck.tokens.table import Template, TokenTable

MAX_TOKENS = 20_000
"""Added tokens that are looked for in a template; the most that are published is some thousands."""


_MARK = re.compile(
    r"<\|[^|<>\s]{1,64}\|>|<\uff5c[^\uff5c<>\s]{1,64}\uff5c>|</s>|<eos>|<end_of_turn>|<end_of_utterance>|<turn\|>"
)
"""What is meant as the token at the end of a turn, whether it is one or not."""


@dataclass(frozen=True, slots=True)
class TurnEnds:
    """`ids` has the tokens with their ids, the one first that generation has to stop at."""

    template: Template
    ids: dict[str, int]
    broken: str | None = None
    """What is meant as such a token in every ending, and is none: the tokenizer cuts it into pieces."""


def used(table: TokenTable) -> Template | None:
    """The template that `apply_chat_template` takes where nobody names one."""
    own = [template for template in table.templates if template.name == "default"]
    return own[0] if own else None


def turn_ends(table: TokenTable) -> TurnEnds | None:
    """The tokens that end a turn; None where the tokenizer has no template, or its outcome is not known."""
    template = used(table)
    if template is None or not table.certain or table.raises is not None or len(table.added) > MAX_TOKENS:
        return None
    found = analysed(template.text)
    if not isinstance(found, ChatTemplate):
        return None
    tokens = _tokens(table)
    places: dict[str, list[int]] = {}
    for ending in found.endings:
        for place, content in enumerate(dict.fromkeys(_in(ending, table, tokens))):
            places.setdefault(content, []).append(place)
    eos = table.specials.get("eos_token")

    def rank(content: str) -> tuple[int, bool, int, str]:
        return min(places[content]), eos is None or content != eos.content, -len(places[content]), content

    ranked = sorted(places, key=rank)
    ids = {content: index for content in ranked if (index := table.id_of(content)) is not None}
    return TurnEnds(template, ids, _broken(found.endings, table) if not ids else None)


def _tokens(table: TokenTable) -> Mapping[str, list[str]]:
    """The added tokens by their first character, the longest first. One of white space is layout, and ends nothing."""
    contents = {token.content for token in table.added.values()}
    contents |= {special.content for special in table.specials.values() if special.id is not None}
    found: dict[str, list[str]] = {}
    for content in sorted(contents, key=len, reverse=True):
        if content.strip():
            found.setdefault(content[0], []).append(content)
    return found


def _in(ending: Ending, table: TokenTable, tokens: Mapping[str, list[str]]) -> Iterator[str]:
    """The tokens in an ending, from left to right."""
    for piece in _pieces(ending, table):
        start = 0
        while start < len(piece):
            found = next((one for one in tokens.get(piece[start], ()) if piece.startswith(one, start)), None)
            if found is not None:
                yield found
            start += len(found or " ")


def _broken(endings: Iterable[Ending], table: TokenTable) -> str | None:
    """The first mark in each of the endings, if they all have the same one and it is no token."""
    marks: set[str | None] = set()
    for ending in endings:
        found = _MARK.search("\0".join(_pieces(ending, table)))
        marks.add(found[0] if found is not None else None)
    mark = marks.pop() if len(marks) == 1 else None
    return mark if mark is not None and table.id_of(mark) is None else None


def _pieces(ending: Ending, table: TokenTable) -> Iterable[str]:
    """The texts of an ending, with the values of the variables; what is side by side is one text."""
    text = ""
    for piece in ending:
        if isinstance(piece, str):
            text += piece
        else:
            special = table.specials.get(piece.name)
            text += special.content if special is not None else ""
    return text.split("\0")
