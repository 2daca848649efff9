"""What the program that reads says of a file, each word of it checked before it is believed."""

from collections.abc import Mapping
from typing import Any

from hfcheck.formats.torch_dtypes import SIZES
from hfcheck.placement.rehearsed import FileRead, NonFinite, Promise, Word
from hfcheck.rehearsal.selection import Sheet

ALIGNED = 16
"""By less than so many bytes the program moves what it reads."""

WORDS = ("NaN", "inf", "-inf")


class Malformed(ValueError):
    """An answer that is not what the program writes."""


class Account:
    """What was heard of one file so far, each word of it checked."""

    def __init__(self, sheet: Sheet, *, is_scanned: bool) -> None:
        self.position = 0
        self._sheet, self._is_scanned = sheet, is_scanned
        self._scanned = 0
        self._non_finite: list[NonFinite] = []
        self._zero: list[str] = []

    def add(self, answer: Mapping[str, Any]) -> int:
        """Take an answer; gives the place of the bytes in the buffer. Raises Malformed."""
        position, shift = answer.get("at", answer.get("done")), answer.get("shift", 0)
        if not _is_within(position, self.position, self._sheet.entry.size + 1) or not _is_within(shift, 0, ALIGNED):
            raise Malformed
        self.position = position
        try:
            self._scanned = int(answer["scanned"])
            self._zero += [self._sheet.stretches[number].name for number in answer["zero"]]
            self._non_finite += [self._of(*found) for found in answer["found"]]
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise Malformed from error
        return int(shift)

    def _of(self, number: int, nan: int, inf: int, negative_inf: int, word: Word, first: int) -> NonFinite:  # noqa: PLR0913, PLR0917 - in the order of the answer
        stretch = self._sheet.stretches[number]
        size = SIZES[stretch.dtype]
        elements = (stretch.end - stretch.begin) // size
        if word not in WORDS or not all(_is_within(count, 0, 2 * elements + 1) for count in (nan, inf, negative_inf)):
            raise Malformed
        if not _is_within(first, 0, stretch.end - stretch.begin):
            raise Malformed
        return NonFinite(
            stretch.name, elements, nan, inf, negative_inf, word, first // size, offset=stretch.begin + first
        )

    def closed(self, failed: str, digest: str | None, promise: Promise | None) -> FileRead:
        entry, unscanned = self._sheet.entry, self._sheet.unscanned
        if not self._is_scanned and self._sheet.stretches and not failed:
            unscanned = (*unscanned, ("neither numpy nor a little-endian machine is here", len(self._sheet.stretches)))
        return FileRead(
            entry.path,
            entry.size,
            read=self.position,
            failed=failed,
            sha256=digest,
            promised=promise,
            scanned=self._scanned,
            non_finite=tuple(self._non_finite),
            zero=tuple(self._zero),
            unscanned=unscanned,
        )


def _is_within(value: object, least: int, end: int) -> bool:
    return type(value) is int and least <= value < end
