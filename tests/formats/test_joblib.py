"""Arrays inside a pickle, as joblib writes them: what stands behind them is found, and so is a pickle in one."""

import io
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import OddityKind, PickledFacts

Unpickled = Callable[..., PickledFacts | None]

CALL = b"cos\nsystem\nX\x13\0\0\0echo hfcheck-marker\x85R"
OWN, OF_SKLEARN = b"joblib.numpy_pickle", b"sklearn.externals.joblib.numpy_pickle"


def dtype(code: bytes, state: bytes = b"") -> bytes:
    return b"cnumpy\ndtype\nX" + len(code).to_bytes(4, "little") + code + b"\x85R" + state


def wrapper(module: bytes, type_: bytes, shape: bytes, *, aligned: bool) -> bytes:
    alignment = b"X\x1b\0\0\0numpy_array_alignment_bytesK\x10" if aligned else b""
    return (
        b"c" + module + b"\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0dtype" + type_ + b"X\x05\0\0\0shape" + shape
        + b"X\x05\0\0\0orderX\x01\0\0\0C" + alignment + b"ub"
    )  # fmt: skip


def holding(
    array: bytes,
    module: bytes = OWN,
    type_: bytes | None = None,
    shape: bytes = b"K\x04\x85",
    *,
    aligned: bool = False,
) -> bytes:
    """A list of such an array and of a call behind it."""
    head = wrapper(module, type_ or dtype(b"f8"), shape, aligned=aligned)
    return b"\x80\x03](" + head + array + CALL + b"e."


def names(facts: PickledFacts | None) -> list[str]:
    assert facts is not None
    return [str(use.name) for found in facts.pickles for use in found.globals]


@pytest.mark.parametrize("module", [OWN, OF_SKLEARN])
@pytest.mark.parametrize(
    ("title", "array", "more"),
    [
        ("zeros", bytes(32), {}),
        ("full of STOP", b"." * 32, {}),
        ("full of pickles", b"\x80\x03N." * 8, {}),
        ("with padding", b"\x05" + b"." * 5 + b"." * 32, {"aligned": True}),
        ("without padding, where there could be some", b"\0" + b"." * 32, {"aligned": True}),
        ("of no dimension", b"." * 8, {"shape": b")"}),
        ("of nothing", b"", {"shape": b"K\0\x85"}),
        ("of two dimensions", b"." * 48, {"shape": b"K\x02K\x03\x86"}),
        ("of characters", b"." * 24, {"type_": dtype(b"U3"), "shape": b"K\x02\x85"}),
        ("of numbers without a sign", b"." * 8, {"type_": dtype(b"u4"), "shape": b"K\x02\x85"}),
        ("of bytes", b"." * 6, {"type_": dtype(b"S3"), "shape": b"K\x02\x85"}),
        (
            "of records",
            b"." * 24,
            {"type_": dtype(b"V12", b"(K\x03X\x01\0\0\0|NNNK\x0cK\x01K\0tb"), "shape": b"K\x02\x85"},
        ),
    ],
)
def test_what_stands_behind_an_array(
    unpickled: Unpickled, module: bytes, title: str, array: bytes, more: dict[str, Any]
) -> None:
    facts = unpickled(holding(array, module, **more), named=True)
    assert facts is not None, title
    assert facts.consumer is Consumer.JOBLIB
    assert facts.complete
    assert "system" in names(facts)


@pytest.mark.parametrize("type_", [dtype(b"O8"), dtype(b"O"), dtype(b"V8", b"(K\x03X\x01\0\0\0|NNNK\x08K\x01K\x3ftb")])
def test_an_array_of_objects_is_a_pickle(unpickled: Unpickled, type_: bytes) -> None:
    inner = b"\x80\x02cbuiltins\nprint\n0N."
    facts = unpickled(holding(inner, type_=type_), named=True)
    assert {"print", "system"} <= set(names(facts))
    assert facts is not None
    assert facts.complete


def test_records_with_objects_in_them(unpickled: Unpickled) -> None:
    fields = b"}X\x01\0\0\0a" + dtype(b"O8") + b"K\0\x86s"
    type_ = dtype(b"V8", b"(K\x03X\x01\0\0\0|NX\x01\0\0\0a\x85" + fields + b"K\x08K\x01K\0tb")
    facts = unpickled(holding(b"\x80\x02cbuiltins\nprint\n0N.", type_=type_), named=True)
    assert {"print", "system"} <= set(names(facts))


