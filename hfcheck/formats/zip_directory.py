"""The central directory of a zip archive, found and walked as torch's miniz and Python's `zipfile` each do it."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from struct import Struct
from typing import IO, NamedTuple

from hfcheck.formats.zip_end import LOCAL, End, Fault, ZipInvalid, read_at
from hfcheck.formats.zip_kinds import Differences, Kind

MAX_DIRECTORY = 64 * 2**20
MAX_MEMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory at byte `start`, as this end record has it; `shift` is what has to be added to all its offsets."""

    end: End
    start: int
    shift: int


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


def find_directories(stream: IO[bytes], torch: End, zipfile: End, differences: Differences) -> tuple[Directory, ...]:
    """Each directory that some reader takes, torch's first; raises ZipInvalid where neither finds an entry.

    torch goes to the offset that is given; `zipfile` goes back from the end record by the size of the directory, and
    counts all offsets from where the archive must then have begun.
    """
    size = stream.seek(0, SEEK_END)
    inferred = zipfile.records - zipfile.size
    given = Directory(torch, torch.start, 0)
    before_end = Directory(zipfile, inferred, inferred - zipfile.start)
    found = tuple(place for place in (given, before_end) if _is_there(stream, place, size))
    if not found:
        raise ZipInvalid(min(torch.start, size), "the first entry of the central directory", Fault.DIRECTORY)
    if (longest := max(place.end.size for place in found)) > MAX_DIRECTORY:
        expected = f"a directory of at most {MAX_DIRECTORY} bytes, not {longest}"
        raise ZipInvalid(found[0].start, expected, Fault.LIMIT, budget="zip.directory")
    if torch.start == inferred:
        return found[:1]
    if len(found) == 2:
        detail = f"one directory stands at byte {torch.start}, another at byte {inferred}"
        differences.add(Kind.TWO_DIRECTORIES, torch.start, detail)
    elif found == (given,):
        detail = f"{inferred - torch.start} bytes stand between the directory and the end record"
        differences.add(Kind.DIRECTORY_PLACE, torch.start + torch.size, detail)
    else:
        _note_shift(stream, before_end, differences)
    return found


def walk(stream: IO[bytes], directory: Directory, differences: Differences) -> Iterator[Entry]:
    """The entries of a directory: those that are counted and those that its size covers.

    Raises ZipInvalid at damage that stops torch and `zipfile` alike.
    """
    start, end = directory.start, directory.end
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
    if position > len(block):
        detail = f"the last entry of the directory runs {position - len(block)} bytes over its end"
        differences.add(Kind.DIRECTORY_CUT, start + len(block), detail)
    if covered != end.count:
        kind = Kind.COUNT_FEWER if covered > end.count else Kind.COUNT_MORE
        differences.add(kind, end.offset, f"the end record counts {end.count} entries, the directory holds {covered}")


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


_ENTRY = Struct("<6x3H4x3I2H2xH2x2I")
_ENTRY_LENGTHS = Struct("<28x3H")
_ENTRY_MAGIC = b"PK\x01\x02"
_WIDE = 0xFFFFFFFF


def _is_there(stream: IO[bytes], directory: Directory, size: int) -> bool:
    start, end = directory.start, directory.end
    if not 0 <= start <= size - end.size:
        return False
    return (end.size == 0 and end.count == 0) or read_at(stream, start, 4) == _ENTRY_MAGIC


def _note_shift(stream: IO[bytes], directory: Directory, differences: Differences) -> None:
    """What it is that moved the archive away from the offsets in it."""
    shift = directory.shift
    if shift < 0:
        kind, where = Kind.MISSING, f"{-shift} bytes before the place"
    else:
        kind = Kind.CONCATENATED if read_at(stream, 0, 4) == LOCAL else Kind.PREFIX
        where = f"{shift} bytes behind the place"
    differences.add(kind, directory.start, f"the directory begins {where} that the end record names")


def _entry_length(block: bytes, position: int) -> int:
    """Bytes of the entry at this position of the directory, 0 where there is none; it may run over the end."""
    if not block.startswith(_ENTRY_MAGIC, position) or position + _ENTRY.size > len(block):
        return 0
    name, extra, comment = _ENTRY_LENGTHS.unpack_from(block, position)
    length: int = _ENTRY.size + name + extra + comment
    return length


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
