"""Git LFS pointers: the text that stands for a file that was not fetched.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

import re
from dataclasses import dataclass
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 1024
"""The specification: pointer files are less than 1024 bytes."""

MAGIC = b"version https://git-lfs.github.com/spec/v1"
LEGACY_MAGIC = b"version https://hawser.github.com/spec/v1"

_OID = re.compile(rb"oid sha256:([0-9a-f]{64})")
_SIZE = re.compile(rb"size ([0-9]{1,19})")


class PointerInvalid(Invalid):
    """The text begins as a pointer and is none."""


@dataclass(frozen=True, slots=True)
class PointerFacts:
    """The file that belongs here: its size in bytes and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


def is_pointer(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a pointer, well-formed or not."""
    return head.startswith((MAGIC, LEGACY_MAGIC))


def read(stream: IO[bytes]) -> PointerFacts:
    """The pointer in a file; raises PointerInvalid."""
    stream.seek(0)
    text = stream.read(MAX_BYTES + 1)
    if not is_pointer(text):
        raise PointerInvalid(0, "the version line of a Git LFS pointer")
    if len(text) > MAX_BYTES:
        raise PointerInvalid(MAX_BYTES, f"a pointer of at most {MAX_BYTES} bytes")
    values: dict[bytes, int | str] = {}
    offset = 0
    for line in text.splitlines(keepends=True):
        # CR LF is what a checkout with autocrlf makes of it: git-lfs no longer takes it, its meaning is plain.
        content = line.rstrip(b"\r\n")
        if match := _OID.fullmatch(content):
            values[b"oid"] = match[1].decode()
        elif match := _SIZE.fullmatch(content):
            values[b"size"] = int(match[1])
        elif content.startswith((b"oid ", b"size ")):
            raise PointerInvalid(offset, "`oid sha256:` and 64 digits, or `size` and a number")
        offset += len(line)
    match values:
        case {b"oid": str(oid), b"size": int(size)}:
            return PointerFacts(size, oid)
    raise PointerInvalid(offset, "the lines `oid` and `size` of a Git LFS pointer")
