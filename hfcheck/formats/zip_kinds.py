"""Where readers of a zip archive part: every kind of difference, what it does, and why.

Measured with torch 2.13 (miniz 3.0.2, third_party/miniz-3.0.2/miniz.c) and `zipfile` of CPython 3.11. The format:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from dataclasses import dataclass, field
from enum import Enum

SHOWN = 100
"""Differences of one kind that are kept with their place; the rest is counted."""


class Effect(Enum):
    """What a difference leads to. All but HARMLESS are faults of the archive."""

    HARMLESS = "every reader sees the same"
    TORCH_REFUSES = "torch refuses what others read"
    OTHERS_REFUSE = "torch reads what others refuse"
    AMBIGUOUS = "readers see different contents"
    ESCAPES = "unpacking can write outside the folder"
    EXHAUSTS = "unpacking can fill memory or disk"


class Kind(Enum):
    """A kind of difference, with its effect and the reason for it."""

    # The records at the end of the archive.
    TRAILING = (Effect.HARMLESS, "readers look for the end record in the last 64 KiB, whatever stands behind it")
    END_MISSED = (
        Effect.TORCH_REFUSES,
        "torch's search skips the first 4 KiB of a file that ends in so many other bytes",
    )
    END_FAR = (Effect.OTHERS_REFUSE, "zipfile looks for the end record in the last 64 KiB, torch a little further back")
    SECOND_END = (Effect.AMBIGUOUS, "torch takes the last end record, others one whose comment fits, or none")
    DISKS = (
        Effect.TORCH_REFUSES,
        "torch reads archives of one disk, numbered 0 or 1 throughout; zipfile does not look",
    )
    ZIP64_END = (Effect.AMBIGUOUS, "torch follows the zip64 locator, zipfile takes the bytes before it, others neither")
    # The place and the length of the central directory.
    PREFIX = (Effect.TORCH_REFUSES, "torch and numpy know an archive by its first bytes and count offsets from there")
    CONCATENATED = (Effect.TORCH_REFUSES, "zipfile reads the last archive, a reader that starts at the front the first")
    MISSING = (Effect.TORCH_REFUSES, "bytes were lost before the directory, zipfile reads what stands behind the loss")
    DIRECTORY_PLACE = (
        Effect.OTHERS_REFUSE,
        "torch goes to the offset that is given, zipfile expects the end record next",
    )
    TWO_DIRECTORIES = (
        Effect.AMBIGUOUS,
        "torch reads the directory at the given offset, zipfile the one before the end",
    )
    DIRECTORY_TAIL = (
        Effect.OTHERS_REFUSE,
        "torch stops after the number of entries, zipfile at the end of the directory",
    )
    DIRECTORY_CUT = (
        Effect.TORCH_REFUSES,
        "the last entry is longer than what is left, and zipfile takes what there is",
    )
    COUNT_FEWER = (Effect.AMBIGUOUS, "torch reads as many entries as are counted, zipfile all that are there")
    COUNT_MORE = (Effect.TORCH_REFUSES, "torch refuses the archive, zipfile does not look at the number")
    # An entry of the central directory.
    ZIP64_EXTRA = (Effect.TORCH_REFUSES, "a size or an offset refers to a zip64 field that is not there")
    FLAGS = (
        Effect.TORCH_REFUSES,
        "torch reads no encrypted, patched or masked member, zipfile ignores some of the bits",
    )
    METHOD = (Effect.TORCH_REFUSES, "torch reads stored and deflated members only, zipfile bzip2 and lzma too")
    VERSION = (
        Effect.OTHERS_REFUSE,
        "zipfile refuses an archive that asks for version 6.4 or later, torch does not look",
    )
    STORED_SIZES = (
        Effect.AMBIGUOUS,
        "of a stored member torch reads the uncompressed size, others the smaller of the two",
    )
    NO_DATA = (Effect.TORCH_REFUSES, "torch refuses an archive in which something is compressed to nothing")
    FOLDER_WITH_DATA = (Effect.AMBIGUOUS, "torch takes it for a folder and returns memory that it never filled")
    # Names.
    DUPLICATE = (Effect.AMBIGUOUS, "torch finds either copy, depending on the other names; zipfile takes the last")
    CASE = (Effect.AMBIGUOUS, "torch ignores the case of ASCII letters and finds either, zipfile tells them apart")
    NUL = (Effect.AMBIGUOUS, "zipfile cuts the name at the zero byte, torch looks for the whole")
    ENCODING = (Effect.TORCH_REFUSES, "torch takes every name for UTF-8, zipfile those that are said to be")
    UNICODE_PATH = (
        Effect.AMBIGUOUS,
        "unzip and newer zipfile take the name from the extra field 0x7075, torch does not",
    )
    TRAVERSAL = (Effect.ESCAPES, "a tool that unpacks as told leaves its folder")
    ABSOLUTE = (Effect.ESCAPES, "a tool that unpacks as told writes anywhere")
    BACKSLASH = (Effect.AMBIGUOUS, "a separator on Windows, a character of the name elsewhere")
    LINK = (Effect.ESCAPES, "unzip makes a link or a device of it, and later members are written through it")
    # Local headers against the central directory. torch and zipfile go by the latter, streaming readers by the former.
    LOCAL_HEADER = (
        Effect.TORCH_REFUSES,
        "no local header where the directory says; mapped reading takes what is there",
    )
    LOCAL_NAME = (Effect.AMBIGUOUS, "torch goes by the directory, zipfile refuses, others go by the local header")
    LOCAL_FLAGS = (Effect.AMBIGUOUS, "torch goes by the directory, zipfile takes the coding of the name from here")
    LOCAL_METHOD = (Effect.AMBIGUOUS, "a streaming reader unpacks by another method than torch and zipfile")
    LOCAL_SIZES = (Effect.AMBIGUOUS, "a streaming reader takes other bytes for the member than torch and zipfile")
    # The data of those members that hfcheck reads (`hfcheck.formats.zip_members`).
    CRC = (Effect.AMBIGUOUS, "torch reads it all the same, zipfile and the scanners built on it refuse it")
    BYTE_ORDER = (Effect.TORCH_REFUSES, "torch raises `Unknown endianness type`")
    # The layout of the members.
    BEYOND_END = (Effect.TORCH_REFUSES, "the file ends before the member does")
    OVERLAP = (Effect.AMBIGUOUS, "the bytes of one member are read as another, which is also how bombs are made")
    GAP = (Effect.AMBIGUOUS, "bytes that belong to no member: data read from a shifted place, or a member kept hidden")
    INFLATION = (Effect.EXHAUSTS, "the declared size is over 100 MiB and over 100 times what the archive holds")
    # What torch expects of its own archives (`hfcheck.formats.torch_zip`).
    NO_ROOT = (Effect.TORCH_REFUSES, "torch takes the folder of the first member for the root of all")
    SEVERAL_ROOTS = (Effect.TORCH_REFUSES, "torch refuses a member outside the folder of the first one")
    NO_PICKLE = (Effect.TORCH_REFUSES, "torch looks for data.pkl directly in the root folder")
    NO_VERSION = (Effect.TORCH_REFUSES, "torch reads the record `version` before anything else")
    DEFLATED_TENSOR = (
        Effect.AMBIGUOUS,
        "mapped reading, as `from_pretrained` does it, takes the compressed bytes as weights",
    )

    def __init__(self, effect: Effect, reason: str) -> None:
        self.effect = effect
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where readers part. `offset` counts bytes from the start of the file; `detail` is a plain sentence."""

    kind: Kind
    member: str | None
    offset: int
    detail: str


@dataclass(slots=True)
class Differences:
    """A collector for a file of `size` bytes, of bounded memory: a hostile directory differs in a million places."""

    size: int
    kept: list[Difference] = field(default_factory=list)
    left_out: int = 0
    counts: dict[Kind, int] = field(default_factory=dict)

    def add(self, kind: Kind, offset: int, detail: str, member: str | None = None) -> None:
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count <= SHOWN:
            # An offset that was read from the file may lead anywhere.
            self.kept.append(Difference(kind, member, min(max(offset, 0), self.size), detail))
        else:
            self.left_out += 1
