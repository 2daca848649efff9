"""The records at the end of a zip archive, as torch's miniz and Python's `zipfile` each find them."""

from dataclasses import dataclass, replace
from enum import Enum
from io import SEEK_END
from struct import Struct
from typing import IO

from hfcheck.formats.invalid import Invalid
from hfcheck.formats.zip_kinds import Differences, Kind

LOCAL = b"PK\x03\x04"
"""How an archive begins, and each of its members."""

EMPTY = b"PK\x05\x06"
"""How an archive without members begins: its end record."""


class Fault(Enum):
    """Why no reader finds the members; the value completes the sentence "it is"."""

    NOT_ZIP = "no zip archive"
    TRUNCATED = "a zip archive that was cut off, or one with more than 64 KiB of other bytes behind it"
    DIRECTORY = "a zip archive with a damaged directory"
    LIMIT = "a zip archive larger than hfcheck reads"


class ZipInvalid(Invalid):
    """Neither torch nor `zipfile` lists members of this file; `fault` says what it looks like."""

    def __init__(self, offset: int, expected: str, fault: Fault, *, budget: str | None = None) -> None:
        super().__init__(offset, expected, budget=budget)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class End:
    """The end of central directory record, with the zip64 numbers where the reader takes them.

    `offset` is the place of the record itself, `records` that of the first of the records at the end. `start` and
    `size` are the directory's, in bytes, `count` its entries, `here` those on this disk, whose number is `disk`.
    """

    offset: int
    records: int
    disk: int
    directory_disk: int
    here: int
    count: int
    size: int
    start: int
    comment: int
    zip64: bool = False


def find_ends(stream: IO[bytes], differences: Differences) -> tuple[End, End]:
    """The end record as torch and as `zipfile` reads it: the last with 22 bytes left; raises ZipInvalid."""
    size = stream.seek(0, SEEK_END)
    start = min(_torch_search_start(size), max(size - _RANGE, 0))
    window = read_at(stream, start, _RANGE + _BLOCK)
    place = window.rfind(EMPTY, 0, max(len(window) - _END.size + len(EMPTY), 0))
    if place < 0:
        if read_at(stream, 0, 4) != LOCAL:
            raise ZipInvalid(0, "the local header or the end record of a zip archive", Fault.NOT_ZIP)
        raise ZipInvalid(size, "an end of central directory record in the last 64 KiB", Fault.TRUNCATED)
    at = start + place
    narrow = End(at, at, *_END.unpack_from(window, place))
    torch, zipfile = _widened(stream, narrow, size, differences)
    if (torch.disk, torch.directory_disk) not in {(0, 0), (1, 1)} or torch.here != torch.count:
        detail = f"the end record counts {torch.here} of {torch.count} entries on disk {torch.disk}"
        differences.add(Kind.DISKS, at, detail)
    _check_place(torch, window, start, size, differences)
    return torch, zipfile


def read_at(stream: IO[bytes], offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset` on; fewer where the file ends."""
    stream.seek(offset)
    return stream.read(length)


_END = Struct("<4x4H2IH")
_RANGE = 2**16 + _END.size  # zipfile's
_BLOCK = 4096
_WIDE_END = Struct("<4xQ4x2I4Q")
_WIDE_END_MAGIC = b"PK\x06\x06"
_LOCATOR = Struct("<4xIQI")
_LOCATOR_MAGIC = b"PK\x06\x07"
_CONTIGUOUS = _LOCATOR.size + _WIDE_END.size


def _torch_search_start(size: int) -> int:
    """Where miniz's search ends: it goes back in blocks that overlap by 3 bytes, to 64 KiB and a little more.

    A step that would lead before the start of the file makes its unsigned number wrap, and the search fails: what
    stands in the first bytes of a short file is not found.
    """
    start = max(size - _BLOCK, 0)
    while start >= _BLOCK - 3 and size - start < 0xFFFF + _END.size:
        start -= _BLOCK - 3
    return start


def _check_place(end: End, window: bytes, start: int, size: int, differences: Differences) -> None:
    """Whether all readers find this end record, and no other."""
    at, place = end.offset, end.offset - start
    behind = size - at - _END.size
    if behind != end.comment:
        detail = f"{behind} bytes follow the end record, which announces {end.comment}"
        differences.add(Kind.TRAILING, at, detail)
    if at < _torch_search_start(size):
        differences.add(Kind.END_MISSED, at, f"the end record stands {behind + _END.size} bytes before the end")
    if at < size - _RANGE:
        differences.add(Kind.END_FAR, at, f"the end record stands {behind + _END.size} bytes before the end")
    # Between the directory and it are the zip64 records and nothing else: an earlier one is that of a comment's owner.
    listed = max(end.start + end.size, start) - start
    others = (window.find(EMPTY, listed, place), window.find(EMPTY, place + len(EMPTY)))
    for other in others:
        if other >= 0:
            differences.add(Kind.SECOND_END, start + other, f"an end record stands here and one at byte {at}")


def _widened(stream: IO[bytes], narrow: End, size: int, differences: Differences) -> tuple[End, End]:
    """The end record with the zip64 numbers of torch and those of `zipfile`; each without where it finds none."""
    if narrow.offset < _CONTIGUOUS:
        return narrow, narrow
    place = narrow.offset - _LOCATOR.size
    locator = read_at(stream, place, _LOCATOR.size)
    if not locator.startswith(_LOCATOR_MAGIC):
        return narrow, narrow
    disk, offset, disks = _LOCATOR.unpack(locator)
    before = narrow.offset - _CONTIGUOUS
    if disks != 1:
        differences.add(Kind.DISKS, place, f"the zip64 locator counts {disks} disks")
    if offset != before or disk:  # torch does not look at the disk, zipfile refuses
        detail = f"the zip64 locator points at byte {offset} of disk {disk}, not at byte {before} of disk 0"
        differences.add(Kind.ZIP64_END, place, detail)
    torch = _widen(stream, narrow, offset, size, differences)
    zipfile = torch if offset == before else _widen(stream, narrow, before, size, differences)
    return torch, zipfile


def _widen(stream: IO[bytes], narrow: End, place: int, size: int, differences: Differences) -> End:
    record = read_at(stream, place, _WIDE_END.size) if place <= size - _WIDE_END.size else b""
    if not record.startswith(_WIDE_END_MAGIC):
        detail = f"the zip64 locator is there and no zip64 end record at byte {place}"
        differences.add(Kind.ZIP64_END, narrow.offset - _LOCATOR.size, detail)
        return narrow
    length, disk, directory_disk, here, count, directory, start = _WIDE_END.unpack(record)
    if length < _WIDE_END.size - 12:
        differences.add(Kind.ZIP64_END, place, f"the zip64 end record says that it is {length} bytes long")
    for small, wide, most in (
        (narrow.count, count, 0xFFFF),
        (narrow.size, directory, 0xFFFFFFFF),
        (narrow.start, start, 0xFFFFFFFF),
    ):
        if small not in (wide, most):
            detail = f"the zip64 end record says {wide} where the end record says {small}"
            differences.add(Kind.ZIP64_END, narrow.offset, detail)
    return replace(
        narrow,
        records=narrow.offset - _CONTIGUOUS,
        disk=disk,
        directory_disk=directory_disk,
        here=here,
        count=count,
        size=directory,
        start=start,
        zip64=True,
    )
