"""A zip archive by its directory and its local headers, as torch 2.13 reads it, and where other readers would differ.

The data of members is never read: the cost is the directory and some 30 bytes for each local header.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from operator import attrgetter
from struct import Struct
from typing import IO, NamedTuple

from hfcheck.finding import QUOTED, quote
from hfcheck.formats.zip_directory import (
    MAX_DIRECTORY,
    MAX_MEMBERS,
    Directory,
    Entry,
    find_directories,
    find_extra,
    walk,
    zip64_values,
)
from hfcheck.formats.zip_end import EMPTY, LOCAL, Fault, ZipInvalid, find_ends, read_at
from hfcheck.formats.zip_kinds import Difference, Differences, Effect, Kind

__all__ = [
    "MAX_DIRECTORY",
    "MAX_MEMBERS",
    "Difference",
    "Effect",
    "Fault",
    "Kind",
    "Member",
    "ZipFacts",
    "ZipInvalid",
    "read",
]

MAX_RATIO = 100
MIN_BOMB = 100 * 2**20
"""A ratio counts above this size only: sparse weights compress well."""

UTF8 = 0x0800
"""The flag that says in which encoding a name is: otherwise code page 437 to `zipfile`, UTF-8 to torch."""


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the central directory; sizes in bytes, offsets from the start of the file.

    `name` is UTF-8 whatever the archive says, other bytes as lone surrogates: two names are equal where their bytes
    are. `header_size` is 0 where no local header was found.
    """

    name: str
    method: int
    flags: int
    crc: int
    compressed: int
    uncompressed: int
    header_offset: int
    header_size: int

    @property
    def data_offset(self) -> int | None:
        """The first byte of the data, which follows the local header."""
        return self.header_offset + self.header_size if self.header_size else None

    @property
    def raw_name(self) -> bytes:
        return self.name.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class ZipFacts:
    """The members that any reader of directories finds, in the order of the directory, and where readers differ.

    A name can come twice. `left_out` counts differences beyond the first 100 of their kind. `comment` is the length
    of the archive's comment, `size` that of the file.
    """

    size: int
    members: tuple[Member, ...]
    differences: tuple[Difference, ...] = ()
    left_out: int = 0
    zip64: bool = False
    comment: int = 0


def read(stream: IO[bytes]) -> ZipFacts:
    """The members of an archive; raises ZipInvalid where neither torch nor `zipfile` would list any."""
    size = stream.seek(0, SEEK_END)
    differences = Differences(size)
    torch, zipfile = find_ends(stream, differences)
    directories = find_directories(stream, torch, zipfile, differences)
    members = _members(_Archive(stream, size, torch.disk, differences), directories)
    start, begin = directories[0].start, directories[0].shift
    if not begin and read_at(stream, 0, 4) not in (LOCAL, EMPTY):
        differences.add(Kind.PREFIX, 0, "the file does not begin with a local header")
        begin = min((member.header_offset for member in members), default=start)
    _check_names(members, differences)
    _check_layout(members, begin, start, differences)
    _check_inflation(members, size, differences)
    return ZipFacts(size, tuple(members), tuple(differences.kept), differences.left_out, torch.zip64, torch.comment)


def is_unicode(name: str) -> bool:
    """Whether the bytes of this member name are UTF-8."""
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def _members(archive: "_Archive", directories: tuple[Directory, ...]) -> list[Member]:
    if len(directories) == 1:
        return list(archive.members(directories[0]))
    # Of two directories each has its reader: damage that stops the one leaves the other as it is.
    listed = [_attempt(archive, directory) for directory in directories]
    members = dict.fromkeys(member for found in listed if not isinstance(found, ZipInvalid) for member in found)
    for found in listed:
        if isinstance(found, ZipInvalid) and (found.budget or not members):
            raise found
    return list(members)


def _attempt(archive: "_Archive", directory: Directory) -> list[Member] | ZipInvalid:
    try:
        return list(archive.members(directory))
    except ZipInvalid as error:
        return error


_LOCAL = Struct("<4x5H3I2H")
_LENGTHS = Struct("<26x2H")
_WIDE = 0xFFFFFFFF
_MAX_LOCAL_EXTRA = 1024  # writers put the zip64 field first; a million members could point at the same 64 KiB
_FLOOD = 10_000  # differences; after so many a local header is no longer taken apart, which takes a million 5 s
_DESCRIPTOR = 0x0008
_REFUSED = {0x0001: "encrypted", 0x0020: "patched", 0x0040: "strongly encrypted", 0x2000: "masked"}
_REFUSED_BITS = 0x2061
_TELLING = _REFUSED_BITS | _DESCRIPTOR | UTF8  # the others say how hard a compressor tried
_METHODS = (0, 8)
_MAX_VERSION = 63  # zipfile.MAX_EXTRACT_VERSION
_FOLDER = 0x10
_NO_GAP = frozenset({0})
_DESCRIPTOR_GAPS = frozenset({0, 12, 16, 20, 24})  # with or without signature and 64-bit sizes; torch: none if empty
_LINK_OR_DEVICE = frozenset({0o20000, 0o60000, 0o120000})  # no pipe: `zip` marks what it reads from one so


