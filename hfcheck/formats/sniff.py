"""What a file is by its first bytes, whatever its name says."""

import codecs
from enum import Enum

from hfcheck.formats import lfs

HEAD = 1024
"""Bytes from the start of a file that `content` wants to see."""


class Content(Enum):
    """The value is how a message calls it, with its article."""

    EMPTY = "an empty file"
    POINTER = "a Git LFS pointer"
    SAFETENSORS = "a safetensors file"
    GGUF = "a GGUF file"
    ZIP = "a zip archive"
    PICKLE = "a pickle"
    TAR = "a tar archive"
    GZIP = "a gzip file"
    BZIP2 = "a bzip2 file"
    XZ = "an xz file"
    ZSTD = "a Zstandard file"
    LZ4 = "an LZ4 file"
    SEVEN_ZIP = "a 7z archive"
    RAR = "a RAR archive"
    HDF5 = "an HDF5 file"
    ONNX = "an ONNX model"
    NPY = "a NumPy array"
    TFLITE = "a TFLite model"
    PNG = "a PNG picture"
    JPEG = "a JPEG picture"
    PDF = "a PDF document"
    ELF = "an ELF executable"
    PE = "a Windows executable"
    MACH_O = "a Mach-O executable"
    HTML = "an HTML page"
    XML = "an XML document"
    JSON = "JSON text"
    TEXT = "plain text"
    UNKNOWN = "data of no known type"


_MAGIC: tuple[tuple[int, bytes, Content], ...] = (
    (0, b"GGUF", Content.GGUF),
    (0, b"PK\x03\x04", Content.ZIP),
    (0, b"PK\x05\x06", Content.ZIP),
    (0, b"\x1f\x8b\x08", Content.GZIP),
    (0, b"BZh", Content.BZIP2),
    (0, b"\xfd7zXZ\x00", Content.XZ),
    (0, b"\x28\xb5\x2f\xfd", Content.ZSTD),
    (0, b"\x04\x22\x4d\x18", Content.LZ4),
    (0, b"7z\xbc\xaf\x27\x1c", Content.SEVEN_ZIP),
    (0, b"Rar!\x1a\x07", Content.RAR),
    (0, b"\x89HDF\r\n\x1a\n", Content.HDF5),
    (0, b"\x93NUMPY", Content.NPY),
    (4, b"TFL3", Content.TFLITE),
    (0, b"\x89PNG\r\n\x1a\n", Content.PNG),
    (0, b"\xff\xd8\xff", Content.JPEG),
    (0, b"%PDF-", Content.PDF),
    (0, b"\x7fELF", Content.ELF),
    (0, b"\xcf\xfa\xed\xfe", Content.MACH_O),
    (0, b"\xca\xfe\xba\xbe", Content.MACH_O),
    (257, b"ustar", Content.TAR),
)

ARCHIVES = frozenset(
    {Content.TAR, Content.GZIP, Content.BZIP2, Content.XZ, Content.ZSTD, Content.LZ4, Content.SEVEN_ZIP, Content.RAR}
)
"""Wrappings that hfcheck does not look into in this version."""


def content(head: bytes, size: int) -> Content:
    """The type of a file of `size` bytes that starts with `head`, its first `HEAD` bytes or all there are."""
    if size == 0:
        return Content.EMPTY
    if lfs.is_pointer(head) and size <= lfs.MAX_BYTES:
        return Content.POINTER
    for at, magic, kind in _MAGIC:
        if head.startswith(magic, at):
            return kind
    if head.startswith(b"MZ") and size > 64 and not head[:64].isascii():
        return Content.PE
    # Eight bytes of length, then a brace: the length is at most the file, or this is text that happens to look so.
    if head[8:9] == b"{" and len(b"{}") <= int.from_bytes(head[:8], "little") <= size - 8:
        return Content.SAFETENSORS
    if _is_pickle(head):
        return Content.PICKLE
    if _is_onnx(head):
        return Content.ONNX
    return _text(head, size)


def _is_pickle(head: bytes) -> bool:
    """PROTO 2 to 5 and a sane next opcode; protocols 0 and 1 have no magic and are left to the pickle reader."""
    if len(head) < 3 or head[0] != 0x80 or not 2 <= head[1] <= 5:
        return False
    # FRAME, the opcodes that start an object, or the long integer of a legacy torch file.
    return head[2:3] in b"\x95}]()NKMJ\x8aXcBCGV\x8c\x8d\x8e\x8f\x88\x89I."


def _is_onnx(head: bytes) -> bool:
    """`ModelProto`: field 1 (`ir_version`, a small varint), then a known field with its wire type."""
    return (
        len(head) > 3
        and head[0] == 0x08
        and 0 < head[1] < 0x40
        and head[2] in {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42}
    )


def _text(head: bytes, size: int) -> Content:
    try:  # the cut after the head may go through a character
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(head) >= size)
    except UnicodeDecodeError:
        return Content.UNKNOWN
    if any(char < " " and char not in "\t\n\r\f\x1b" for char in text):
        return Content.UNKNOWN
    start = text.lstrip()[:64].lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return Content.HTML
    if start.startswith("<?xml"):
        return Content.XML
    return Content.JSON if start[:1] in ("{", "[") else Content.TEXT
