"""Archives byte by byte: zip with any lie in any field, tar with or without a magic, npy with any header."""

import struct
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
SAME: Final = -1
"""What a header says by itself."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a zip archive; `local_...` and `central_...` say what one of its headers says instead."""

    name: str
    data: bytes = b""
    method: int = STORED
    packed: bytes | None = None
    flags: int = 0
    crc: int = SAME
    version: int = 20
    attributes: int = 0
    extra: bytes = b""
    local_name: str | None = None
    local_flags: int = SAME
    local_method: int = SAME
    local_size: int = SAME
    local_crc: int = SAME
    local_extra_length: int = SAME
    local_magic: bytes = b"PK\x03\x04"
    central_size: int = SAME

    def bytes_in_file(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != DEFLATED:
            return self.data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.data) + packer.flush()


def _or(said: int, true: int) -> int:
    return true if said == SAME else said


def _local(member: Member) -> bytes:
    packed, name = member.bytes_in_file(), (member.local_name or member.name).encode()
    crc = _or(member.local_crc, _or(member.crc, zlib.crc32(member.data)))
    size = _or(member.local_size, len(member.data))
    head = struct.pack(
        "<4s5H3I2H",
        member.local_magic,
        member.version,
        _or(member.local_flags, member.flags),
        _or(member.local_method, member.method),
        0,
        0x21,
        crc,
        _or(member.local_size, len(packed)),
        size,
        len(name),
        _or(member.local_extra_length, len(member.extra)),
    )
    return head + name + member.extra + packed


def _central(member: Member, offset: int) -> bytes:
    packed, name = member.bytes_in_file(), member.name.encode()
    head = struct.pack(
        "<4s6H3I5H2I",
        b"PK\x01\x02",
        0x0314,
        member.version,
        member.flags,
        member.method,
        0,
        0x21,
        _or(member.crc, zlib.crc32(member.data)),
        _or(member.central_size, len(packed)),
        _or(member.central_size, len(member.data)),
        len(name),
        0,
        0,
        0,
        0,
        member.attributes,
        offset,
    )
    return head + name


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a zip archive says besides the truth."""

    entries: int = 0
    """Added to the number of entries."""
    shift: int = 0
    """Added to the place of the central directory."""
    comment: bytes = b""
    disk: int = 0
    magic: bytes = b"PK\x05\x06"


HONEST = Ending()


def zip_(*members: Member, ending: Ending = HONEST, offsets: dict[str, str] | None = None) -> bytes:
    """An archive. `offsets`: members whose central entry points at the local header of another."""
    out, places = b"", {}
    starts = []
    for member in members:
        starts.append(len(out))
        places[member.name] = len(out)
        out += _local(member)
    directory = len(out)
    for member, start in zip(members, starts, strict=True):
        shown = places[offsets[member.name]] if offsets and member.name in offsets else start
        out += _central(member, shown)
    return out + _end(len(members), len(out) - directory, directory, ending)


def _end(count: int, size: int, directory: int, ending: Ending) -> bytes:
    shown = count + ending.entries
    return struct.pack(
        f"<4s4H2IH{len(ending.comment)}s",
        ending.magic,
        ending.disk,
        ending.disk,
        shown,
        shown,
        size,
        directory + ending.shift,
        len(ending.comment),
        ending.comment,
    )


def write_sparse(path: Path, *members: Member, holes: dict[str, int]) -> None:
    """An archive on disk, in which the members in `holes` have so many zeros that take no room."""
    starts = []
    with path.open("wb") as stream:
        shown = [
            replace(m, local_size=holes[m.name], central_size=holes[m.name]) if m.name in holes else m for m in members
        ]
        for member in shown:
            starts.append(stream.tell())
            stream.write(_local(member))
            stream.seek(holes.get(member.name, 0), 1)
        directory = stream.tell()
        entries = b"".join(_central(member, start) for member, start in zip(shown, starts, strict=True))
        stream.write(entries + _end(len(shown), len(entries), directory, HONEST))


def tar(*members: tuple[str, bytes], magic: bytes = b"ustar\x0000", kinds: dict[str, bytes] | None = None) -> bytes:
    """A tar archive; without a magic it is a V7 one, which only its checksum tells. `kinds`: links, `b"2TARGET"`."""
    out = b""
    for name, data in members:
        kind = (kinds or {}).get(name, b"0")
        header = bytearray(512)
        header[0 : len(name)] = name.encode()
        header[100:108], header[108:116], header[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
        header[124:136], header[136:148] = b"%011o\0" % len(data), b"%011o\0" % 0
        header[148:156], header[156:157] = b" " * 8, kind[:1]
        header[157 : 157 + len(kind) - 1] = kind[1:]
        header[257 : 257 + len(magic)] = magic
        header[148:156] = b"%06o\0 " % sum(header)
        out += bytes(header) + data + bytes(-len(data) % 512)
    return out + bytes(1024)


v7_tar = partial(tar, magic=b"")


def npy(descr: str, shape: str, data: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """A `.npy` file; `descr` and `shape` are Python text."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    width = 2 if version[0] == 1 else 4
    room = -(6 + 2 + width + len(header) + 1) % 64
    line = header.encode() + b" " * room + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(line).to_bytes(width, "little") + line + data