@dataclass(frozen=True, slots=True)
class _Archive:
    stream: IO[bytes]
    size: int
    disk: int
    differences: Differences

    def members(self, directory: Directory) -> Iterator[Member]:
        """The members of a directory; notes what is odd about them."""
        for entry in walk(self.stream, directory, self.differences):
            name = entry.name.decode("utf-8", "surrogateescape")
            self._check_entry(entry, name)
            header_offset = entry.header_offset + directory.shift
            yield Member(
                name,
                entry.method,
                entry.flags,
                entry.crc,
                entry.compressed,
                entry.uncompressed,
                header_offset,
                self._local_header(entry, name, header_offset),
            )

    def _check_entry(self, entry: Entry, name: str) -> None:
        """What torch's reader or another refuses, or takes for something else."""
        add, at = self.differences.add, entry.at
        if entry.flags & _REFUSED_BITS:
            bits = ", ".join(text for bit, text in _REFUSED.items() if entry.flags & bit)
            add(Kind.FLAGS, at, f"member {quote(name)} is marked as {bits}", name)
        if entry.method not in _METHODS:
            add(Kind.METHOD, at, f"member {quote(name)} is compressed by method {entry.method}", name)
        if entry.compressed != entry.uncompressed:
            self._check_sizes(entry, name)
        if entry.needed & 0xFF > _MAX_VERSION:
            add(Kind.VERSION, at, f"member {quote(name)} asks for version {(entry.needed & 0xFF) / 10}", name)
        if entry.disk not in (self.disk, 1):
            add(Kind.DISKS, at, f"member {quote(name)} is on disk {entry.disk}", name)
        if (entry.external >> 16) & 0o170000 in _LINK_OR_DEVICE:
            add(Kind.LINK, at, f"member {quote(name)} is a link or a device", name)
        if entry.uncompressed and (entry.external & _FOLDER or name.endswith("/")):
            add(Kind.FOLDER_WITH_DATA, at, f"folder {quote(name)} has {entry.uncompressed} bytes", name)
        if entry.extra and (path := find_extra(entry.extra, 0x7075)) is not None and path[5:] != entry.name:
            other = quote(path[5:].decode("utf-8", "surrogateescape"))
            add(Kind.UNICODE_PATH, at, f"member {quote(name)} has {other} as a second name", name)
        if entry.flags & UTF8 and not is_unicode(name):
            add(Kind.ENCODING, at, f"member {quote(name)} has a name that is not UTF-8", name)

    def _check_sizes(self, entry: Entry, name: str) -> None:
        add, at = self.differences.add, entry.at
        if entry.method == 0:
            sizes = f"{entry.compressed} bytes compressed and {entry.uncompressed} bytes uncompressed"
            add(Kind.STORED_SIZES, at, f"the stored member {quote(name)} has {sizes}", name)
        if not entry.compressed:
            add(Kind.NO_DATA, at, f"member {quote(name)} has {entry.uncompressed} bytes out of none", name)

    def _local_header(self, entry: Entry, name: str, offset: int) -> int:
        """Bytes of the local header, 0 where there is none; notes where it differs from the directory."""
        length = _LOCAL.size + len(entry.name)
        head = read_at(self.stream, offset, length) if 0 <= offset <= self.size - _LOCAL.size else b""
        if not head.startswith(LOCAL) or len(head) < _LOCAL.size:
            self.differences.add(Kind.LOCAL_HEADER, offset, f"member {quote(name)} has no local header here", name)
            return 0
        name_length, extra_length = _LENGTHS.unpack_from(head)
        size: int = _LOCAL.size + name_length + extra_length
        # The usual case, in which nothing has to be taken apart.
        if head[6:28] != entry.common or head[_LOCAL.size :] != entry.name:
            self._compare(entry, _Local(*_LOCAL.unpack_from(head)), head[_LOCAL.size :], name, offset)
        if offset + size + entry.compressed > self.size:
            missing = offset + size + entry.compressed - self.size
            detail = f"member {quote(name)} lacks {missing} bytes at the end of the file"
            self.differences.add(Kind.BEYOND_END, offset, detail, name)
        return size

    def _compare(self, entry: Entry, local: "_Local", text: bytes, name: str, offset: int) -> None:
        if self.differences.left_out > _FLOOD:
            self.differences.left_out += 1
            return
        add = self.differences.add
        if local.name_length != len(entry.name) or text != entry.name:
            other = read_at(self.stream, offset + _LOCAL.size, min(local.name_length, QUOTED))
            told = quote(other.decode("utf-8", "surrogateescape"))
            add(Kind.LOCAL_NAME, offset, f"member {quote(name)} is {told} in its local header", name)
        if (local.flags ^ entry.flags) & _TELLING:
            flags = f"{entry.flags:#06x}, in the local header {local.flags:#06x}"
            add(Kind.LOCAL_FLAGS, offset, f"flags of member {quote(name)} are {flags}", name)
        if local.method != entry.method:
            methods = f"{entry.method}, in the local header {local.method}"
            add(Kind.LOCAL_METHOD, offset, f"the method of member {quote(name)} is {methods}", name)
        given, found = (entry.uncompressed, entry.compressed, entry.crc), self._sizes(local, offset)
        if found != given and not (local.flags & _DESCRIPTOR and _is_deferred(found, given)):
            numbers = f"{given}, in the local header {found}"
            add(Kind.LOCAL_SIZES, offset, f"sizes and CRC of member {quote(name)} are {numbers}", name)

    def _sizes(self, local: "_Local", offset: int) -> tuple[int, int, int]:
        """Uncompressed and compressed size and CRC of a local header, with its zip64 field as far as it goes."""
        if _WIDE not in (local.uncompressed, local.compressed) or local.flags & _DESCRIPTOR:
            return local.uncompressed, local.compressed, local.crc
        wide = [size == _WIDE for size in (local.uncompressed, local.compressed)]
        place = offset + _LOCAL.size + local.name_length
        extra = read_at(self.stream, place, min(local.extra_length, _MAX_LOCAL_EXTRA))
        numbers = iter(zip64_values(extra, sum(wide)) or ())
        uncompressed = next(numbers, _WIDE) if wide[0] else local.uncompressed
        compressed = next(numbers, _WIDE) if wide[1] else local.compressed
        return uncompressed, compressed, local.crc


