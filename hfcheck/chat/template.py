"""What a chat template says about itself, from its syntax tree."""

import re
from dataclasses import dataclass
from functools import lru_cache

from hfcheck.chat.ending import Ending
from hfcheck.chat.parse import TemplateFault, parse

_MARK = re.compile(
    r"<\|[^|<>\s]{1,64}\|>|<\uff5c[^\uff5c<>\s]{1,64}\uff5c>|</?[A-Za-z][A-Za-z0-9_]{0,40}>|\[/?[A-Z][A-Z0-9_]{0,40}\]"
    r"|<<?/?[A-Z]{1,40}>>?"
)


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """`endings` is what can follow the content of a plain answer of the assistant until the end of its turn.

    An ending is a sequence of texts and variables; a text that is not known is a null character. `marks` are literals
    of the template that look like special tokens, `needs` the variables that it reads and does not set. `limit` is the
    limit of ours that the endings were given up for.
    """

    endings: frozenset[Ending]
    marks: frozenset[str]
    needs: frozenset[str]
    limit: str | None = None


@lru_cache(maxsize=8)
def analysed(text: str) -> ChatTemplate | TemplateFault:
    """What a template says, or why there is no tree of it."""
    try:
        tree = parse(text)
    except TemplateFault as fault:
        return fault
    from hfcheck.chat.endings import endings  # noqa: PLC0415 - with jinja2, only where there is a template
    from hfcheck.chat.names import names  # noqa: PLC0415

    try:
        found = names(tree)
    except TemplateFault as fault:
        return fault
    marks = frozenset(mark for literal in found.literals for mark in _MARK.findall(literal))
    try:
        return ChatTemplate(endings(tree, found), marks, found.needed)
    except TemplateFault as fault:
        return ChatTemplate(frozenset(), marks, found.needed, fault.budget)