def test_a_type_that_nobody_knows(unpickled: Unpickled) -> None:
    """Joblib computes how many bytes follow, and hfcheck cannot: it says so."""
    for type_, shape in (
        (b"cbuiltins\nint\n)R", b"K\x04\x85"),
        (dtype(b"f8"), b"X\x01\0\0\0a"),
        (dtype(b"f8"), b"J\xff\xff\xff\xff\x85"),
    ):
        facts = unpickled(holding(bytes(32), type_=type_, shape=shape), named=True)
        assert facts is not None
        assert facts.unread


def test_an_array_that_is_longer_than_the_file(unpickled: Unpickled) -> None:
    facts = unpickled(holding(bytes(8), shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"), named=True)
    assert facts is not None
    assert not facts.complete


@pytest.mark.parametrize(
    ("name", "leaves"),
    [
        ("a.npy", False),
        ("b_01.npy.z", False),
        ("../a.npy", True),
        ("/etc/passwd", True),
        ("a/../../b", True),
        ("C:\\a", True),
    ],
)
@pytest.mark.parametrize("kind", [b"NDArrayWrapper", b"ZNDArrayWrapper"])
def test_an_array_in_another_file(unpickled: Unpickled, kind: bytes, name: str, leaves: bool) -> None:  # noqa: FBT001
    text = b"X" + len(name).to_bytes(4, "little") + name.encode()
    for module in (OWN, OF_SKLEARN, b"joblib.numpy_pickle_compat"):
        data = b"\x80\x02c" + module + b"\n" + kind + b"\n)\x81}(X\x08\0\0\0filename" + text + b"ub."
        facts = unpickled(data, named=True)
        assert facts is not None
        assert [oddity.kind for oddity in facts.oddities] == [OddityKind.LEAVES_FOLDER] * leaves


@pytest.mark.parametrize("codec", [0, "zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_joblib_writes(unpickled: Unpickled, codec: Any, protocol: int) -> None:  # noqa: ANN401
    joblib, numpy = pytest.importorskip("joblib"), pytest.importorskip("numpy")
    if codec == "lz4":
        pytest.importorskip("lz4")
    data = {
        "a": numpy.arange(40, dtype="f4").reshape(5, 8),
        "f": numpy.asfortranarray(numpy.full((3, 3), 0x2E2E2E2E2E2E2E2E)),
        "o": numpy.array([{"x": 1}, "y", None], dtype=object),
        "s": numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "u": numpy.array(["abc", "de"]),
        **{code: numpy.zeros(3, code) for code in ("u1", "u4", "i2", "?", "c16", "M8[s]", "m8[D]", "S3", "V5", "f2")},
        "0": numpy.zeros(()),
        "behind": b"marker",
    }
    stream = io.BytesIO()
    joblib.dump(data, stream, compress=(codec, 3) if codec else 0, protocol=protocol)
    facts = unpickled(stream.getvalue())
    assert facts is not None
    assert facts.consumer is Consumer.JOBLIB
    assert facts.complete
    assert facts.oddities == ()
    assert names(facts).count("_reconstruct") == 1, "of the array of objects"
    found = {event.kind.name for one in facts.pickles for event in one.events}
    assert found <= {"ARRAY"}


def test_the_compressed_files_of_old(unpickled: Unpickled) -> None:
    """With and without the blank that joblib 0.8.4 on Python 2 wrote behind the size."""
    inner = pickle.dumps([1], 2)[:-1] + b"0" + CALL + b"."
    size = hex(len(inner)).encode().ljust(19)
    for head in (size, size + b" "):
        assert "system" in names(unpickled(b"ZF" + head + zlib.compress(inner)))


def test_an_array_inside_a_frame(unpickled: Unpickled) -> None:
    """Joblib's file stands behind the frame by then: it would take other bytes for the array than those that follow."""
    inner = wrapper(OWN, dtype(b"f8"), b"K\x04\x85", aligned=False)
    for frame, kinds in ((inner, {"ARRAY"}), (inner + b"N0", {"ARRAY", "FRAME"})):
        data = b"\x80\x04\x95" + len(frame).to_bytes(8, "little") + frame + b"\xff" * 32 + CALL + b"."
        facts = unpickled(data)
        assert facts is not None
        assert {event.kind.name for found in facts.pickles for event in found.events} == kinds
