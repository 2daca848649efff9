"""A zip archive without a directory that anybody could follow, read from its front: local header, data, and so on.

torch and `zipfile` refuse it; what is in it is looked at all the same, as far as a reader of streams would come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from hfcheck.formats.parts import Part
from hfcheck.formats.zip_directory import zip64_values
from hfcheck.formats.zip_end import LOCAL

MAX_MEMBERS = 10_000
MAX_SEARCH = 64 * 2**20
"""Bytes in which the end of a member is looked for, where its header does not say how long it is."""

_HEADER = Struct("<4xHHH4xIIIHH")
_SIGNATURES = (b"PK\x07\x08", LOCAL, b"PK\x01\x02")
_STEP = 2**20
_WIDE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Found:
    """A member by its local header: `packed` are its data, or where its length is not known, at least these."""

    name: str
    method: int
    flags: int
    packed: Part


def walk(part: Part) -> Iterator[Found]:
    """The members from the front on, as long as one follows the other."""
    at = 0
    for _ in range(MAX_MEMBERS):
        head = part.at(at, _HEADER.size)
        if not head.startswith(LOCAL) or len(head) < _HEADER.size:
            return
        _, flags, method, _, compressed, uncompressed, name_length, extra_length = _HEADER.unpack_from(head)
        begin = at + 30 + name_length + extra_length
        name = part.at(at + 30, name_length).decode("utf-8", "surrogateescape")
        if _WIDE in (compressed, uncompressed):
            extra = part.at(at + 30 + name_length, extra_length)
            wide = zip64_values(extra, (compressed == _WIDE) + (uncompressed == _WIDE))
            compressed = wide[-1] if wide else 0
        known = compressed or not flags & 8
        end = begin + compressed if known else _search(part, begin)
        yield Found(name, method, flags, part.piece(begin, end - begin, name))
        at = end if known else _next(part, end)


def _next(part: Part, at: int) -> int:
    """The header behind a data descriptor, with or without its signature and wide sizes."""
    return next((at + gap for gap in (0, 12, 16, 20, 24) if part.at(at + gap, 4) == LOCAL), part.size)


def _search(part: Part, begin: int) -> int:
    """The first byte from `begin` on at which something of the archive itself begins."""
    at = begin
    while at < min(part.size, begin + MAX_SEARCH):
        block = part.at(at, _STEP + 3)
        found = [place for sign in _SIGNATURES if (place := block.find(sign)) >= 0]
        if found:
            return at + min(found)
        at += _STEP
    return part.size
