"""What a file is by its first bytes: each kind, and what only looks like it."""

import json
import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import lfs
from hfcheck.formats.sniff import HEAD, Content, content

HEADER = struct.pack("<Q", 2) + b"{}"
OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch.save before 1.6, as a pickle
TAR = b"a".ljust(257, b"\0") + b"ustar\x0000"

NPY = b"\x93NUMPY\x01\0\x40\0{'descr': '%s', 'fortran_order': False, 'shape': (0,), }".ljust(74) + b"\n"
VALUES: tuple[object, ...] = ([], (), None, 1, 2**40, "a", b"a", set(), 1.5, True)
KINDS = [
    (b"", Content.EMPTY),
    (lfs.MAGIC + b"\noid sha256:", Content.POINTER),
    (lfs.LEGACY_MAGIC + b"\n", Content.POINTER),
    (HEADER, Content.SAFETENSORS),
    (struct.pack("<Q", 5) + b"{}   ", Content.SAFETENSORS),
    (struct.pack("<4sIQQ", b"GGUF", 3, 0, 0), Content.GGUF),
    (b"PK\x03\x04\x14\0", Content.ZIP),
    (b"PK\x05\x06" + bytes(18), Content.ZIP),
    *((pickle.dumps({"a": 1}, protocol), Content.PICKLE) for protocol in (2, 3, 4, 5)),
    *((pickle.dumps(value, 2), Content.PICKLE) for value in VALUES),
    (OLD_TORCH, Content.PICKLE),
    (TAR, Content.TAR),
    (b"\x1f\x8b\x08\0", Content.GZIP),
    (b"BZh91AY", Content.BZIP2),
    (b"\xfd7zXZ\0\0", Content.XZ),
    (b"\x28\xb5\x2f\xfd\0", Content.ZSTD),
    (b"\x04\x22\x4d\x18d", Content.LZ4),
    (b"7z\xbc\xaf\x27\x1c\0", Content.SEVEN_ZIP),
    (b"Rar!\x1a\x07\x01", Content.RAR),
    (b"\x89HDF\r\n\x1a\n\0", Content.HDF5),
    (b"\x08\x07\x12\x04test", Content.ONNX),
    (b"\x08\x08\x3a\x02\x12\x00", Content.ONNX),
    (NPY % b"<f4", Content.NPY),
    (NPY % b"|O", Content.NPY_OBJECTS),
    (b"\x1c\0\0\0TFL3", Content.TFLITE),
    (b"\x89PNG\r\n\x1a\n", Content.PNG),
    (b"\xff\xd8\xff\xe0", Content.JPEG),
    (b"%PDF-1.7", Content.PDF),
    (b"\x7fELF\x02", Content.ELF),
    (b"MZ\x90\0".ljust(128, b"\xf0"), Content.PE),
    (b"\xcf\xfa\xed\xfe\x07", Content.MACH_O),
    (b"\n<!DOCTYPE html>", Content.HTML),
    (b"<HTML lang=en>", Content.HTML),
    (b"\xef\xbb\xbf<?xml version='1.0'?>", Content.XML),
    (b' {"a": 1}', Content.JSON),
    (b"\xef\xbb\xbf[1]", Content.JSON),
    (b"# a card\n", Content.TEXT),
    ("é 😀\x1b[0m".encode(), Content.TEXT),
    ("é".encode("latin-1"), Content.UNKNOWN),
    (b"a\0b", Content.UNKNOWN),
    (bytes(100), Content.UNKNOWN),
]

NEAR_MISSES = [
    pytest.param(lfs.MAGIC + b"x" * 2000, Content.TEXT, id="a text that begins like a pointer and is too long for one"),
    pytest.param(b"A pointer reads:\n" + lfs.MAGIC, Content.TEXT, id="a text that quotes a pointer"),
    pytest.param(struct.pack("<Q", 100) + b"{}", Content.SAFETENSORS, id="a length beyond the file, which was cut off"),
    pytest.param(b"version {x}", Content.TEXT, id="a length beyond the file, which is text"),
    pytest.param(bytes(8) + b"{}", Content.UNKNOWN, id="a header of no bytes"),
    pytest.param(b'       \n{"a": 1}', Content.JSON, id="eight spaces before a brace"),
    pytest.param(b"\x80\x02\xff", Content.UNKNOWN, id="a protocol and no opcode behind it"),
    pytest.param(b"\x80\x06]", Content.UNKNOWN, id="a protocol of the future"),
    pytest.param(b"\x80\x02", Content.UNKNOWN, id="a protocol alone"),
    pytest.param(b"\x08\x07", Content.UNKNOWN, id="the first field of an ONNX model alone"),
    pytest.param(b"MZ is a name of two letters, " * 4, Content.TEXT, id="text that begins like a Windows program"),
    pytest.param(b"MZ\x90\0", Content.UNKNOWN, id="too short for a Windows program"),
    pytest.param(b"<p>not a page", Content.TEXT, id="a tag that no page begins with"),
    pytest.param(b"PK\x01\x02", Content.UNKNOWN, id="the middle of an archive"),
    pytest.param(b"ustar", Content.TEXT, id="the word alone"),
]


@pytest.mark.parametrize(("data", "kind"), KINDS)
def test_kinds(data: bytes, kind: Content) -> None:
    assert content(data[:HEAD], len(data)) is kind


@pytest.mark.parametrize(("data", "kind"), NEAR_MISSES)
def test_near_misses(data: bytes, kind: Content) -> None:
    assert content(data[:HEAD], len(data)) is kind


def test_every_kind_is_tested() -> None:
    assert {kind for _, kind in KINDS} == set(Content)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text("aé€😀 \n", min_size=1, max_size=20), st.integers(0, 3))
def test_a_head_that_ends_inside_a_character_is_text(text: str, shift: int) -> None:
    data = b"#" * (1 + shift) + text.encode() * HEAD
    assert content(data[:HEAD], len(data)) is Content.TEXT


def test_json_with_a_head_that_ends_inside_a_character() -> None:
    for key in ("é" * 600, "aé" * 600, "€" * 600):
        data = json.dumps({key: list(range(900))}, indent=2, ensure_ascii=False).encode()
        assert content(data[:HEAD], len(data)) is Content.JSON
