"""The wire format of protocol buffers, as far as a reader of a known message needs it.

https://protobuf.dev/programming-guides/encoding/ . A message is given as the numbers and values of its fields, in their
order; what they mean its reader knows.
"""

from collections.abc import Iterator
from struct import Struct

from hfcheck.formats.invalid import Invalid

MAX_DEPTH = 64
"""Groups within groups: an old form, which readers skip."""

_I64, _I32 = Struct("<Q"), Struct("<f")
_LONGEST = 10
"""Bytes of a number."""

_VARINT, _EIGHT, _BYTES, _GROUP, _GROUP_END, _FOUR = range(6)


Value = int | float | tuple[int, int]
"""A number, or the offsets between which the bytes of a value lie."""


class ProtobufInvalid(Invalid):
    """These bytes are no message."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at an offset, of 64 bits, and where it ends."""
    value = 0
    for index in range(min(_LONGEST, end - at)):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    raise ProtobufInvalid(min(at, len(data)), "a number")


def signed(value: int) -> int:
    """A number as `int32` takes it: negative ones are written with 64 bits."""
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def message(data: bytes, at: int, end: int) -> Iterator[tuple[int, Value]]:  # noqa: C901 - a case for each wire type
    """The fields of the message between two offsets: the offsets of what has a length, and the value of all else."""
    depth: list[int] = []
    while at < end:
        start = at
        tag, at = varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise ProtobufInvalid(start, "the number of a field")
        value: Value | None = None
        if kind == _VARINT:
            value, at = varint(data, at, end)
        elif kind == _BYTES:
            length, at = varint(data, at, end)
            value, at = (at, at + length), at + length
        elif kind in (_EIGHT, _FOUR):
            layout = _I64 if kind == _EIGHT else _I32
            if at + layout.size <= end:
                (value,) = layout.unpack_from(data, at)
            at += layout.size
        elif kind == _GROUP and len(depth) < MAX_DEPTH:
            depth.append(number)
        elif kind != _GROUP_END or not depth or depth.pop() != number:
            raise ProtobufInvalid(start, "a field of a kind that the format has")
        if at > end:
            raise ProtobufInvalid(start, "a field that ends where its message does, or before")
        if value is not None and not depth:
            yield number, value
    if depth:
        raise ProtobufInvalid(min(at, len(data)), "the end of a group")
