"""What unpacks to more than any machine has: it is said where the limit was, and it takes neither time nor memory.

Each file is read in a process of its own. Its peak of memory counts what one member may take (256 MiB) and no more.
"""

import bz2
import gzip
import io
import json
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

MEMORY = 400 * 2**20
SECONDS = 10

CHILD = """
import json, re, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from hfcheck.formats import pickled, sniff, zip_
start, said = time.process_time(), []
with open(sys.argv[1], "rb") as stream:
    head = stream.read(1024)
    kind, archive = sniff.content(head, stream.seek(0, 2)), None
    if kind is sniff.Content.ZIP:
        archive = zip_.read(stream)
    found = pickled.read(stream, kind, archive, named=False)
    if found is not None:
        said = sorted({part.budget for part in found.unread if part.budget})
seconds = time.process_time() - start
peak = re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())
print(json.dumps([said, len(found.pickles) if found else 0, int(peak[1]) * 1024, seconds]))
"""

PICKLE = b"\x80\x02cbuiltins\nprint\n0X\x00\x00\x00\x7f"
"""It imports something, and then announces a string of two gigabytes."""


@dataclass(frozen=True)
class Bomb:
    title: str
    data: Callable[[], bytes]
    said: tuple[str, ...] = ()
    pickles: int = 0

    def __str__(self) -> str:
        return self.title


def deflated_zeros(megabytes: int, head: bytes = PICKLE) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)]
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)  # nothing in it refers to what was before
    return b"".join([*parts, *[block] * megabytes, packer.flush()])


def gzipped(megabytes: int, head: bytes = PICKLE) -> bytes:
    return b"\x1f\x8b\x08" + bytes(7) + deflated_zeros(megabytes, head) + bytes(8)


def repeated(compress: Callable[[bytes], bytes], megabytes: int) -> bytes:
    """Streams one behind the other, which all readers take for one."""
    return compress(PICKLE) + compress(bytes(2**20)) * megabytes


def same_member(times: int, megabytes: int) -> bytes:
    """An archive whose directory names the same compressed bytes many times."""
    data = deflated_zeros(megabytes)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("a")
        archive.writestr(info, data)
    whole = stream.getvalue()
    start = whole.rindex(b"PK\x01\x02")
    entry = bytearray(whole[start : whole.rindex(b"PK\x05\x06")])
    entry[10:12] = struct.pack("<H", 8)
    entry[24:28] = struct.pack("<I", megabytes * 2**20 + len(PICKLE))
    directory = b"".join(bytes(entry[:46]) + bytes(entry[46:]) for _ in range(times))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, times, times, len(directory), start, 0)
    return whole[:start] + directory + end


def nested(levels: int) -> bytes:
    data = gzipped(300)
    for _ in range(levels):
        data = gzip.compress(data)
    return data


def tar_of(members: int) -> bytes:
    header = bytearray(512)
    header[:1] = b"a"
    header[124:136] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) * members


def npy_header(text: bytes) -> bytes:
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(text)) + text


def xz_with_dictionary() -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**28}]
    return lzma.compress(PICKLE + bytes(2**20), lzma.FORMAT_XZ, filters=filters)


BOMBS = [
    Bomb("gzip of 300 MiB", lambda: gzipped(300), ("pickled.member",), 1),
    Bomb("gzip of 300 MiB that is no pickle", lambda: gzipped(300, b"text")),
    Bomb("gzip in gzip", lambda: nested(2), ("pickled.member",), 1),
    Bomb("gzip in gzip in gzip in gzip", lambda: nested(3), ("pickled.depth",)),
    Bomb("bzip2 of 300 MiB", lambda: repeated(bz2.compress, 300), ("pickled.member",), 1),
    Bomb("xz of 300 MiB", lambda: repeated(lzma.compress, 300), ("pickled.member",), 1),
    Bomb("xz that looks back further than anybody needs", xz_with_dictionary),
    Bomb("the same member 100 times", lambda: same_member(100, 200), ("pickled.inflated",), 6),
    Bomb("100,001 members of a tar", lambda: tar_of(100_001), ("tar.members",)),
    Bomb("a header of a million brackets", lambda: npy_header(b"[" * 10**6)),
    Bomb("a header of a million numbers", lambda: npy_header(b"[" + b"0," * 10**6 + b"]")),
    Bomb("a header of 10,000 brackets", lambda: npy_header(b"(" * 9999)),
]


@pytest.mark.parametrize("bomb", BOMBS, ids=str)
def test_bomb(bomb: Bomb, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb.data())
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, pickles, peak, seconds = json.loads(done.stdout)
    assert (tuple(said), pickles) == (bomb.said, bomb.pickles)
    assert peak < MEMORY, f"{peak / 2**20:.0f} MiB"
    assert seconds < SECONDS
