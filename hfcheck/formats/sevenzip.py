"""The members of a 7z archive, unpacked with the package py7zr where it is there.

https://py7zr.readthedocs.io/en/latest/archive_format.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from typing import IO

from hfcheck.formats.compressed import optional
from hfcheck.formats.invalid import Invalid

MAX_DIRECTORY = 64 * 2**20


class SevenZipInvalid(Invalid):
    """The archive is damaged, encrypted, or larger than hfcheck unpacks."""


@dataclass(slots=True)
class Unpacked:
    """A member: its name and its data, as far as they were wanted."""

    name: str
    data: BytesIO = field(default_factory=BytesIO)
    size: int = 0
    wanted: bool = True


Wanted = Callable[[Unpacked, int], bool]
"""Asked with each so many bytes of a member whether it is still wanted; raises what shall end it all."""


def members(stream: IO[bytes], size: int, wanted: Wanted) -> Iterator[Unpacked]:
    """All members, with the data of those that are wanted; raises SevenZipInvalid, or Missing without py7zr."""
    with optional():
        package = import_module("py7zr")
    stream.seek(0)
    head = stream.read(32)
    # py7zr reads as much of a directory as it is told to.
    directory = int.from_bytes(head[20:28], "little")
    if directory > min(size, MAX_DIRECTORY):
        raise SevenZipInvalid(20, f"a directory of at most {min(size, MAX_DIRECTORY)} bytes, not {directory}")
    stream.seek(0)
    factory = _Factory(wanted)
    try:
        with package.SevenZipFile(stream, "r") as archive:
            encrypted = archive.needs_password()
            if not encrypted:
                archive.extractall(factory=factory)
    except SevenZipInvalid:  # by `wanted`
        raise
    except Exception as error:  # py7zr and the libraries below it raise anything
        raise SevenZipInvalid(0, "a 7z archive that can be unpacked") from error
    if encrypted:
        raise SevenZipInvalid(0, "an archive that is not encrypted")
    yield from factory.found


class _Factory:
    """What py7zr asks for a place to write each member to."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.found: list[Unpacked] = []

    def create(self, name: str) -> "_Writer":
        member = Unpacked(name)
        self.found.append(member)
        return _Writer(member, self.wanted)


class _Writer:
    """One such place (`py7zr.io.Py7zIO`)."""

    def __init__(self, member: Unpacked, wanted: Wanted) -> None:
        self.member = member
        self.wanted = wanted

    def write(self, data: bytes) -> int:
        member = self.member
        member.size += len(data)
        if member.wanted:
            member.data.write(data)
        if not (more := self.wanted(member, len(data))) and member.wanted:
            member.data.seek(0)
            member.data.truncate()
        member.wanted = more
        return len(data)

    def read(self, size: int | None = None) -> bytes:
        return self.member.data.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.member.data.seek(offset, whence)

    def flush(self) -> None:
        """Nothing is held back."""

    def size(self) -> int:
        return self.member.size

    def close(self) -> None:
        """The data are still needed."""
