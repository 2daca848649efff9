"""A model card, README.md, as far as it names the model: its first heading, and the models it was made from."""

import re
from dataclasses import dataclass
from typing import IO

HEAD = 64 * 1024
"""Bytes that are read: both are at the top."""

MAX_NAMES = 20

_HEADING = re.compile(r"^#[ \t]+([^\n]{1,200})$", re.MULTILINE)
_BASE = re.compile(r"^base_model:[ \t]*([^\n]*)\n((?:[ \t]*-[ \t]+[^\n]{1,200}\n){0,20})", re.MULTILINE)
_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)---[ \t]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """`heading` is None where there is none; `bases` are the models that `base_model` names."""

    heading: str | None
    bases: tuple[str, ...]


def read(stream: IO[bytes]) -> CardFacts:
    """What a card says of names; any bytes are one."""
    stream.seek(0)
    text = stream.read(HEAD).decode("utf-8", "replace").replace("\r\n", "\n")
    matter = _MATTER.match(text)
    heading = _HEADING.search(text, matter.end() if matter is not None else 0)
    base = _BASE.search(matter[1]) if matter is not None else None
    named = [base[1], *(line.strip().removeprefix("-") for line in base[2].splitlines())] if base is not None else []
    cleaned = (name.strip().strip("\"'[]") for name in named)
    return CardFacts(heading[1].strip() if heading is not None else None, tuple(filter(None, cleaned))[:MAX_NAMES])
