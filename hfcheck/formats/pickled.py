"""The pickles of a file, as the loaders of such files would find them: routed by content, never by its name."""

from dataclasses import dataclass
from enum import Enum
from typing import IO

from hfcheck.formats.pickle_facts import Consumer, PickleFacts
from hfcheck.formats.sniff import HEAD, Content
from hfcheck.formats.torch_state import StateDict
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.formats.zip_kinds import Difference


class OddityKind(Enum):
    """What is odd about a container of pickles; the value completes "the file ..."."""

    MAGIC = "has no magic number of torch where `torch.load` looks for it, or computes it"
    TRAILING = "goes on behind its last part"
    TRUNCATED = "ends before its last part does"
    STORAGE = "stores a tensor in fewer or more bytes than it takes"
    LEAVES_FOLDER = "names a file outside the folder that it lies in"
    CODE = "holds code that a loader runs"
    CLOSED = "is an archive that loaders of models cannot open, which hides it from scanners"
    BYTEORDER = "was written on a machine of the other byte order"
    BOMB = "unpacks to far more than it is"
    TWO_FORMATS = "is an archive to some readers and something else to others"


@dataclass(frozen=True, slots=True)
class Oddity:
    """A place in a container. `offset` counts bytes of the file, None inside what was unpacked; `detail` a sentence."""

    kind: OddityKind
    member: str | None
    offset: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the file that was not looked into, and why (a phrase). `budget`: the limit of hfcheck, if it was."""

    member: str | None
    why: str
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class PickledFacts:
    """What unpicklers would find in one file: `consumer` is the loader that its content is made for.

    `state` is the state dict, where the file is one of torch and its root is a mapping with tensors in it.
    `object_arrays`: arrays of Python objects, for which `numpy.load` wants `allow_pickle=True`. `differences`: where
    the data of a zip archive are other than its directory says; all others are in the facts of the archive. `inner` are
    the differences of archives of torch that lie inside of others, with the way to them as part of the member.
    """

    consumer: Consumer
    pickles: tuple[PickleFacts, ...]
    state: StateDict | None = None
    oddities: tuple[Oddity, ...] = ()
    unread: tuple[Unread, ...] = ()
    object_arrays: tuple[str | None, ...] = ()
    differences: tuple[Difference, ...] = ()
    inner: tuple[Difference, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every part was looked into and every pickle followed to its end."""
        return not self.unread and all(pickle.complete for pickle in self.pickles)


MARKED = frozenset({
    Content.ZIP, Content.PICKLE, Content.TAR, Content.GZIP, Content.BZIP2, Content.XZ, Content.ZSTD, Content.LZ4,
    Content.SEVEN_ZIP, Content.RAR, Content.NPY, Content.NPY_OBJECTS,
})  # fmt: skip
"""Contents that a loader may find a pickle in."""

OPENINGS = frozenset(b"(BCFGIJKLMNPSTUVX]c}\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97)ip")
"""Opcodes that a pickle can begin with: all others want something on the stack."""

WRAPPERS = (b"x\x01", b"x^", b"x\x9c", b"x\xda", b"]\x00", b"ZF0x")
"""First bytes of zlib, lzma and the compressed files of old joblib, which are no magic numbers to speak of."""


def may_hold(head: bytes, content: Content) -> bool:
    """Whether it is worth a look: most files cannot be a pickle by their first byte, and are no archive."""
    if content in MARKED:
        return True
    if content in (Content.EMPTY, Content.POINTER) or not head:
        return False
    return head[0] in OPENINGS or may_be_packed(head)


def may_be_packed(head: bytes) -> bool:
    """Whether this may be an archive or a compressed stream that has no magic number."""
    return head.startswith(WRAPPERS) or _is_tar(head)


def read(stream: IO[bytes], content: Content, archive: ZipFacts | None = None, *, named: bool) -> PickledFacts | None:
    """What unpicklers would find in a file; None where it holds neither a pickle nor anything that could hold one.

    `archive` is its directory, where it was read already. `named`: the name is one that loaders hand to an unpickler.
    It never raises but for an error of the disk: what cannot be read is among the facts.
    """
    if not named and content not in MARKED and not _is_worth(stream, content):
        return None
    from hfcheck.formats import unpacking  # noqa: PLC0415 - a repository without pickles does without all of that

    return unpacking.follow(stream, archive, named=named)


def _is_worth(stream: IO[bytes], content: Content) -> bool:
    """Whether the machine, or another reader, would go on with a file without any magic number."""
    stream.seek(0)
    head = stream.read(HEAD)
    if not may_hold(head, content):
        return False
    if may_be_packed(head):
        return True
    from hfcheck.formats.pickle_probe import JUDGED, may_be_pickle  # noqa: PLC0415 - as above

    head += stream.read(JUDGED - len(head))
    return may_be_pickle(head, whole=not stream.read(1))


def _is_tar(head: bytes) -> bool:
    """Whether there are digits where a tar archive has its checksum, which is looked at later."""
    return len(head) >= 512 and head[148:156].strip(b" \0").isdigit()
