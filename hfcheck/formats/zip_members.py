"""The members of a zip archive that may hold pickles: those of torch as `torch.load` takes them, all others by content.

The data of a tensor are never read, and of any other member only the first bytes, unless these are worth more.
"""

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from hfcheck.finding import quote
from hfcheck.formats import pickle, python_, torch_state, torch_zip, torchscript, zip_, zip_front
from hfcheck.formats.compressed import BZIP2, DEFLATE, LZMA, CompressedInvalid, chunks
from hfcheck.formats.parts import SHOWN, Gathered, Part
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickled import OddityKind
from hfcheck.formats.torch_zip import TorchZipFacts
from hfcheck.formats.unpack import is_part_worth, unpacked
from hfcheck.formats.zip_ import Effect, Kind, Member, ZipFacts, ZipInvalid
from hfcheck.formats.zip_kinds import Difference

_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
_CODECS = {_DEFLATED: DEFLATE, _BZIP2: BZIP2, _LZMA: LZMA}
_ENCRYPTED = 0x0041
_LZMA_HEAD = 4 + 5
_MAX_CODE = python_.MAX_BYTES
_NAMED_PICKLES = ("data.pkl", "constants.pkl", ".debug_pkl")
_SCRIPT_PICKLES = (".pkl", ".debug_pkl")
"""TorchScript has more of them: `traced_inputs.pkl`, `bytecode.pkl`."""


def look(part: Part, gathered: Gathered, facts: ZipFacts | None = None) -> Generator[Part, None, bool]:
    """The members worth a look. Whether it is an archive at all: if not, it is said what is wrong."""
    if facts is None:
        try:
            facts = zip_.read(part.open())
        except ZipInvalid as error:
            gathered.leave(part.member, f"expected {error.expected}", error.budget)
            yield from _from_the_front(part, gathered)
            return False
    gathered.opened = True
    if not facts.members:
        return True
    archive = _Archive(part, gathered, facts, torch_zip.describe(facts))
    if part.member is not None or part.depth:
        _note_differences(archive)
    yield from archive.parts()
    if any(not member.header_size for member in facts.members):  # the directory leads elsewhere
        yield from _from_the_front(part, gathered)
    begin = min(member.header_offset for member in facts.members)
    if 0 < begin <= part.size and gathered.enter(part):  # an archive in front of this one, or something else
        yield part.before(begin)
    return True


def _from_the_front(part: Part, gathered: Gathered) -> Iterator[Part]:
    for found in zip_front.walk(part):
        if not gathered.enter(part):
            return
        if found.method == _DEFLATED:
            inner = unpacked(chunks(found.packed.open(), DEFLATE), found.packed, gathered, always=False)
        else:
            inner = found.packed if is_part_worth(found.packed) else None
        if inner is None:
            continue
        if _is_named_pickle(found.name):
            for facts in pickle.read(inner.source(), Consumer.TORCH_ZIP, member=inner.member, origin=inner.origin):
                gathered.keep(facts, inner)
        else:
            yield inner
        if inner is not found.packed:
            gathered.release(inner)


