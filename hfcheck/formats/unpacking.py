"""The way through a file to all its pickles: each part goes to the readers that its content is for.

`torch.load` takes what begins as a zip archive for one, then what has the header of a tar archive, then the rest for a
pickle; joblib looks for the first bytes of its compressors. A name decides nothing: at most, that it is worth a try.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from io import SEEK_END
from posixpath import isabs, join, normpath
from typing import IO

from hfcheck.finding import quote
from hfcheck.formats import (
    compressed,
    npy,
    pickle,
    sevenzip,
    tar_,
    torch_legacy,
    torch_tar,
    zip_,
    zip_members,
)
from hfcheck.formats.collector import paused
from hfcheck.formats.joblib_ import Arrays
from hfcheck.formats.parts import MAX_DEPTH, MAX_INFLATED, MAX_MEMBER, Gathered, Part
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_probe import JUDGED, is_pickle
from hfcheck.formats.pickled import OPENINGS, OddityKind, PickledFacts
from hfcheck.formats.sniff import HEAD, Content, content
from hfcheck.formats.unpack import is_part_worth, is_worth, unpacked
from hfcheck.formats.zip_ import ZipFacts, ZipInvalid
from hfcheck.formats.zip_end import EMPTY

Parts = Generator[Part, None, bool]
"""The parts inside of one; returns whether it was what its first bytes promise."""

_END_RECORD = 22
_END = 2**16 + _END_RECORD
"""Bytes at the end in which the end record of a zip archive is looked for."""


@paused()
def follow(stream: IO[bytes], archive: ZipFacts | None, *, named: bool) -> PickledFacts | None:
    """As `pickled.read`, which is the door to this module."""
    gathered = Gathered(named)
    whole = Part(stream, 0, stream.seek(0, SEEK_END))
    pending: list[Iterator[Part]] = [_look(whole, gathered, archive)]
    while pending:
        part = next(pending[-1], None)
        if part is None:
            pending.pop()
        else:
            pending.append(_look(part, gathered))
    found = gathered.pickles or gathered.oddities or gathered.unread or gathered.opened
    if not found:
        return None
    consumer = gathered.consumer or (gathered.pickles[0].consumer if gathered.pickles else Consumer.PICKLE)
    return PickledFacts(
        consumer,
        tuple(gathered.pickles),
        gathered.state,
        tuple(gathered.oddities),
        tuple(gathered.unread),
        tuple(gathered.object_arrays),
        tuple(gathered.differences),
        tuple(gathered.inner),
    )


def _look(part: Part, gathered: Gathered, archive: ZipFacts | None = None) -> Iterator[Part]:
    """The parts inside of this one; its own pickles are followed on the way."""
    head = part.at(0, HEAD)
    kind = content(head, part.size)
    if kind in (Content.EMPTY, Content.POINTER):
        return
    opener = _OPENERS.get(kind) or (_tar if tar_.is_header(head[: tar_.BLOCK]) else None)
    if kind is Content.ZIP and archive is not None:
        yield from zip_members.look(part, gathered, archive)
        return
    if opener is not None:
        if part.depth >= MAX_DEPTH and opener is not _npy:
            gathered.leave(part.member, f"it lies in {MAX_DEPTH} archives already", "pickled.depth")
            return
        understood = yield from opener(part, gathered)
        gathered.opened |= understood
        if understood and opener is not _tar:
            return
    for codec, begin in _unmarked(head):
        if (yield from _unpack(part, gathered, codec, begin)):
            return
    yield from _pickles(part, gathered, kind, head)
    if kind in (Content.PICKLE, Content.UNKNOWN) and part.depth == 0:
        yield from _archive_behind(part, gathered)


def _pickles(part: Part, gathered: Gathered, kind: Content, head: bytes) -> Iterator[Part]:
    """Follow the pickles that a part begins with, if it does."""
    if not head or head[0] not in OPENINGS:
        return
    sure = kind is Content.PICKLE
    tried = gathered.named and part.depth == 0
    if not sure and not tried and not is_part_worth(part):
        return
    if torch_legacy.begins(part):
        yield from torch_legacy.look(part, gathered)
        return
    arrays = Arrays(part, gathered)
    unread = len(gathered.unread)
    found = pickle.read(part.source(), Consumer.PICKLE, member=part.member, origin=part.origin, wrapped=arrays)
    if not sure and not is_pickle(found):
        del gathered.unread[unread:]
        return
    gathered.opened = True
    for facts in (*found, *arrays.pickles.values()):
        gathered.keep(replace(facts, consumer=Consumer.JOBLIB) if arrays.met else facts, part)


def _unmarked(head: bytes) -> Iterator[tuple[compressed.Codec, int]]:
    """Compressors without a magic number to speak of, that may have written this."""
    if head.startswith((b"x\x01", b"x^", b"x\x9c", b"x\xda")):
        yield compressed.ZLIB, 0
    if head.startswith(b"]\x00"):
        yield compressed.LZMA, 0
    if head.startswith(b"ZF0x"):  # joblib before 0.9.3: the size in hexadecimal, in 19 or 20 characters
        yield compressed.ZLIB, 21 + (head[21:22] == b" ")


def _unpack(part: Part, gathered: Gathered, codec: compressed.Codec, begin: int = 0) -> Parts:
    """What a compressed stream holds; without a magic number it may as well be something else."""
    unread, inner = len(gathered.unread), replace(part, depth=part.depth + 1)
    content_ = unpacked(compressed.chunks(part.open(), codec, begin), inner, gathered, always=False)
    if content_ is None:
        if not codec.magic:
            del gathered.unread[unread:]
            return False
        return len(gathered.unread) == unread
    gathered.opened = True
    if part.depth < MAX_DEPTH:
        yield content_
    else:
        gathered.leave(part.member, f"it lies in {MAX_DEPTH} archives already", "pickled.depth")
    gathered.release(content_)
    return True


def _with(codec: compressed.Codec) -> Callable[[Part, Gathered], Parts]:
    return lambda part, gathered: _unpack(part, gathered, codec)


def _npy(part: Part, gathered: Gathered) -> Parts:
    try:
        facts = npy.read(part.open())
    except npy.NpyInvalid as error:
        if isinstance(error, npy.NpyTruncated):
            gathered.odd(OddityKind.TRUNCATED, part, error.offset, f"expected {error.expected}")
        gathered.leave(part.member, f"expected {error.expected}")
        return True
    gathered.consumer = gathered.consumer or Consumer.NUMPY
    if facts.needed is not None and facts.needed > part.size - facts.begin:
        detail = f"the array takes {facts.needed} bytes, and {part.size - facts.begin} follow its header"
        gathered.odd(OddityKind.TRUNCATED, part, facts.begin, detail)
    if facts.objects:
        gathered.object_arrays.append(part.member)
        inner = part.behind(facts.begin)
        for found in pickle.read(inner.source(), Consumer.NUMPY, member=inner.member, origin=inner.origin):
            gathered.keep(found, inner)
    return True
    yield part  # it has no parts, and is a generator as the others are


def _tar(part: Part, gathered: Gathered) -> Parts:
    try:
        facts = tar_.read(part.open())
    except tar_.TarInvalid as error:
        gathered.leave(part.member, f"expected {error.expected}", error.budget)
        return False
    names = {member.name for member in facts.members}
    is_torch = {torch_tar.STORAGES, torch_tar.TENSORS, torch_tar.PICKLE} <= names
    if facts.limited:
        gathered.leave(part.member, f"there are more than {tar_.MAX_MEMBERS} members", "tar.members")
    elif not facts.whole:
        gathered.leave(part.member, f"what follows byte {facts.end} is no header of a tar archive")
    for member in facts.members:
        if not gathered.enter(part):
            break
        if _leaves(member):
            what = quote(member.name) + (f", a link to {quote(member.link)}" if member.link is not None else "")
            gathered.odd(OddityKind.LEAVES_FOLDER, part, member.offset, f"a member is {what}")
        inner = part.piece(member.offset, member.size, member.name)
        if member.size > inner.size:
            gathered.leave(inner.member, "the archive ends before it does")
        if is_torch and member.name in (torch_tar.STORAGES, torch_tar.TENSORS, torch_tar.PICKLE):
            torch_tar.look(inner, member.name, gathered)
        elif inner.size:
            yield inner
    return True


def _leaves(member: tar_.Member) -> bool:
    """Whether unpacking as told would write, or make a link to, something outside the folder."""
    targets = [member.name]
    if member.link is not None:
        targets.append(member.link)
        targets.append(join(member.name.rpartition("/")[0], member.link))
        return any(map(isabs, targets)) or _climbs(targets[0]) or _climbs(targets[2])
    return isabs(member.name) or _climbs(member.name)


def _climbs(name: str) -> bool:
    return normpath(name).split("/")[0] == ".."


def _seven_zip(part: Part, gathered: Gathered) -> Parts:
    if gathered.named and part.depth == 0:
        gathered.odd(OddityKind.CLOSED, part, 0, "it is a 7z archive, which no loader of such files opens")
    try:
        for member in sevenzip.members(part.open(), part.size, _Wanted(gathered)):
            if member.wanted and gathered.enter(part) and member.size:
                yield Part(member.data, 0, member.size, part.way(member.name), None, part.depth + 1)
    except compressed.Missing:
        gathered.leave(part.member, "needs pip install hfcheck[archives]")
    except sevenzip.SevenZipInvalid as error:
        gathered.leave(part.member, f"expected {error.expected}", error.budget)
    return True


class _Wanted:
    """Whether more of a member of a 7z archive is wanted: by its first bytes, and as far as the budgets go."""

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered
        self.kept = 0
        self.judged: set[int] = set()

    def __call__(self, member: sevenzip.Unpacked, length: int) -> bool:
        self.gathered.inflated += length
        if self.gathered.inflated > MAX_INFLATED:
            raise sevenzip.SevenZipInvalid(0, f"members of at most {MAX_INFLATED} bytes", budget="pickled.inflated")
        if not member.wanted:
            return False
        self.kept += length
        if self.kept > MAX_MEMBER:
            raise sevenzip.SevenZipInvalid(0, f"members of at most {MAX_MEMBER} bytes", budget="pickled.member")
        if member.size >= JUDGED and id(member) not in self.judged:
            self.judged.add(id(member))
            if not is_worth(member.data.getvalue()[:JUDGED], whole=False):
                self.kept -= member.size
                return False
        return True


def _closed(part: Part, gathered: Gathered) -> Parts:
    if gathered.named and part.depth == 0:
        gathered.odd(OddityKind.CLOSED, part, 0, "it is a RAR archive, which no loader of such files opens")
    gathered.leave(part.member, "hfcheck does not unpack RAR archives")
    return True
    yield part


def _zip(part: Part, gathered: Gathered) -> Parts:
    return zip_members.look(part, gathered)


def _archive_behind(part: Part, gathered: Gathered) -> Iterator[Part]:
    """A zip archive at the end of something else: readers that begin at the end find it, torch does not."""
    end = part.at(max(part.size - _END, 0), _END)
    place = end.rfind(EMPTY)
    if place < 0:
        return
    try:
        facts = zip_.read(part.open())
    except ZipInvalid:
        return
    if not facts.members:
        return
    if len(end) - place == _END_RECORD + facts.comment:  # in a pickle of the bytes of an archive something follows
        detail = f"a zip archive with {len(facts.members)} members ends it, and it does not begin as one"
        gathered.odd(OddityKind.TWO_FORMATS, part, min(member.header_offset for member in facts.members), detail)
    for inner in zip_members.look(part, gathered, facts):
        if inner.size < part.size and inner.begin > part.begin:  # what stands in front of it was looked at
            yield inner


_OPENERS: dict[Content, Callable[[Part, Gathered], Parts]] = {
    Content.ZIP: _zip,
    Content.TAR: _tar,
    Content.GZIP: _with(compressed.GZIP),
    Content.BZIP2: _with(compressed.BZIP2),
    Content.XZ: _with(compressed.XZ),
    Content.LZ4: _with(compressed.LZ4),
    Content.ZSTD: _with(compressed.ZSTD),
    Content.SEVEN_ZIP: _seven_zip,
    Content.RAR: _closed,
    Content.NPY: _npy,
    Content.NPY_OBJECTS: _npy,
}
