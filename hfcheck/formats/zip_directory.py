"""The central directory of a zip archive, found and walked as torch's miniz and Python's `zipfile` each do it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import SEEK_END
from struct import Struct
from typing import IO, NamedTuple

from hfcheck.formats.invalid import Invalid
from hfcheck.formats.zip_kinds import Differences, Kind

MAX_DIRECTORY = 64 * 2**20
MAX_MEMBERS = 1_000_000
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
    """What the end of central directory record says, with its zip64 extension where there is one.

    `offset` is the place of the record itself, `records` that of the first of the records at the end. `start` and
    `size` are the directory's, in bytes, `count` its entries, `disk` the number of this disk.
    """

    offset: int
    records: int
    count: int
    size: int
    start: int
    disk: int
    comment: int
    zip64: bool


class Entry(NamedTuple):
    """One entry of the directory. `at` is its place in the file, `header_offset` that of the local header.

    `common` are the 22 bytes, from the flags to the length of the name, that a local header repeats. A tuple: a
    million frozen dataclasses take two seconds more.
    """

    at: int
    name: bytes
    common: bytes
    needed: int
    flags: int
    method: int
    crc: int
    compressed: int
    uncompressed: int
    disk: int
    external: int
    header_offset: int
    extra: bytes


def find_end(stream: IO[bytes], differences: Differences) -> End:
    """The end record that torch or `zipfile` takes, the last one with 22 bytes left; raises ZipInvalid."""
    size = stream.seek(0, SEEK_END)
    start = max(size - _END_RANGE, 0)
    torch_start = _torch_search_start(size)
    window = read_at(stream, min(start, torch_start), _END_RANGE + _BLOCK)
    start = min(start, torch_start)
    place = window.rfind(EMPTY, 0, max(len(window) - _END.size + len(EMPTY), 0))
    if place < 0:
        if read_at(stream, 0, 4) != LOCAL:
            raise ZipInvalid(0, "the local header or the end record of a zip archive", Fault.NOT_ZIP)
        raise ZipInvalid(size, "an end of central directory record in the last 64 KiB", Fault.TRUNCATED)
    at = start + place
    disk, directory_disk, here, count, length, offset, comment = _END.unpack_from(window, place)
    end = End(at, at, count, length, offset, disk, comment, zip64=False)
    wide = _zip64(stream, end, size, differences)
    if wide:
        end, here, directory_disk = wide
    if (end.disk, directory_disk) not in {(0, 0), (1, 1)} or here != end.count:
        differences.add(Kind.DISKS, at, f"the end record counts {here} of {end.count} entries on disk {end.disk}")
    _check_place(end, window, start, size, differences)
    return end


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
    if at < size - _END_RANGE:
        differences.add(Kind.END_FAR, at, f"the end record stands {behind + _END.size} bytes before the end")
    # Between the directory and it are the zip64 records and nothing else: an earlier one is that of a comment's owner.
    listed = max(end.start + end.size, start) - start
    others = (window.find(EMPTY, listed, place), window.find(EMPTY, place + len(EMPTY)))
    for other in others:
        if other >= 0:
            differences.add(Kind.SECOND_END, start + other, f"an end record stands here and one at byte {at}")


def find_directories(stream: IO[bytes], end: End, differences: Differences) -> tuple[tuple[int, int], ...]:
    """Place of each directory that some reader takes, torch's first, and what its offsets have to be shifted by.

    torch goes to the offset that is given; `zipfile` goes back from the end record by the size of the directory, and
    counts all offsets from where the archive must then have begun. Raises ZipInvalid where neither finds an entry.
    """
    size = stream.seek(0, SEEK_END)
    if end.size > size:
        raise ZipInvalid(end.offset, f"a central directory that fits into {size} bytes", Fault.DIRECTORY)
    if end.size > MAX_DIRECTORY:
        expected = f"a directory of at most {MAX_DIRECTORY} bytes, not {end.size}"
        raise ZipInvalid(end.offset, expected, Fault.LIMIT, budget="zip.directory")
    inferred = end.records - end.size
    given = _is_directory(stream, end.start, end, size)
    before_end = _is_directory(stream, inferred, end, size)
    if not given and not before_end:
        raise ZipInvalid(min(end.start, size), "the first entry of the central directory", Fault.DIRECTORY)
    if end.start == inferred:
        return ((end.start, 0),)
    shift = inferred - end.start
    if given and before_end:
        detail = f"one directory stands at byte {end.start}, another at byte {inferred}"
        differences.add(Kind.TWO_DIRECTORIES, end.start, detail)
        return ((end.start, 0), (inferred, shift))
    if given:
        detail = f"{shift} bytes stand between the directory and the end record"
        differences.add(Kind.DIRECTORY_PLACE, end.start + end.size, detail)
        return ((end.start, 0),)
    if shift < 0:
        kind, where = Kind.MISSING, f"{-shift} bytes before the place"
    else:
        kind = Kind.CONCATENATED if read_at(stream, 0, 4) == LOCAL else Kind.PREFIX
        where = f"{shift} bytes behind the place"
    differences.add(kind, max(inferred, 0), f"the directory begins {where} that the end record names")
    return ((inferred, shift),)


def walk(stream: IO[bytes], start: int, end: End, differences: Differences) -> Iterator[Entry]:
    """The entries of the directory at `start`: those that are counted and those that its size covers.

    Raises ZipInvalid at damage that stops torch and `zipfile` alike.
    """
    block = read_at(stream, start, min(max(end.size, end.records - start), MAX_DIRECTORY))
    position = index = covered = 0
    while position < end.size or index < end.count:
        length = _entry_length(block, position)
        if not length:
            if position >= end.size:
                break
            if index < end.count:
                raise ZipInvalid(start + position, f"entry {index + 1} of {end.count}", Fault.DIRECTORY)
            detail = f"{end.size - position} bytes follow the last entry of the directory"
            differences.add(Kind.DIRECTORY_TAIL, start + position, detail)
            break
        if index == MAX_MEMBERS:
            raise ZipInvalid(start, f"at most {MAX_MEMBERS} members", Fault.LIMIT, budget="zip.members")
        yield _entry(block, position, start, differences)
        position += length
        index += 1
        covered += position <= end.size
    if covered != end.count:
        kind = Kind.COUNT_FEWER if covered > end.count else Kind.COUNT_MORE
        differences.add(kind, end.offset, f"the end record counts {end.count} entries, the directory holds {covered}")


def read_at(stream: IO[bytes], offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset` on; fewer where the file ends."""
    stream.seek(offset)
    return stream.read(length)


