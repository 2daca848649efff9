"""Headers of NumPy arrays: whether a pickle follows, as NumPy itself has it."""

import io
import struct
from typing import Any

import pytest

from hfcheck.formats import npy

TYPES: list[Any] = [
    "f4", "O", "O8", "object", "bool", "float64", "longdouble", "complex128", "U3", "i4,O", "M8[ns]",
    [("O", "f4")], [("a", "O")], [("a", "f4"), ("b", [("c", "|O")])], [("a", "O", (2,))], [(("title", "a"), "O")],
    [(("O", "a"), "f4")],
]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=repr)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_objects(type_: Any, version: tuple[int, int]) -> None:  # noqa: ANN401 - what numpy takes
    numpy = pytest.importorskip("numpy")
    stream = io.BytesIO()
    array = numpy.zeros(2, dtype=type_)
    numpy.lib.format.write_array(stream, array, version=version, allow_pickle=True)
    facts = npy.read(stream)
    assert facts.objects == array.dtype.hasobject
    assert not facts.long
    if not facts.objects:
        assert len(stream.getvalue()) - facts.begin == array.nbytes
        assert facts.needed in (None, array.nbytes)


def header(text: bytes, version: bytes = b"\x01\0") -> io.BytesIO:
    length = struct.pack("<H" if version == b"\x01\0" else "<I", len(text))
    return io.BytesIO(b"\x93NUMPY" + version + length + text)


def test_an_array_that_nobody_has_room_for() -> None:
    facts = npy.read(header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1048576, 1048576), }"))
    assert facts.needed == 2**43


def test_a_long_header() -> None:
    """NumPy evaluates it where pickles are allowed. It is not parsed here, and an `O` in it is one."""
    for letter, objects in ((b"O", True), (b"f", False)):
        text = b"{'descr': '" + letter + b"', 'fortran_order': False, 'shape': ()}" + b" " * 10_000
        facts = npy.read(header(text, b"\x02\0"))
        assert (facts.objects, facts.long) == (objects, True)


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (b"{'descr': '|O', 'shape': (5L,)}", True),
        (b"{'descr': 'f4', 'shape': (5L,)}", False),
        (b"{'descr': 'f4', 'descr': 'O'}", True),
        (b"{'descr': f('x')}", True),
        (b"['O']", True),
        (b"\xff\xff", False),
        (b"(" * 9000 + b"O", True),
    ],
)
def test_a_header_that_numpy_may_refuse(text: bytes, objects: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert npy.read(header(text)).objects is objects


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"\x93NUMPY\x04\0\0\0", b"\x93NUMPY\x01\0\xff\xff{}"])
def test_what_is_no_array(data: bytes) -> None:
    with pytest.raises(npy.NpyInvalid):
        npy.read(io.BytesIO(data))