@dataclass(frozen=True, slots=True)
class _Archive:
    part: Part
    gathered: Gathered
    facts: ZipFacts
    torch: TorchZipFacts | None

    def parts(self) -> Iterator[Part]:
        storages = self._storages()
        self._check_byte_order()
        for member in self.facts.members:
            if id(member) in storages or not (member.uncompressed or member.compressed):
                continue
            if not self.gathered.enter(self.part):
                return
            consumer = self._consumer(member)
            if self.torch is not None and self._is_code(member):
                self._check_code(member)
            elif consumer is not None:
                inner = self._content(member, always=True)
                if inner is not None:
                    self._follow(inner, member, consumer)
                    self._release(inner)
            elif (inner := self._content(member, always=False)) is not None:
                yield inner
                self._release(inner)

    def _check_byte_order(self) -> None:
        record = self.torch.byteorder if self.torch is not None else None
        inner = self._content(record, always=True) if record is not None else None
        if record is None or inner is None:
            return
        order = inner.at(0, len(b"little") + 1)
        if order == b"big":
            self.gathered.odd(OddityKind.BYTEORDER, inner, 0, "its record `byteorder` says big: each value is swapped")
        elif order != b"little" and self.part.member is None:
            detail = f"the record {quote(record.name)} says neither little nor big"
            self.gathered.differences.append(Difference(Kind.BYTE_ORDER, record.name, record.header_offset, detail))
        self._release(inner)

    def _storages(self) -> set[int]:
        """The members that are the bytes of tensors: torch gives them numbers for names, and nobody else reads them."""
        if self.torch is None:
            return set()
        return {id(member) for key, member in self.torch.storages if key.isdecimal()}

    def _consumer(self, member: Member) -> Consumer | None:
        """The loader that takes a member for a pickle, by its name."""
        torch, name = self.torch, member.name.lower()
        if torch is None or not (torch.is_like_torch or self.gathered.named):
            return None  # a `data.pkl` among other files, which torch would refuse
        if torch.torchscript:
            return Consumer.TORCHSCRIPT if name.endswith(_SCRIPT_PICKLES) else None
        return Consumer.TORCH_ZIP if _is_named_pickle(name) else None

    def _is_code(self, member: Member) -> bool:
        """Whether torch would find code here, whatever the case of the letters."""
        name = member.name.lower()
        return "/code/" in name and name.endswith(".py")

    def _content(self, member: Member, *, always: bool) -> Part | None:
        """The data of a member, unpacked; None where they are not worth it or cannot be had.

        Flags and headers can lie: what torch and `zipfile` refuse is tried all the same, and does not count as read.
        """
        part, way = self.part, self.part.way(member.name)
        begin = member.data_offset
        if begin is None:
            self.gathered.leave(way, "there is no local header where the directory says")
            begin = self._begin_without_magic(member)
        known = member.method == _STORED or member.method in _CODECS
        if member.flags & _ENCRYPTED:
            self.gathered.leave(way, "it is encrypted")
        elif not known:
            self.gathered.leave(way, f"it is compressed by method {member.method}")
        if begin is None:
            return None
        doubtful = bool(member.flags & _ENCRYPTED) or not known or member.data_offset is None
        if member.method not in _CODECS:
            # Of two sizes that differ torch takes the one, others the other.
            inner = part.piece(begin, max(member.uncompressed, member.compressed), member.name)
            if (not always or doubtful) and not is_part_worth(inner):
                return None
        else:
            packed = part.piece(begin, member.compressed, member.name)
            codec = _CODECS[member.method]
            stream = _lzma_chunks(packed) if codec is LZMA else chunks(packed.open(), codec)
            found = unpacked(stream, packed, self.gathered, always=always and not doubtful)
            if found is None:
                return None
            inner = found
        if inner.cut is None and not doubtful:
            self._check_crc(inner, member)
        return inner

    def _begin_without_magic(self, member: Member) -> int | None:
        """Where the data would begin if the local header had its magic number; None where it is none at all."""
        head = self.part.at(member.header_offset, 30 + len(member.raw_name))
        if head[30:] != member.raw_name or not head[30:]:
            return None
        return member.header_offset + len(head) + int.from_bytes(head[28:30], "little")

    def _release(self, inner: Part) -> None:
        if inner.origin is None and inner.stream is not self.part.stream:
            self.gathered.release(inner)

    def _check_crc(self, inner: Part, member: Member) -> None:
        if self.part.member is not None or self.part.origin is None or inner.size > 2**26:
            return
        found, at = 0, 0
        while chunk := inner.at(at, 2**20):
            found, at = zlib.crc32(chunk, found), at + len(chunk)
        if found != member.crc:
            detail = f"the CRC of member {quote(member.name)} is {member.crc:#010x}, that of its data {found:#010x}"
            self.gathered.differences.append(Difference(Kind.CRC, member.name, member.header_offset, detail))

    def _follow(self, inner: Part, member: Member, consumer: Consumer) -> None:
        """A pickle that torch reads from its own archive."""
        gathered = self.gathered
        gathered.consumer = gathered.consumer or consumer
        if not _is_named_data(member.name):
            for facts in pickle.read(inner.source(), consumer, member=inner.member, origin=inner.origin):
                gathered.keep(facts, inner)
            return
        source = inner.source()
        found = run(source)
        if gathered.state is None and self.part.member is None:
            gathered.state = torch_state.describe(found, self._records())
        if found.end is not None and found.end < source.size:  # others are stacked behind it
            for facts in pickle.read(inner.source(), consumer, member=inner.member, origin=inner.origin):
                gathered.keep(facts, inner)
            return
        complete = pickle.complete_run(source, found)
        gathered.keep(pickle.facts_of(complete, consumer, member=inner.member, origin=inner.origin), inner)

    def _records(self) -> dict[str, torch_state.Record]:
        """The tensors' bytes, by the key that the pickle has for them."""
        records: dict[str, torch_state.Record] = {}
        for key, member in self.torch.storages if self.torch is not None else ():
            place = member.data_offset if member.method == _STORED else None
            offset = None if place is None else self.part.place(place)
            records[key] = torch_state.Record(member.name, offset, member.uncompressed)
        return records

    def _check_code(self, member: Member) -> None:
        inner = self._content(member, always=True)
        if inner is None:
            return
        try:
            deeds = torchscript.read(inner.open())
        except python_.PythonInvalid as error:
            self.gathered.leave(inner.member, f"it is code in which hfcheck expected {error.expected}", error.budget)
            deeds = ()
        for deed in deeds:
            self.gathered.odd(OddityKind.CODE, replace(inner, origin=None), None, f"line {deed.line}: {deed.what}")
        self._release(inner)


def _is_named_pickle(name: str) -> bool:
    return name.lower().endswith(_NAMED_PICKLES)


def _is_named_data(name: str) -> bool:
    return name.lower().split("/")[-1] == "data.pkl"


def _lzma_chunks(packed: Part) -> Iterator[bytes]:
    """The data of a member that is packed by LZMA: a version, the length of the properties, and these in front."""
    head = packed.at(0, _LZMA_HEAD)
    if len(head) < _LZMA_HEAD or int.from_bytes(head[2:4], "little") != 5:
        raise CompressedInvalid(0, "the properties of an LZMA stream")
    # The header of an `.lzma` file: the properties and an unknown size.
    data = head[4:] + b"\xff" * 8 + packed.at(_LZMA_HEAD, packed.size)
    yield from chunks(BytesIO(data), LZMA)


def _note_differences(archive: _Archive) -> None:
    """What FMT031 and FMT032 say of a file itself, of an archive inside of another."""
    part, gathered, torch = archive.part, archive.gathered, archive.torch
    is_torch = torch is not None and torch.is_like_torch
    for difference in (*archive.facts.differences, *(torch.differences if torch is not None and is_torch else ())):
        if difference.kind.effect is Effect.ESCAPES:
            gathered.odd(OddityKind.LEAVES_FOLDER, part, difference.offset, difference.detail)
        elif is_torch and len(gathered.inner) < SHOWN:
            way = part.member if difference.member is None else part.way(difference.member)
            gathered.inner.append(replace(difference, member=way, offset=part.place(difference.offset) or 0))
