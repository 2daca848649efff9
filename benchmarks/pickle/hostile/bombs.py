"""Small files that take a loader's memory or time: doubled tuples, memo indices, lengths, depth, compression."""

import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

from benchmarks.pickle.archives import DEFLATED, Member, npy, zip_
from benchmarks.pickle.assembler import (
    EMPTY_DICT,
    EMPTY_LIST,
    MARK,
    NONE,
    POP,
    STOP,
    TUPLE1,
    TUPLE2,
    Apply,
    Name,
    get,
    pickle,
    proto,
    put,
)
from benchmarks.pickle.sample import Needs, Sample
from benchmarks.pickle.torch_files import archive, storage

P2, P4 = proto(2), proto(4)
DOUBLINGS = 100
DEPTH = 100_000
ZEROS = 300 << 20


def samples() -> Iterator[Sample]:
    for (name, file, needs), data in {**_streams(), **_packed(), **_tensors()}.items():
        yield Sample("dos", name, file, data, needs)


def _streams() -> dict[tuple[str, str, Needs], bytes]:
    tree = NONE + b"".join(put(level % 256) + get(level % 256) + TUPLE2 for level in range(DOUBLINGS))
    lists = EMPTY_LIST + b"".join(
        put(level) + POP + EMPTY_LIST + MARK + get(level) + get(level) + b"e" for level in range(DOUBLINGS)
    )
    return {
        ("aliasing", "model.pkl", Needs.WARNING): P2 + tree + STOP,
        ("aliasing-lists", "model.pkl", Needs.WARNING): P2 + lists + STOP,
        ("hash-bomb", "model.pkl", Needs.ERROR): P2 + EMPTY_DICT + tree + NONE + b"s" + STOP,
        ("hash-bomb-set", "model.pkl", Needs.ERROR): P4 + b"\x8f" + MARK + tree + b"\x90" + STOP,
        ("hash-bomb-frozenset", "model.pkl", Needs.ERROR): P4 + MARK + tree + b"\x91" + STOP,
        ("memo-index", "model.pkl", Needs.ERROR): P2 + NONE + b"r" + struct.pack("<I", 0x3FFFFFFF) + STOP,
        ("memo-index-text", "model.pkl", Needs.ERROR): b"Np999999999\n.",
        ("length", "model.pkl", Needs.ERROR): P4 + b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc" + STOP,
        ("bytearray", "model.pkl", Needs.ERROR): proto(5) + b"\x96" + struct.pack("<Q", 1 << 36) + STOP,
        ("frame", "model.pkl", Needs.WARNING): P4 + b"\x95" + struct.pack("<Q", 1 << 40) + NONE + STOP,
        ("long4", "model.pkl", Needs.ERROR): P2 + b"\x8b" + struct.pack("<i", 1 << 30) + b"\x01" + STOP,
        ("depth-tuples", "model.pkl", Needs.WARNING): P2 + NONE + TUPLE1 * DEPTH + STOP,
        ("depth-lists", "model.pkl", Needs.WARNING): P2 + EMPTY_LIST * DEPTH + b"a" * (DEPTH - 1) + STOP,
        ("integer", "model.pkl", Needs.WARNING): P2 + b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + STOP,
        ("integer-text", "model.pkl", Needs.WARNING): b"L" + b"9" * 100_000 + b"L\n.",
        ("marks", "model.pkl", Needs.INCOMPLETE): P2 + MARK * 6_000_000 + STOP,
    }  # fmt: skip


def _packed() -> dict[tuple[str, str, Needs], bytes]:
    head = P2 + b"X" + struct.pack("<I", ZEROS)
    bomb = head + bytes(ZEROS) + STOP
    deflated = Member("archive/data.pkl", bomb, DEFLATED)
    inner = zip_(Member("x.pkl", pickle({"a": 1}, 2)))
    for level in range(20):
        inner = zip_(Member(f"{level}.zip", inner))
    return {
        ("deflate-bomb", "pytorch_model.bin", Needs.INCOMPLETE): archive(deflated),
        ("gzip-bomb", "model.pkl.gz", Needs.INCOMPLETE): gzip.compress(bomb, mtime=0),
        ("zlib-bomb", "model.joblib", Needs.INCOMPLETE): zlib.compress(bomb),
        ("xz-bomb", "model.pkl.xz", Needs.INCOMPLETE): lzma.compress(bomb, preset=0),
        ("nested-zips", "model.zip", Needs.INCOMPLETE): inner,
        ("npy-header", "a.npy", Needs.ERROR): b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 30) + b"{'descr'",
        ("npy-shape", "a.npy", Needs.ERROR): npy("'<f8'", f"({1 << 40},)", bytes(8)),
    }


def _tensors() -> dict[tuple[str, str, Needs], bytes]:
    def strided(shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
        args = (storage(), 0, shape, stride, False, Apply(Name("collections", "OrderedDict"), ()))
        return archive(pickle({"w": Apply(Name("torch._utils", "_rebuild_tensor_v2"), args)}, 2))

    return {
        ("overlapping-tensor", "pytorch_model.bin", Needs.WARNING): strided((1 << 20, 1 << 20), (0, 0)),
        ("tensor-beyond-storage", "pytorch_model.bin", Needs.ERROR): strided((1 << 20,), (1,)),
        ("negative-size", "pytorch_model.bin", Needs.ERROR): strided((-4,), (1,)),
        ("far-stride", "pytorch_model.bin", Needs.ERROR): strided((2,), (1 << 40,)),
    }
