"""Compressed streams in chunks of a bounded size, whatever they unpack to: gzip, bzip2, xz, lzma, zlib, LZ4, Zstandard.

A stream may have several frames one behind the other, as the readers of nearly all of these allow. Checksums of gzip
and zlib are not compared: their readers do so after the data were used.
"""

import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, Protocol

from hfcheck.formats.invalid import Invalid

CHUNK = 2**16
"""Bytes that are unpacked at a time."""

FIRST = 2**10
"""Bytes of the first chunk, by which most is told about what follows."""

MAX_MEMORY = 2**27
"""Bytes that a decompressor may look back: xz -9 takes 64 MiB, Zstandard 8 MiB and with --long=27 128."""

_MAX_NAME = 2**16


class CompressedInvalid(Invalid):
    """The stream is damaged at this byte, or ends early; what was unpacked before is right."""


class Missing(Exception):
    """A package that hfcheck works without is needed to unpack this."""


if TYPE_CHECKING:

    class Frame(Protocol):
        """What unpacks one frame of a stream."""

        @property
        def eof(self) -> bool: ...

        @property
        def needs_input(self) -> bool: ...

        @property
        def unused_data(self) -> bytes: ...

        def decompress(self, data: bytes, max_length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress: `frame` unpacks one frame, and each begins with `magic`; without one there is only one.

    Zstandard has no `frame`: its package reads a whole stream.

    `data` gives the first byte of the data of a frame, None where its header is damaged; `tail` bytes follow them.
    """

    name: str
    magic: bytes
    frame: "Callable[[], Frame] | None"
    data: Callable[[IO[bytes], int], int | None]
    tail: int = 0


def chunks(stream: IO[bytes], codec: Codec, begin: int = 0) -> Iterator[bytes]:
    """What a stream unpacks to, from byte `begin` on; raises CompressedInvalid where it is damaged or ends early."""
    if codec.frame is None:
        yield from _zstandard(stream)
        return
    at: int | None = begin
    while at is not None:
        data = codec.data(stream, at)
        if data is None:
            raise CompressedInvalid(at, f"the header of {codec.name}")
        at = yield from _frame(stream, codec, codec.frame(), data)
        if at is not None:
            stream.seek(at)
            at = at if codec.magic and stream.read(len(codec.magic)) == codec.magic else None


def _frame(stream: IO[bytes], codec: Codec, frame: "Frame", at: int) -> Generator[bytes, None, int]:
    """The chunks of one frame; returns the byte behind it."""
    size = FIRST
    while not frame.eof:
        data = b""
        if frame.needs_input:
            stream.seek(at)
            data = stream.read(4 * size)
            if not data:
                raise CompressedInvalid(at, f"the rest of {codec.name}, and the stream ends")
            at += len(data)
        try:
            chunk = frame.decompress(data, size)
        except Exception as error:  # each library has its own, and all mean the same
            raise CompressedInvalid(max(at - len(data), 0), f"{codec.name} that can be unpacked") from error
        if chunk:
            yield chunk
            size = CHUNK
    return at - len(frame.unused_data or b"") + codec.tail


def _zstandard(stream: IO[bytes]) -> Iterator[bytes]:
    """The reader of this package alone limits what comes out of it."""
    with optional():
        package = import_module("zstandard")
    stream.seek(0)
    unpacker = package.ZstdDecompressor(max_window_size=MAX_MEMORY)
    reader = unpacker.stream_reader(stream, read_across_frames=True, closefd=False)
    while True:
        try:
            chunk = reader.read(CHUNK)
        except package.ZstdError as error:
            raise CompressedInvalid(stream.tell(), "a Zstandard stream that can be unpacked") from error
        if not chunk:
            return
        yield chunk


@contextmanager
def optional() -> Iterator[None]:
    """Around the import of a package of the extra `archives`."""
    try:
        yield
    except ImportError as error:
        raise Missing(str(error.name)) from error


class _Deflate:
    """Deflate without a header, behind the interface of the other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail or data, max_length)


def _bz2() -> "Frame":
    frame: Frame = import_module("bz2").BZ2Decompressor()
    return frame


def _xz() -> "Frame":
    lzma = import_module("lzma")
    frame: Frame = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MAX_MEMORY)
    return frame


def _lzma() -> "Frame":
    lzma = import_module("lzma")
    frame: Frame = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=MAX_MEMORY)
    return frame


def _lz4() -> "Frame":
    with optional():
        frame: Frame = import_module("lz4.frame").LZ4FrameDecompressor()
    return frame


def _here(_stream: IO[bytes], at: int) -> int:
    return at


def _behind_zlib(stream: IO[bytes], at: int) -> int | None:
    """The data behind the header (RFC 1950)."""
    stream.seek(at)
    head = stream.read(2)
    right = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    return at + 2 if right and not head[1] & 0x20 else None


def _behind_gzip(stream: IO[bytes], at: int) -> int | None:
    """The data behind the header (RFC 1952)."""
    stream.seek(at)
    head = stream.read(10)
    if len(head) < 10 or not head.startswith(b"\x1f\x8b\x08"):
        return None
    flags, at = head[3], at + 10
    if flags & 4:
        at += 2 + int.from_bytes(stream.read(2), "little")
    for bit in (8, 16):
        if flags & bit:
            stream.seek(at)
            end = stream.read(_MAX_NAME).find(b"\0")
            if end < 0:
                return None
            at += end + 1
    return at + 2 if flags & 2 else at


GZIP = Codec("a gzip stream", b"\x1f\x8b\x08", _Deflate, _behind_gzip, tail=8)
BZIP2 = Codec("a bzip2 stream", b"BZh", _bz2, _here)
XZ = Codec("an xz stream", b"\xfd7zXZ\x00", _xz, _here)
LZMA = Codec("an lzma stream", b"", _lzma, _here)
ZLIB = Codec("a zlib stream", b"", _Deflate, _behind_zlib)
DEFLATE = Codec("a deflated member", b"", _Deflate, _here)
LZ4 = Codec("an LZ4 stream", b"\x04\x22\x4d\x18", _lz4, _here)
ZSTD = Codec("a Zstandard stream", b"\x28\xb5\x2f\xfd", None, _here)