def zip64_values(extra: bytes, wanted: int) -> tuple[int, ...] | None:
    """The first `wanted` numbers of a zip64 extended information field; None where the extra field has no such."""
    data = find_extra(extra, 0x0001)
    if data is None or len(data) < 8 * wanted:
        return None
    return tuple(int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(wanted))


def find_extra(extra: bytes, wanted: int) -> bytes | None:
    """The data of the first extra field with this id, None where there is none or the fields before it are damaged."""
    position = 0
    while position + 4 <= len(extra):
        kind = int.from_bytes(extra[position : position + 2], "little")
        stop = position + 4 + int.from_bytes(extra[position + 2 : position + 4], "little")
        if stop > len(extra):
            return None
        if kind == wanted:
            return extra[position + 4 : stop]
        position = stop
    return None


_END = Struct("<4x4H2IH")
_END_RANGE = 2**16 + _END.size  # zipfile's
_BLOCK = 4096
_WIDE_END = Struct("<4xQ2H2I4Q")
_WIDE_END_MAGIC = b"PK\x06\x06"
_LOCATOR = Struct("<4xIQI")
_LOCATOR_MAGIC = b"PK\x06\x07"
_ENTRY = Struct("<6x3H4x3I2H2xH2x2I")
_ENTRY_LENGTHS = Struct("<28x3H")
_ENTRY_MAGIC = b"PK\x01\x02"
_WIDE = 0xFFFFFFFF
_CONTIGUOUS = _LOCATOR.size + _WIDE_END.size


