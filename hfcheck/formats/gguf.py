"""What the header of a GGUF file says: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md .

What both llama.cpp (ggml/src/gguf.cpp of 2026) and the Python package `gguf` 0.19 refuse in the header is
`GgufInvalid`; data that is cut off and what only one of them refuses are facts. Arrays are skipped, data is never read.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import SEEK_END
from struct import Struct
from typing import IO, Literal, NamedTuple, cast

from hfcheck.finding import quote
from hfcheck.formats.invalid import Invalid

MAX_COUNT = 1_000_000
"""Keys, and tensors."""

MAX_STRING = 16 * 2**20
MAX_STRINGS = 4_000_000
"""Strings in all arrays; the largest vocabularies have 300,000 tokens and as many merges."""

MAX_TOKENS = 1_000_000
"""Tokens of a vocabulary that are kept; of a longer one none is."""

TOKENS, TOKEN_TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"

MAX_HEADER = 2**30
MAX_KEPT = 64 * 2**20
"""Bytes of names and values that are kept in memory."""

MAX_VALUE = 2**20
"""Bytes of a value that is kept: a chat template, of which the longest published has 30 KB."""

MAX_DIMENSIONS = 4
MAX_NAME = 63
"""Bytes of a tensor's name that llama.cpp takes (GGML_MAX_NAME); a fact, `gguf` takes any."""

DEFAULT_ALIGNMENT = 32

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 31: ("Q4_0_4_4", 32, 18), 32: ("Q4_0_4_8", 32, 18),
    33: ("Q4_0_8_8", 32, 18), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 36: ("IQ4_NL_4_4", 32, 18),
    37: ("IQ4_NL_4_8", 32, 18), 38: ("IQ4_NL_8_8", 32, 18), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip
"""`enum ggml_type` of ggml.h: name, elements in a block, bytes of a block (ggml-common.h; Q8_1 is 40 in `gguf`)."""

REMOVED = frozenset({31, 32, 33, 36, 37, 38})
"""Types that llama.cpp has given up, and refuses."""


class Fault(Enum):
    """Why the header cannot be read; the value names what is wrong with the file."""

    NOT_GGUF = "not a GGUF file"
    VERSION = "a version that no current reader takes"
    TRUNCATED = "a header that is cut off"
    COUNTS = "a number that no file of this size can hold"
    ARITHMETIC = "a size that cannot be computed"
    VALUE = "a key or value that the format does not have"
    LIMIT = "a header larger than hfcheck reads"


class GgufInvalid(Invalid):
    """No reader takes this header. `tensor` is the one at fault, where it is one."""

    def __init__(
        self, offset: int, expected: str, fault: Fault, *, tensor: str | None = None, budget: str | None = None
    ) -> None:
        super().__init__(offset, expected, budget=budget)
        self.fault = fault
        self.tensor = tensor


@dataclass(frozen=True, slots=True)
class Array:
    """A value that was skipped: the type of its elements ("str", "u32") and their number."""

    element: str
    count: int


@dataclass(frozen=True, slots=True)
class LongText:
    """A string that was skipped, `length` bytes long."""

    length: int


