"""The bytes of one pickle of a file, for a reader other than ours: a slice of the file or of a member of it."""

import zlib
from io import SEEK_END
from typing import IO

from hfcheck.formats import zip_
from hfcheck.formats.invalid import Invalid
from hfcheck.formats.pickle_facts import PickleFacts

MAX_BYTES = 16 * 2**20
"""Of one pickle. A state dict of 100,000 opcodes has one million; more than that are data that it carries along."""

_DEFLATED = 8
_CHUNK = 2**16


class PickleBytesInvalid(Invalid):
    """The bytes cannot be had: there are too many, or they lie in what this module does not unpack."""


def read(stream: IO[bytes], pickle: PickleFacts) -> bytes:
    """The bytes of a pickle, from its first opcode to its STOP, or to the end of its stream where there is none."""
    if pickle.origin is not None:
        return _slice(stream, pickle, _end(stream, pickle, pickle.origin))
    return _inflated(stream, pickle)


def _end(stream: IO[bytes], pickle: PickleFacts, origin: int) -> int:
    """The byte of the file behind a pickle."""
    if pickle.stop is not None:
        return origin + pickle.stop + 1
    size = stream.seek(0, SEEK_END)
    if pickle.member is None:
        return size
    try:
        members = zip_.read(stream).members
    except zip_.ZipInvalid:
        return size
    return next((origin + member.compressed for member in members if member.data_offset == origin), size)


def _slice(stream: IO[bytes], pickle: PickleFacts, end: int) -> bytes:
    begin = (pickle.origin or 0) + pickle.offset
    _check(end - begin, begin)
    stream.seek(begin)
    return stream.read(max(end - begin, 0))


def _inflated(stream: IO[bytes], pickle: PickleFacts) -> bytes:
    """The same of a compressed member of a zip archive."""
    try:
        members = zip_.read(stream).members
    except zip_.ZipInvalid as error:
        raise PickleBytesInvalid(0, "what lies in the file itself or in a zip archive") from error
    found = [m for m in members if m.name == pickle.member and m.method == _DEFLATED and m.data_offset is not None]
    if len(found) != 1:  # deeper inside, or one of several of that name
        raise PickleBytesInvalid(0, "what lies in an archive directly, under a name of its own")
    end = None if pickle.stop is None else pickle.stop + 1
    _check(end or 0, found[0].header_offset)
    stream.seek(found[0].data_offset or 0)
    content = _inflate(stream, found[0].compressed, MAX_BYTES + 1 if end is None else end)
    _check(len(content), found[0].header_offset)
    return content[pickle.offset : end]


def _inflate(stream: IO[bytes], compressed: int, most: int) -> bytes:
    """At most so many bytes of what comes out of the next `compressed` bytes."""
    inflater, content, left = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), compressed
    try:
        while len(content) < most and not inflater.eof:
            chunk = inflater.unconsumed_tail or stream.read(min(_CHUNK, left))
            left -= 0 if inflater.unconsumed_tail else len(chunk)
            if not chunk:
                break
            content += inflater.decompress(chunk, most - len(content))
    except zlib.error as error:
        raise PickleBytesInvalid(stream.tell(), "compressed data that can be unpacked") from error
    return bytes(content)


def _check(length: int, begin: int) -> None:
    if length > MAX_BYTES:
        expected = f"a pickle of at most {MAX_BYTES} bytes, not {length}"
        raise PickleBytesInvalid(begin, expected, budget="opinion.bytes")