class _Local(NamedTuple):
    """The fields of a local header after its signature, in its order."""

    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    compressed: int
    uncompressed: int
    name_length: int
    extra_length: int


def _is_deferred(found: tuple[int, int, int], given: tuple[int, int, int]) -> bool:
    """Whether a data descriptor explains the numbers: a header written before its data leaves them open."""
    return all(number in (0, _WIDE, right) for number, right in zip(found, given, strict=True))


def _check_names(members: list[Member], differences: Differences) -> None:
    folded: dict[str | bytes, str | set[str]] = {}
    for member in members:
        name, at = member.name, member.header_offset
        # miniz folds ASCII letters and no others, as bytes do.
        key = name.lower() if name.isascii() else member.raw_name.lower()
        if (before := folded.setdefault(key, name)) is not name:
            names = {before} if isinstance(before, str) else before
            if name in names:
                differences.add(Kind.DUPLICATE, at, f"more than one member is {quote(name)}", name)
            else:
                detail = f"member {quote(name)} is another one's name but for the case of letters"
                differences.add(Kind.CASE, at, detail, name)
                folded[key] = names | {name}
        if "\0" in name:
            differences.add(Kind.NUL, at, f"the name {quote(name)} has a zero byte in it", name)
        if "\\" in name:
            differences.add(Kind.BACKSLASH, at, f"the name {quote(name)} has a backslash in it", name)
        if ".." in name and ".." in name.replace("\\", "/").split("/"):
            differences.add(Kind.TRAVERSAL, at, f"the name {quote(name)} leads out of its folder", name)
        if name.startswith(("/", "\\")) or (name[1:2] == ":" and name[0].isalpha()):
            differences.add(Kind.ABSOLUTE, at, f"the name {quote(name)} is an absolute path", name)


def _check_layout(members: list[Member], begin: int, directory: int, differences: Differences) -> None:
    """Members follow each other from `begin` to the directory, and a data descriptor is all that is between them."""
    position, before, gaps = begin, "", _NO_GAP
    for member in sorted(members, key=attrgetter("header_offset")):
        data = member.data_offset
        if data is None:
            continue
        distance = member.header_offset - position
        if distance not in gaps:
            kind = Kind.GAP if distance > 0 else Kind.OVERLAP
            detail = f"member {quote(member.name)} {_distance(distance, before)}"
            differences.add(kind, min(position, member.header_offset), detail, member.name)
        if data + member.compressed >= position:
            position, before = data + member.compressed, member.name
            gaps = _DESCRIPTOR_GAPS if member.flags & _DESCRIPTOR else _NO_GAP
    if members and directory - position not in gaps:
        kind = Kind.GAP if directory > position else Kind.OVERLAP
        differences.add(kind, min(position, directory), f"the directory {_distance(directory - position, before)}")


def _distance(distance: int, before: str) -> str:
    what = f"member {quote(before)}" if before else "the start of the archive"
    return (
        f"begins {distance} bytes after the end of {what}"
        if distance > 0
        else f"begins {-distance} bytes within {what}"
    )


def _check_inflation(members: list[Member], size: int, differences: Differences) -> None:
    bombs = [m for m in members if m.uncompressed > MIN_BOMB and m.uncompressed > MAX_RATIO * m.compressed]
    for bomb in bombs:
        detail = f"member {quote(bomb.name)} is {bomb.uncompressed} bytes out of {bomb.compressed}"
        differences.add(Kind.INFLATION, bomb.header_offset, detail, bomb.name)
    total = sum(member.uncompressed for member in members)
    if not bombs and total > MIN_BOMB and total > MAX_RATIO * size:
        detail = f"{len(members)} members are {total} bytes in all, out of a file of {size}"
        differences.add(Kind.INFLATION, 0, detail)