def _zip64(stream: IO[bytes], end: End, size: int, differences: Differences) -> tuple[End, int, int] | None:
    """The end record as zip64 has it, the entries on this disk and the directory's disk; None without zip64."""
    if end.offset < _CONTIGUOUS:
        return None
    locator = read_at(stream, end.offset - _LOCATOR.size, _LOCATOR.size)
    if not locator.startswith(_LOCATOR_MAGIC):
        return None
    _, offset, disks = _LOCATOR.unpack(locator)
    before = end.offset - _CONTIGUOUS
    record = read_at(stream, offset, _WIDE_END.size) if offset <= size - _WIDE_END.size else b""
    if offset != before or not record.startswith(_WIDE_END_MAGIC):
        detail = f"the zip64 locator points at byte {offset}, not at byte {before}"
        differences.add(Kind.ZIP64_END, end.offset - _LOCATOR.size, detail)
        if not record.startswith(_WIDE_END_MAGIC):
            record = read_at(stream, before, _WIDE_END.size)
            if not record.startswith(_WIDE_END_MAGIC):
                return None
    length, _, _, disk, directory_disk, here, count, directory, start = _WIDE_END.unpack(record)
    if disks != 1:
        differences.add(Kind.DISKS, end.offset - _LOCATOR.size, f"the zip64 locator counts {disks} disks")
    if length < _WIDE_END.size - 12:
        differences.add(Kind.ZIP64_END, before, f"the zip64 end record says that it is {length} bytes long")
    for narrow, wide, most in (
        (end.count, count, 0xFFFF),
        (end.size, directory, _WIDE),
        (end.start, start, _WIDE),
    ):
        if narrow not in (wide, most):
            detail = f"the zip64 end record says {wide} where the end record says {narrow}"
            differences.add(Kind.ZIP64_END, end.offset, detail)
    return End(end.offset, before, count, directory, start, disk, end.comment, zip64=True), here, directory_disk


def _is_directory(stream: IO[bytes], start: int, end: End, size: int) -> bool:
    if not 0 <= start <= size - end.size:
        return False
    return (end.size == 0 and end.count == 0) or read_at(stream, start, 4) == _ENTRY_MAGIC


def _entry_length(block: bytes, position: int) -> int:
    """Bytes of the entry at this position of the directory, 0 where there is no whole one."""
    if not block.startswith(_ENTRY_MAGIC, position) or position + _ENTRY.size > len(block):
        return 0
    length = _ENTRY.size + sum(_ENTRY_LENGTHS.unpack_from(block, position))
    return length if position + length <= len(block) else 0


def _entry(block: bytes, position: int, start: int, differences: Differences) -> Entry:
    needed, flags, method, crc, compressed, uncompressed, name_length, extra_length, disk, external, offset = (
        _ENTRY.unpack_from(block, position)
    )
    name_start = position + _ENTRY.size
    extra_start = name_start + name_length
    extra = block[extra_start : extra_start + extra_length] if extra_length else b""
    at = start + position
    if _WIDE in (uncompressed, compressed, offset):
        wide = [value == _WIDE for value in (uncompressed, compressed, offset)]
        values = zip64_values(extra, sum(wide))
        if values is None:
            differences.add(
                Kind.ZIP64_EXTRA, at, f"the entry at byte {at} refers to a zip64 field that it does not have"
            )
        numbers = iter(values or ())
        uncompressed = next(numbers, _WIDE) if wide[0] else uncompressed
        compressed = next(numbers, _WIDE) if wide[1] else compressed
        offset = next(numbers, _WIDE) if wide[2] else offset
    name, common = block[name_start:extra_start], block[position + 8 : position + 30]
    return Entry(at, name, common, needed, flags, method, crc, compressed, uncompressed, disk, external, offset, extra)
