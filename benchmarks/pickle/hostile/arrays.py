"""Arrays of objects of NumPy, and joblib's streams with the bytes of arrays among the opcodes."""

# ruff: noqa: E501 - one sample, one line

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

from benchmarks.pickle.archives import DEFLATED, Member, npy, zip_
from benchmarks.pickle.assembler import (
    BUILD,
    EMPTY_TUPLE,
    NEWOBJ,
    RUN,
    Apply,
    Name,
    Raw,
    call,
    pickle,
    push,
)
from benchmarks.pickle.hostile.wrapped import lz4
from benchmarks.pickle.sample import Sample

EVIL = pickle([RUN], 3)


def samples() -> Iterator[Sample]:
    for (name, file), data in _numpy().items():
        yield Sample("npy_npz", name, file, data)
    for (name, file), data in _joblib().items():
        yield Sample("joblib", name, file, data)
    for name, target in {"up": "../../../etc/passwd", "absolute": "/etc/passwd"}.items():
        yield Sample("further", f"old-wrapper-{name}", "model.pkl", pickle(_old_wrapper(target), 2))


def _numpy() -> dict[tuple[str, str], bytes]:
    obj, one = "'|O'", "(1,)"
    record = npy("[('a', '<f8'), ('b', '|O')]", one, EVIL)
    numbers = npy("'<f8'", "(2,)", struct.pack("<2d", 1, 2))
    return {
        ("version-1", "a.npy"): npy(obj, one, EVIL),
        ("version-2", "a.npy"): npy(obj, one, EVIL, (2, 0)),
        ("version-3", "a.npy"): npy(obj, one, EVIL, (3, 0)),
        ("o8", "a.npy"): npy("'|O8'", one, EVIL),
        ("zero-dimensions", "a.npy"): npy(obj, "()", EVIL),
        ("structured", "a.npy"): record,
        ("nested", "a.npy"): npy("[('a', [('b', '<i4'), ('c', 'O')])]", one, EVIL),
        ("subarray", "a.npy"): npy("[('a', '|O', (2,))]", one, EVIL),
        ("raw-pickle", "a.npy"): EVIL,
        ("raw-pickle-p0", "a.npy"): pickle(RUN, 0),
        ("raw-pickle-npz", "a.npz"): EVIL,
        ("npz", "a.npz"): zip_(Member("x.npy", numbers), Member("y.npy", npy(obj, one, EVIL))),
        ("npz-deflated", "a.npz"): zip_(Member("y.npy", npy(obj, one, EVIL), DEFLATED)),
        ("npz-no-suffix", "a.npz"): zip_(Member("y", npy(obj, one, EVIL))),
        ("npz-raw-pickle", "a.npz"): zip_(Member("y.npy", EVIL)),
        ("npz-as-bin", "pytorch_model.bin"): zip_(Member("y.npy", npy(obj, one, EVIL))),
        ("npy-as-dat", "vectors.dat"): npy(obj, one, EVIL),
    }


def _dtype(kind: str = "f8") -> Raw:
    order = "|" if kind == "O8" else "<"
    flags = 63 if kind == "O8" else 0
    state = (3, order, None, None, None, -1, -1, flags)
    return Raw(push(Apply(Name("numpy", "dtype"), (kind, False, True)), 3) + push(state, 3) + BUILD)


def _array(data: bytes, kind: str = "f8", *, aligned: bool = True, numbers: int | None = None) -> Raw:
    """Joblib's wrapper, and the bytes that follow its BUILD in the stream."""
    state: dict[str, object] = {
        "subclass": Name("numpy", "ndarray"),
        "shape": (len(data) // 8 if numbers is None else numbers,),
        "order": "C",
        "dtype": _dtype(kind),
        "allow_mmap": kind != "O8",
    }
    if aligned:
        state["numpy_array_alignment_bytes"] = 16
    wrapper = push(Name("joblib.numpy_pickle", "NumpyArrayWrapper"), 3) + EMPTY_TUPLE + NEWOBJ + push(state, 3) + BUILD
    padding = b"\x03\xff\xff\xff" if aligned and kind != "O8" else b""
    return Raw(wrapper + padding + data)


def object_array(stream: bytes) -> Raw:
    """An array of one object, which `stream` holds."""
    return _array(stream, "O8", numbers=1)


def _old_wrapper(file: str) -> Raw:
    name = Name("joblib.numpy_pickle", "NDArrayWrapper")
    state = {"filename": file, "subclass": Name("numpy", "ndarray"), "allow_mmap": True}
    return Raw(push(name, 2) + EMPTY_TUPLE + NEWOBJ + push(state, 2) + BUILD)


def _joblib() -> dict[tuple[str, str], bytes]:
    stops, zeros = b"." * 64, bytes(80)
    behind = pickle({"array": _array(stops), "x": RUN}, 3)
    objects = object_array(pickle([RUN], 3))
    old_zlib = zlib.compress(behind)
    return {
        ("plain", "model.joblib"): call("os", "system", "echo hfcheck-marker", protocol=3),
        ("behind-array", "model.joblib"): behind,
        ("behind-zeros", "model.joblib"): pickle({"array": _array(zeros), "x": RUN}, 3),
        ("behind-two-arrays", "model.joblib"): pickle([_array(stops), _array(zeros), RUN], 3),
        ("behind-unaligned", "model.joblib"): pickle([_array(stops, aligned=False), RUN], 3),
        ("bytes-look-like-a-pickle", "model.joblib"): pickle([_array(pickle({"a": 1}, 3).ljust(64, b"."), aligned=False, numbers=8), RUN], 3),
        ("object-array", "model.joblib"): pickle([objects], 3),
        ("object-array-then-more", "model.joblib"): pickle([_array(pickle([1], 3), "O8", numbers=1), RUN], 3),
        ("wrapper-subclass", "model.joblib"): pickle(Raw(push(Name("joblib.numpy_pickle", "NumpyArrayWrapper"), 3) + EMPTY_TUPLE
            + NEWOBJ + push({"subclass": Name("os", "system"), "shape": (0,)}, 3) + BUILD), 3),
        ("zlib", "model.joblib.z"): zlib.compress(behind),
        ("gzip", "model.joblib.gz"): gzip.compress(behind, mtime=0),
        ("bz2", "model.joblib.bz2"): bz2.compress(behind),
        ("xz", "model.joblib.xz"): lzma.compress(behind),
        ("lzma", "model.joblib.lzma"): lzma.compress(behind, lzma.FORMAT_ALONE),
        ("lz4", "model.joblib.lz4"): lz4(behind),
        ("zlib-as-pkl", "model.pkl"): zlib.compress(behind, 9),
        ("zlib-level-1", "model.sav"): zlib.compress(behind, 1),
        ("before-0.9.3", "model.pkl"): b"ZF" + b"%-19s" % hex(len(behind)).encode() + old_zlib,
        ("sklearn-hides-call", "model.joblib"): pickle({"estimator": Name("sklearn.linear_model._logistic", "LogisticRegression"), "a": _array(stops), "f": RUN}, 3),
    }  # fmt: skip