Value = bool | int | float | str | Array | LongText


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """`shape` with the fastest dimension first, `begin` and `end` in bytes from the start of the file.

    `end` is None for a type that this version of hfcheck does not know.
    """

    type: int
    shape: tuple[int, ...]
    begin: int
    end: int | None

    @property
    def described(self) -> str:
        """How a message writes it: `Q4_K [4096, 32000]`."""
        name = TYPES[self.type][0] if self.type in TYPES else f"type {self.type}"
        return f"{name} {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """A header that is whole.

    `size` is the file's, `expected_size` where its last tensor ends: the file was cut where it is greater. Of a key
    or a tensor that comes twice the first is kept, and every reader refuses the file. `misplaced` are tensors that do
    not begin where the one before them ends, rounded up to the alignment; llama.cpp refuses that.
    """

    version: int
    big_endian: bool
    metadata: dict[str, Value]
    tensors: dict[str, GgufTensor]
    alignment: int
    data_start: int
    size: int
    expected_size: int
    duplicate_keys: tuple[str, ...] = ()
    duplicate_tensors: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    tokens: tuple[str, ...] | None = None
    """`tokenizer.ggml.tokens`; None where there is no such array, or one of more than `MAX_TOKENS`."""
    token_types: bytes | None = None
    """`tokenizer.ggml.token_type`, a byte each: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte."""

    @property
    def cut(self) -> tuple[str, ...]:
        """The tensors that end behind the end of the file, in the order of the header."""
        return tuple(name for name, tensor in self.tensors.items() if (tensor.end or tensor.begin) > self.size)

    @property
    def unknown_types(self) -> tuple[str, ...]:
        """The tensors whose type hfcheck does not know, and whose end it cannot tell."""
        return tuple(name for name, tensor in self.tensors.items() if tensor.end is None)


def read(stream: IO[bytes]) -> GgufFacts:
    """The header of a file; raises GgufInvalid. Reads the header without its long values, never the data."""
    size = stream.seek(0, SEEK_END)
    stream.seek(0)
    if stream.read(4) != b"GGUF":
        raise GgufInvalid(0, "the four bytes GGUF", Fault.NOT_GGUF)
    # Versions are small: of the two orders of bytes the one that leaves the upper half empty is the file's.
    big = stream.read(2) == b"\0\0"
    header = _Header(stream, size, ">" if big else "<", position=4)
    stream.seek(4)
    version = header.number(4)
    if version not in (2, 3):
        raise GgufInvalid(4, f"version 2 or 3, not {version}", Fault.VERSION)
    tensor_count = header.count("tensors", 24)
    key_count = header.count("keys", 13)
    metadata, duplicate_keys = _metadata(header, key_count)
    alignment = _alignment(metadata, header.position)
    infos, duplicate_tensors = _tensor_infos(header, tensor_count)
    # Without tensors there is no data, and nothing to align.
    start = -(-header.position // alignment) * alignment if infos else header.position
    tensors = dict(_placed(infos, start))
    return GgufFacts(
        version,
        big,
        metadata,
        tensors,
        alignment,
        start,
        size,
        max((tensor.end or tensor.begin for tensor in tensors.values()), default=start),
        duplicate_keys,
        duplicate_tensors,
        tuple(_misplaced(tensors, start, alignment)),
        header.tokens,
        header.token_types,
    )


_STRING, _ARRAY, _U64 = 8, 9, 10
_SCALARS = {
    0: ("u8", "B"), 1: ("i8", "b"), 2: ("u16", "H"), 3: ("i16", "h"), 4: ("u32", "I"), 5: ("i32", "i"),
    6: ("f32", "f"), 7: ("bool", "?"), 10: ("u64", "Q"), 11: ("i64", "q"), 12: ("f64", "d"),
}  # fmt: skip
_SCALAR_STRUCTS = {
    mark: {kind: (name, Struct(mark + code)) for kind, (name, code) in _SCALARS.items()} for mark in "<>"
}
_CHUNK = 2**16
_MOST = 2**63 - 1  # llama.cpp counts elements in int64_t


@dataclass(slots=True)
class _Header:
    """The stream at `position`, and how much of it was kept. No number is followed before it was compared."""

    stream: IO[bytes]
    size: int
    mark: Literal["<", ">"]
    position: int = 0
    kept: int = 0
    strings: int = 0
    key: str = ""
    tokens: tuple[str, ...] | None = None
    token_types: bytes | None = None

    def check(self, length: int) -> None:
        """Whether so many bytes are left; raises GgufInvalid."""
        if length > self.size - self.position:
            if length > MAX_HEADER:
                raise GgufInvalid(
                    self.position, f"at most {self.size - self.position} bytes, not {length}", Fault.COUNTS
                )
            raise GgufInvalid(self.size, f"{length} bytes from byte {self.position} on", Fault.TRUNCATED)
        if self.position + length > MAX_HEADER:
            expected = f"a header of at most {MAX_HEADER} bytes"
            raise GgufInvalid(self.position, expected, Fault.LIMIT, budget="gguf.header")

    def take(self, length: int) -> bytes:
        self.check(length)
        data = self.stream.read(length)
        if len(data) != length:  # the file shrank while it was read
            raise GgufInvalid(self.position, f"{length} bytes", Fault.TRUNCATED)
        self.position += length
        return data

    def skip(self, length: int) -> None:
        self.check(length)
        self.position += length
        self.stream.seek(self.position)

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little" if self.mark == "<" else "big")

    def count(self, what: str, least: int) -> int:
        """A number of keys or tensors, each of at least so many bytes."""
        at, count = self.position, self.number(8)
        if count <= MAX_COUNT:
            return count
        if count * least > self.size:
            raise GgufInvalid(at, f"a number of {what} that {self.size} bytes can hold, not {count}", Fault.COUNTS)
        expected = f"at most {MAX_COUNT} {what}, not {count}"
        raise GgufInvalid(at, expected, Fault.LIMIT, budget=f"gguf.{what}")

    def length(self) -> int:
        """The length of a string that can be there."""
        at, length = self.position, self.number(8)
        self.check(length)
        if length > MAX_STRING:
            expected = f"strings of at most {MAX_STRING} bytes, not {length}"
            raise GgufInvalid(at, expected, Fault.LIMIT, budget="gguf.string")
        return length

    def name(self) -> str:
        """A key, or the name of a tensor."""
        at, length = self.position, self.length()
        self.kept += length
        if self.kept > MAX_KEPT:
            raise GgufInvalid(at, f"names of at most {MAX_KEPT} bytes in all", Fault.LIMIT, budget="gguf.names")
        return self.take(length).decode("utf-8", "surrogateescape")

    def value(self) -> Value:
        """The value of a key: its type, and what that type has."""
        at, kind = self.position, self.number(4)
        if scalar := _SCALAR_STRUCTS[self.mark].get(kind):
            (value,) = scalar[1].unpack(self.take(scalar[1].size))
            return cast("bool | int | float", value)
        if kind == _STRING:
            length = self.length()
            if length > MAX_VALUE or self.kept + length > MAX_KEPT:
                self.skip(length)
                return LongText(length)
            self.kept += length
            return self.take(length).decode("utf-8", "surrogateescape")
        if kind == _ARRAY:
            return self.array()
        raise GgufInvalid(at, f"a type of values between 0 and 12, not {kind}", Fault.VALUE)

    def array(self) -> Array:
        """An array, without its elements."""
        at, kind = self.position, self.number(4)
        count = self.number(8)
        if scalar := _SCALAR_STRUCTS[self.mark].get(kind):
            if self.key == TOKEN_TYPES and scalar[0] == "i32" and count <= MAX_TOKENS:
                self.token_types = self.take(4 * count)[0 if self.mark == "<" else 3 :: 4]
            else:
                self.skip(count * scalar[1].size)
            return Array(scalar[0], count)
        if kind != _STRING:
            raise GgufInvalid(at, f"an array of numbers or strings, not of type {kind}", Fault.VALUE)
        self.check(8 * count)
        self.strings += count
        if self.strings > MAX_STRINGS:
            expected = f"at most {MAX_STRINGS} strings in arrays"
            raise GgufInvalid(at, expected, Fault.LIMIT, budget="gguf.strings")
        found: list[str] | None = [] if self.key == TOKENS and self.tokens is None and count <= MAX_TOKENS else None
        self.skip_strings(count, found)
        if found is not None:
            self.tokens = tuple(found)
        return Array("str", count)

    def skip_strings(self, count: int, into: list[str] | None) -> None:
        """Past so many strings, in pieces: a vocabulary is a read for each 64 KiB, and not one for each token.

        Each is put into the list, if there is one, those that are longer than a piece as empty ones.
        """
        unpack = _SCALAR_STRUCTS[self.mark][_U64][1].unpack_from
        piece = _CHUNK
        while count:
            self.check(8)
            data = self.stream.read(min(piece, self.size - self.position))
            at, last = 0, len(data) - 8
            while count and at <= last:
                begin = at + 8
                at = begin + unpack(data, at)[0]
                count -= 1
                if into is not None:
                    into.append(data[begin:at].decode("utf-8", "surrogateescape") if at <= len(data) else "")
            self.skip(at)
            # Of strings longer than a piece only the lengths are read.
            piece = 8 if at > len(data) else _CHUNK


def _metadata(header: _Header, count: int) -> tuple[dict[str, Value], tuple[str, ...]]:
    metadata: dict[str, Value] = {}
    duplicates: list[str] = []
    for _ in range(count):
        key = header.key = header.name()
        value = header.value()
        if key in metadata:
            duplicates.append(key)
        else:
            metadata[key] = value
    return metadata, tuple(duplicates)


def _alignment(metadata: dict[str, Value], end: int) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 0 < alignment < 2**32 or alignment & (alignment - 1):
        raise GgufInvalid(end, "general.alignment to be a power of two", Fault.ARITHMETIC)
    return alignment


class _Info(NamedTuple):
    """A tensor as the header has it: its offset counts from the start of the data, `size` is None if unknown."""

    type: int
    shape: tuple[int, ...]
    offset: int
    size: int | None


def _tensor_infos(header: _Header, count: int) -> tuple[dict[str, _Info], tuple[str, ...]]:
    infos: dict[str, _Info] = {}
    duplicates: list[str] = []
    for _ in range(count):
        at, name = header.position, header.name()
        dimensions = header.number(4)
        if dimensions > MAX_DIMENSIONS:
            raise _wrong(at, name, f"at most {MAX_DIMENSIONS} dimensions, not {dimensions}", Fault.COUNTS)
        layout = Struct(f"{header.mark}{dimensions}QIQ")
        *shape, kind, offset = layout.unpack(header.take(layout.size))
        size = _size(at, name, kind, tuple(shape))
        if offset + (size or 0) > _MOST:
            raise _wrong(at, name, "an offset and a size below 2**63", Fault.ARITHMETIC)
        if name in infos:
            duplicates.append(name)
        else:
            infos[name] = _Info(kind, tuple(shape), offset, size)
    return infos, tuple(duplicates)


def _size(at: int, name: str, kind: int, shape: tuple[int, ...]) -> int | None:
    """Bytes of a tensor, None for an unknown type."""
    elements = math.prod(shape)  # of four numbers at most
    if elements > _MOST or max(shape, default=0) > _MOST:
        raise _wrong(at, name, "fewer than 2**63 elements", Fault.ARITHMETIC)
    if kind not in TYPES:
        return None
    type_name, block, size = TYPES[kind]
    row = shape[0] if shape else 1
    if row % block:
        raise _wrong(at, name, f"rows of a multiple of {block} elements of {type_name}, not {row}", Fault.ARITHMETIC)
    return elements // block * size


def _wrong(at: int, name: str, expected: str, fault: Fault) -> GgufInvalid:
    return GgufInvalid(at, f"{expected} for tensor {quote(name)}", fault, tensor=name)


def _placed(infos: dict[str, _Info], start: int) -> Iterator[tuple[str, GgufTensor]]:
    for name, info in infos.items():
        begin = start + info.offset
        yield name, GgufTensor(info.type, info.shape, begin, None if info.size is None else begin + info.size)


def _misplaced(tensors: dict[str, GgufTensor], start: int, alignment: int) -> Iterator[str]:
    expected: int | None = start
    for name, tensor in tensors.items():
        if expected is not None and tensor.begin != expected:
            yield name
        # Counted from the start of the data, which is a multiple of the alignment.
        expected = None if tensor.end is None else -(-tensor.end // alignment) * alignment
