"""A tar archive as Python's `tarfile` reads it, which wants a checksum that is right and no "ustar".

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html , Lib/tarfile.py of CPython 3.13. The data of
members are never read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from typing import IO

from hfcheck.formats.invalid import Invalid

BLOCK = 512
MAX_MEMBERS = 100_000
MAX_NAME = 2**16
"""Bytes of a name, or of the records in front of a member, that are read."""

_LONG_NAME, _LONG_LINK, _GLOBAL, _RECORDS, _SPARSE = b"L", b"K", b"g", b"xX", b"S"
_FILES = b"\x000" + b"7" + _SPARSE
_LINKS = b"12"
_DEVICES = b"346"
_RECORD = re.compile(rb"([0-9]{1,20}) ([^=]+)=")


class TarInvalid(Invalid):
    """There is no header at the start."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member: a file by the place of its data, or a link with what it says; `odd`: a link or a device."""

    name: str
    offset: int
    size: int
    link: str | None = None
    device: bool = False


@dataclass(frozen=True, slots=True)
class TarFacts:
    """The members in the order of the archive. `end` is the first byte that was not understood, or the end.

    `whole`: the archive ends with a block of zeros, as it should, or with the file. `limited`: there are more members
    than hfcheck lists.
    """

    members: tuple[Member, ...]
    end: int
    whole: bool
    limited: bool = False


def read(stream: IO[bytes]) -> TarFacts:
    """The members of an archive; raises TarInvalid."""
    size = stream.seek(0, SEEK_END)
    stream.seek(0)
    if not is_header(stream.read(BLOCK)):
        raise TarInvalid(0, "the header of a tar archive")
    walk = _Walk(stream, size)
    members = tuple(walk.members())
    return TarFacts(members, min(walk.at, size), walk.whole, walk.limited)


def is_header(block: bytes) -> bool:
    """Whether a block is the header of a member: its checksum says so, with signed or unsigned bytes."""
    if len(block) < BLOCK or block[148:156].count(0) == 8:
        return False
    given = _number(block[148:156])
    if given is None or not given:
        return False
    rest = block[:148] + block[156:BLOCK]
    unsigned = 256 + sum(rest)
    return given == unsigned or given == unsigned - 256 * sum(byte > 127 for byte in rest)


class _Walk:
    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream = stream
        self.size = size
        self.at = 0
        self.whole = False
        self.limited = False

    def members(self) -> Iterator[Member]:
        """The members; headers that name the next member are taken along to it."""
        named: dict[str, str] = {}
        general: dict[str, str] = {}
        count = 0
        while self.at < self.size:
            header = self._bytes(self.at, BLOCK)
            if header.count(0) == len(header):
                self.whole = True
                return
            if not is_header(header):
                return
            count += 1
            if count > MAX_MEMBERS:
                self.limited = True
                return
            size, kind, data = _number(header[124:136]) or 0, header[156:157], self.at + BLOCK
            size = max(size, 0)
            if kind in (_LONG_NAME, _LONG_LINK):
                named["path" if kind == _LONG_NAME else "linkpath"] = _text(self._bytes(data, min(size, MAX_NAME)))
                self.at = data + _padded(size)
                continue
            if kind in _RECORDS or kind == _GLOBAL:
                records = _records(self._bytes(data, min(size, MAX_NAME)))
                (general if kind == _GLOBAL else named).update(records)
                self.at = data + _padded(size)
                continue
            yield self._member(header, kind, size, {**general, **named})
            named = {}
        self.whole = self.at >= self.size

    def _member(self, header: bytes, kind: bytes, size: int, named: dict[str, str]) -> Member:
        data, first = self.at + BLOCK, header
        if kind == _SPARSE:
            while header[482 if data == self.at + BLOCK else 504] and data < self.size:  # further maps of holes
                header = self._bytes(data, BLOCK).ljust(BLOCK, b"\0")
                data += BLOCK
        if (given := named.get("size", "")).isdecimal() and given.isascii() and len(given) < 20:
            size = int(given)
        name = named.get("GNU.sparse.name") or named.get("path") or _name(first)
        # Before there were types, a folder was a name that ends so.
        has_data = kind not in _LINKS + _DEVICES + b"5" and not (kind == b"\0" and name.endswith("/"))
        self.at = data + (_padded(size) if has_data else 0)
        link = named.get("linkpath") or _text(header[157:257]) if kind in _LINKS else None
        return Member(name, data, size if has_data else 0, link, kind in _DEVICES)

    def _bytes(self, at: int, length: int) -> bytes:
        if not 0 <= at < self.size:
            return b""
        self.stream.seek(at)
        return self.stream.read(length)


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:262] == b"ustar" and header[257:265] != b"ustar  \0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _number(field: bytes) -> int | None:
    """A number in octal digits, or in base 256 behind a first byte of 0x80 or 0xff, as GNU tar writes large ones."""
    if field[:1] in (b"\x80", b"\xff"):
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == 0x80 else value - 256 ** (len(field) - 1)
    text = field.split(b"\0", 1)[0].strip()
    if not text:
        return 0
    return int(text, 8) if re.fullmatch(rb"[0-7]+", text) else None


def _records(data: bytes) -> dict[str, str]:
    """The records `length key=value` of an extended header, as far as they make sense."""
    found: dict[str, str] = {}
    at = 0
    while (match := _RECORD.match(data, at)) is not None:
        length = int(match[1])
        if not match.end() - at <= length <= len(data) - at:
            break
        value = data[match.end() : at + length - 1]
        found[match[2].decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += length
    return found
