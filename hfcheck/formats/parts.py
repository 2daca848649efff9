"""A run of bytes of a file that may be a pickle or hold some, and what came out of all of them so far.

Parts lie in each other as archives do. Everything that unpacking may cost is counted here, for the whole file.
"""

from dataclasses import dataclass, field, replace
from io import SEEK_CUR, SEEK_END, BufferedReader, RawIOBase
from typing import IO

from hfcheck.formats.pickle_facts import Consumer, EventKind, PickleFacts
from hfcheck.formats.pickle_machine import Source
from hfcheck.formats.pickled import Oddity, OddityKind, Unread
from hfcheck.formats.torch_state import StateDict
from hfcheck.formats.zip_kinds import Difference

MAX_DEPTH = 3
"""Archives inside each other: a `.tar.gz` with torch's files in it has all three."""

MAX_MEMBERS = 100_000
"""Of all archives of one file."""

MAX_MEMBER = 256 * 2**20
"""Bytes that are unpacked and kept at a time."""

MAX_INFLATED = 2**30
"""Bytes that are unpacked in all."""

MAX_PICKLES = 10_000
"""Of one file; each takes about one KB."""

SHOWN = 100
"""Oddities of one kind, and parts that were not read, beyond which none is kept."""


class Window(RawIOBase):
    """A run of bytes of a stream, as a stream of its own: whatever reads the other meanwhile, it reads its own."""

    def __init__(self, stream: IO[bytes], begin: int, size: int) -> None:
        super().__init__()
        self._stream = stream
        self._begin = begin
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {SEEK_CUR: self._at, SEEK_END: self._size}.get(whence, 0)
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        length = min(len(buffer), max(self._size - self._at, 0))
        self._stream.seek(self._begin + self._at)
        data = self._stream.read(length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `begin` to `begin + size` of a stream: the file itself, a member of an archive, what was unpacked.

    `member` is the way there inside the file, None for the file itself. `origin` is the byte of the file at which the
    part begins, None where it was unpacked. `depth` counts the archives around it. `cut`: more would have followed
    than hfcheck unpacks.
    """

    stream: IO[bytes]
    begin: int
    size: int
    member: str | None = None
    origin: int | None = 0
    depth: int = 0
    cut: str | None = None

    def at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer where the part ends."""
        if not 0 <= offset < self.size or length <= 0:
            return b""
        self.stream.seek(self.begin + offset)
        return self.stream.read(min(length, self.size - offset))

    def place(self, offset: int) -> int | None:
        """A byte of the part as a byte of the file."""
        return None if self.origin is None else self.origin + offset

    def source(self) -> Source:
        return Source(self.stream, self.begin, self.begin + self.size)

    def open(self) -> IO[bytes]:
        return BufferedReader(Window(self.stream, self.begin, self.size), 2**16)

    def way(self, name: str) -> str:
        """The way to a member of this part."""
        return name if self.member is None else f"{self.member}!/{name}"

    def behind(self, offset: int) -> "Part":
        """The same part from a byte on."""
        size = max(self.size - offset, 0)
        return replace(self, begin=self.begin + offset, size=size, origin=self.place(offset))

    def before(self, offset: int) -> "Part":
        """The same part up to a byte."""
        return replace(self, size=min(max(offset, 0), self.size))

    def piece(self, offset: int, size: int, name: str) -> "Part":
        """A member that stands in this part as it is."""
        offset = min(max(offset, 0), self.size)
        size = min(max(size, 0), self.size - offset)
        return replace(
            self,
            begin=self.begin + offset,
            size=size,
            member=self.way(name),
            origin=self.place(offset),
            depth=self.depth + 1,
        )


@dataclass(slots=True)
class Gathered:
    """What was found in a file so far. `named`: its name is one for unpicklers. `opened`: it was one for a reader."""

    named: bool
    pickles: list[PickleFacts] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    object_arrays: list[str | None] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    inner: list[Difference] = field(default_factory=list)
    state: StateDict | None = None
    consumer: Consumer | None = None
    opened: bool = False
    followed: int = 0
    members: int = 0
    inflated: int = 0
    kept: int = 0

    def odd(self, kind: OddityKind, part: Part, offset: int | None, detail: str) -> None:
        """Note what is odd at a byte of a part, or of the part as a whole."""
        if sum(oddity.kind is kind for oddity in self.oddities) < SHOWN:
            place = None if offset is None else part.place(offset)
            self.oddities.append(Oddity(kind, part.member, place, detail))

    def leave(self, member: str | None, why: str, budget: str | None = None) -> None:
        """Note a part that is not looked into."""
        if len(self.unread) < SHOWN:
            self.unread.append(Unread(member, why, budget))

    def keep(self, facts: PickleFacts, part: Part) -> None:
        """Add a pickle. Where hfcheck itself cut the part, its end is no fault of it."""
        self.followed += 1
        if self.followed == MAX_PICKLES + 1:
            self.leave(part.member, f"there are more than {MAX_PICKLES} pickles", "pickled.pickles")
        if self.followed > MAX_PICKLES:
            return
        if part.cut is not None and facts.error is not None and facts.error.budget is None:
            events = tuple(event for event in facts.events if event.kind is not EventKind.LENGTH)
            facts = replace(facts, events=events, error=replace(facts.error, budget=part.cut))
        self.pickles.append(facts)

    def release(self, part: Part) -> None:
        """Give back the memory of what was unpacked."""
        self.kept -= part.size
        part.stream.close()

    def enter(self, part: Part) -> bool:
        """Whether one more member of an archive may be looked at."""
        self.members += 1
        if self.members == MAX_MEMBERS + 1:
            self.leave(part.member, f"there are more than {MAX_MEMBERS} members", "pickled.members")
        return self.members <= MAX_MEMBERS
