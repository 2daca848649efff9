"""The bytes of a stream in windows: a run of bytes that nobody needs is skipped, and never read."""

from io import SEEK_END
from typing import IO

WINDOW = 2**18
"""Bytes that are read at once: between two windows the limits of the machine are looked at."""

MAX_LINE = 16 * 2**20
"""Bytes of an argument that goes on to the end of its line."""

_STEP = 2**16


class Source:
    """A part of a file, from byte `begin` up to `end`, as a stream whose first byte is 0.

    It may be put together of pieces of the file, `(begin, end)` in bytes of the file, one behind the other.
    """

    __slots__ = ("_pieces", "_starts", "_stream", "size")

    def __init__(self, stream: IO[bytes], begin: int = 0, end: int | None = None) -> None:
        last = stream.seek(0, SEEK_END)
        stop = last if end is None else min(end, last)
        self._set(stream, ((begin, max(stop, begin)),))

    def _set(self, stream: IO[bytes], pieces: tuple[tuple[int, int], ...]) -> None:
        self._stream = stream
        self._pieces = pieces
        starts, size = [], 0
        for begin, end in pieces:
            starts.append(size)
            size += end - begin
        self._starts = tuple(starts)
        self.size = size
        """Bytes in all."""

    def without(self, begin: int, end: int) -> "Source":
        """The same stream without the bytes from `begin` up to `end`."""
        kept: list[tuple[int, int]] = []
        for start, (first, last) in zip(self._starts, self._pieces, strict=True):
            kept += [
                (first + max(low, 0), min(first + high, last))
                for low, high in ((0, begin - start), (end - start, last - first))
                if max(low, 0) < min(high, last - first)
            ]
        return self._of(kept)

    def part(self, begin: int, length: int) -> "Source":
        """The bytes from `begin` on, `length` of them, as a stream of their own."""
        return self.without(begin + length, self.size).without(0, begin)

    def _of(self, pieces: list[tuple[int, int]]) -> "Source":
        other = Source.__new__(Source)
        other._set(self._stream, tuple(pieces))  # noqa: SLF001 - of the same class
        return other

    def offset(self, at: int) -> int:
        """The byte of the file that is byte `at` of the stream, or would be if the stream went on."""
        for start, (begin, end) in zip(self._starts, self._pieces, strict=True):
            if at < start + end - begin:
                return begin + at - start
        begin, end = self._pieces[-1] if self._pieces else (0, 0)
        return end + at - self.size

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at` on; fewer where the stream ends."""
        parts: list[bytes] = []
        for start, (begin, end) in zip(self._starts, self._pieces, strict=True):
            skipped = at - start
            if 0 <= skipped < end - begin and length > 0:
                self._stream.seek(begin + skipped)
                part = self._stream.read(min(length, end - begin - skipped))
                parts.append(part)
                at, length = at + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def line(self, at: int) -> tuple[bytes, bool]:
        """The bytes up to the next newline, without it, and whether there is one: else up to the end, or MAX_LINE."""
        parts: list[bytes] = []
        length = 0
        while length < MAX_LINE:
            part = self.read(at + length, _STEP)
            found = part.find(b"\n")
            if found >= 0:
                parts.append(part[:found])
                return b"".join(parts), True
            if not part:
                break
            parts.append(part)
            length += len(part)
        return b"".join(parts), False
