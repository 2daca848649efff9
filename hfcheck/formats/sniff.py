"""What a file is by its first bytes, whatever its name says."""

import codecs
from enum import Enum

from hfcheck.formats import lfs
from hfcheck.formats.pickle_head import begins_pickle

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
    NPY_OBJECTS = "a NumPy array of pickled objects"
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


_MAGIC: tuple[tuple[bytes, Content], ...] = (
    (b"GGUF", Content.GGUF),
    (b"PK\x03\x04", Content.ZIP),
    (b"PK\x05\x06", Content.ZIP),
    (b"\x1f\x8b\x08", Content.GZIP),
    (b"BZh", Content.BZIP2),
    (b"\xfd7zXZ\x00", Content.XZ),
    (b"\x28\xb5\x2f\xfd", Content.ZSTD),
    (b"\x04\x22\x4d\x18", Content.LZ4),
    (b"7z\xbc\xaf\x27\x1c", Content.SEVEN_ZIP),
    (b"Rar!\x1a\x07", Content.RAR),
    (b"\x89HDF\r\n\x1a\n", Content.HDF5),
    (b"\x93NUMPY", Content.NPY),
    (b"\x89PNG\r\n\x1a\n", Content.PNG),
    (b"\xff\xd8\xff", Content.JPEG),
    (b"%PDF-", Content.PDF),
    (b"\x7fELF", Content.ELF),
    (b"\xcf\xfa\xed\xfe", Content.MACH_O),
    (b"\xca\xfe\xba\xbe", Content.MACH_O),
)

_INNER_MAGIC: tuple[tuple[int, bytes, Content], ...] = ((4, b"TFL3", Content.TFLITE), (257, b"ustar", Content.TAR))
"""What stands further in can stand in a pickle."""


def content(head: bytes, size: int) -> Content:
    """The type of a file of `size` bytes that starts with `head`, its first `HEAD` bytes or all there are."""
    if size == 0:
        return Content.EMPTY
    if lfs.is_pointer(head) and size <= lfs.MAX_BYTES:
        return Content.POINTER
    if _is_safetensors(head, size):
        return Content.SAFETENSORS
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if kind is not None:
        return Content.NPY_OBJECTS if kind is Content.NPY and _may_hold_objects(head) else kind
    if begins_pickle(head, size):
        return Content.PICKLE
    return _weakly_marked(head, size) or _text(head, size)


def _weakly_marked(head: bytes, size: int) -> Content | None:
    """Kinds whose marks are so short, or so far in, that a pickle can have them as well."""
    for at, magic, kind in _INNER_MAGIC:
        if head.startswith(magic, at):
            return kind
    if head.startswith(b"MZ") and size > 64 and not head[:64].isascii():
        return Content.PE
    return Content.ONNX if _is_onnx(head) else None


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of length, then a brace. A length beyond the file is that of one that was cut off, or it is text."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and len(b"{}") <= length and (length <= size - 8 or not any(head[5:8]))


def _may_hold_objects(head: bytes) -> bool:
    """Whether `O` is among the types in the header of a NumPy array, or the header goes on behind the head.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    wide = head[6:7] > b"\x01"
    start = 12 if wide else 10
    end = start + int.from_bytes(head[8:start], "little")
    return end > len(head) or b"O" in head[start:end]


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
