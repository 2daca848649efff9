"""A value of a pickle as a line of text that looks like Python: bounded whatever it is made of, and printable.

What a stream builds may share its parts until it unfolds into more than any machine holds, or contain itself. No more
of it is looked at than is shown.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from hfcheck.finding import shorten, visible
from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, Opaque, Persistent, Set, Value

LENGTH = 160
"""Characters of a call in a message."""

STRING = 60
"""Characters of one string in it."""

NAME = 100
"""Characters of the name of something that is imported."""

DEPTH = 6
"""Brackets inside one another."""

ITEMS = 6
"""Members of one list, or arguments of one call."""

MAX_BITS = 128
"""Of an integer that is written out: Python refuses to write one of more than 4300 digits."""

CUT = "..."

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class _Part:
    """A value that is still to be written, and how many brackets it stands in."""

    __slots__ = ("depth", "value")

    def __init__(self, value: Value, depth: int) -> None:
        self.value = value
        self.depth = depth


_Piece = str | _Part


def rendered(value: Value, limit: int = LENGTH) -> str:
    """The value in at most `limit` characters, more or less."""
    written: list[str] = []
    length = 0
    pending: list[_Piece] = [_Part(value, 0)]
    while pending:
        piece = pending.pop()
        if isinstance(piece, _Part):
            pending.extend(reversed(_opened(piece)))
            continue
        written.append(piece)
        length += len(piece)
        if length > limit:
            # One closing bracket alone would not be worth the three dots.
            return "".join(written)[: max(limit - len(CUT), 0)] + CUT
    return "".join(written)


def dotted(module: str | None, name: str | None) -> str:
    """`os.system`, and in quotes and escapes whatever is no such name: `o` may be a letter of another alphabet."""
    full = ".".join("<computed>" if part is None else part for part in (module, name))
    if _PLAIN.fullmatch(full):
        return shorten(full, NAME)
    if module is None or name is None:
        return ".".join("<computed>" if part is None else dotted_part(part) for part in (module, name))
    return _quoted(full, NAME)


def dotted_part(name: str) -> str:
    """A module or a name alone, in the same way."""
    return shorten(name, NAME) if _PLAIN.fullmatch(name) else _quoted(name, NAME)


def listed(names: Iterable[str], shown: int = 4) -> str:
    """`a, b, c and 5 more`, of names that are printable already."""
    found = list(names)
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return ", ".join(found[:shown]) + more


def _quoted(text: str, limit: int) -> str:
    """In double quotes. What is not ASCII is escaped as well: these strings are names, paths and commands."""
    # The cut comes first, or a string of 64 KiB would be escaped as a whole to show 60 characters of it.
    short = _ascii(shorten(text, limit)).replace('"', '\\"')
    return f'"{shorten(short, 2 * limit)}"'


def _ascii(text: str) -> str:
    return visible(text).encode("ascii", "backslashreplace").decode()


def _opened(part: _Part) -> list[_Piece]:
    """A value as text and smaller values."""
    value, depth = part.value, part.depth
    atom = _atom(value)
    if atom is not None:
        return [atom]
    if depth >= DEPTH:
        return [CUT]
    if isinstance(value, Call):
        return [_Part(value.callee, depth + 1), "(", *_arguments(value, depth), ")"]
    if isinstance(value, Persistent):
        return ["persistent_load(", _Part(value.id, depth + 1), ")"]
    if isinstance(value, Dict):
        return ["{", *_members(_entries(value, depth), len(value.flat) // 2), "}"]
    before, after = _brackets(value)
    elements = value.elements if isinstance(value, Set) else value
    comma = [","] if type(value) is tuple and len(value) == 1 else []
    return [before, *_members(([_Part(element, depth + 1)] for element in elements), len(elements)), *comma, after]


def _atom(value: Value) -> str | None:
    """A value without parts as text; None for one that has any."""
    if isinstance(value, str):
        return _quoted(value, STRING)
    if isinstance(value, bytes | bytearray):
        return "b" + _escaped(value)
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= MAX_BITS else f"<an integer of {value.bit_length()} bits>"
    if isinstance(value, Global):
        return dotted(value.module, value.name)
    if isinstance(value, Bulk):
        return f"<{value.kind.__name__} of {value.length} bytes>"
    if isinstance(value, Opaque):
        return f"<{_ascii(shorten(value.why, STRING))}>"
    return None if isinstance(value, Call | Persistent | Dict | Set | list | tuple) else f"<{type(value).__name__}>"


def _escaped(data: bytes | bytearray) -> str:
    text = repr(bytes(data[:STRING]))[1:]
    return text if len(data) <= STRING else f"{text}{CUT}({len(data)} bytes)"


def _brackets(value: Value) -> tuple[str, str]:
    if isinstance(value, Set):
        return ("frozenset({", "})") if value.frozen else ("{", "}")
    return ("(", ")") if isinstance(value, tuple) else ("[", "]")


def _arguments(call: Call, depth: int) -> Iterator[_Piece]:
    args, kwargs = call.args, call.kwargs
    if isinstance(args, list | tuple):
        yield from _members(([_Part(argument, depth + 1)] for argument in args), len(args))
    else:
        yield from ("*", _Part(args, depth + 1))
    if kwargs is not None and not (isinstance(kwargs, Dict) and not kwargs.flat):
        yield from (", " if args else "", "**", _Part(kwargs, depth + 1))


def _entries(value: Dict, depth: int) -> Iterator[list[_Piece]]:
    for key, member in value.pairs():
        yield [_Part(key, depth + 1), ": ", _Part(member, depth + 1)]


def _members(members: Iterable[list[_Piece]], count: int) -> Iterator[_Piece]:
    for number, member in enumerate(islice(members, ITEMS)):
        yield from ([", "] if number else [])
        yield from member
    if count > ITEMS:
        yield f", {CUT}({count} in all)"
