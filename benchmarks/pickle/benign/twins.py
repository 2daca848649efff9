"""Benign twins of hostile files: the same forms, with nothing in them that runs or that readers disagree on."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.pickle.archives import DEFLATED, Ending, Member, npy, tar, v7_tar, zip_
from benchmarks.pickle.assembler import (
    DUP,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    MEMOIZE,
    POP,
    REDUCE,
    STOP,
    Apply,
    Name,
    blob,
    frame,
    get,
    global_,
    pickle,
    proto,
    push,
    put,
    short_text,
    stack_global,
)
from benchmarks.pickle.torch_files import archive, floats, legacy, records, tensor

P2, P4 = proto(2), proto(4)
WEIGHTS = pickle({"weight": tensor()}, 2)
VALUE = {"a": [1, 2.5, "text", None], "b": ("x", {"c": b"bytes"})}
ORDERED = global_("collections", "OrderedDict")


@dataclass(frozen=True, slots=True)
class Twin:
    """A benign file: class, name, name of the file and content."""

    group: str
    name: str
    file: str
    data: bytes


def twins() -> Iterator[Twin]:
    for name, data in _archives().items():
        yield Twin("twins_torch", name, "pytorch_model.bin", data)
    for name, data in _streams().items():
        yield Twin("twins_pickle", name, "data.pkl", data)
    for (name, file), data in _wrapped().items():
        yield Twin("twins_wrapped", name, file, data)


def _archives() -> dict[str, bytes]:
    """What `torch.load(weights_only=True)` reads, odd as it looks."""
    more = records(floats())
    directory = Member("archive/", attributes=0x10)
    return {
        "zip": archive(WEIGHTS),
        "deflated-pickle": archive(Member("archive/data.pkl", WEIGHTS, DEFLATED)),
        "comment": archive(WEIGHTS, ending=Ending(comment=b"made by hand")),
        "behind-100": archive(WEIGHTS) + bytes(100),
        "non-ascii-root": archive(WEIGHTS, root="mod\u00e8le"),
        "directory-first": zip_(
            directory, Member("archive/data.pkl", WEIGHTS), *more, Member("archive/version", b"3\n")
        ),
        "pickle-last": zip_(*more, Member("archive/version", b"3\n"), Member("archive/data.pkl", WEIGHTS)),
        "notes-inside": archive(WEIGHTS, *more, Member("archive/notes.txt", b"cos\nsystem\n")),
        "legacy": legacy(),
        "legacy-long-root": legacy(root={"weight": tensor(legacy=True), "names": ["a"] * 300}),
    }


def _streams() -> dict[str, bytes]:
    """What every unpickler reads, and reads alike."""
    end = EMPTY_TUPLE + REDUCE + STOP
    return {
        "int-underscore": b"I1_0\n.",
        "int-blank": b"I  7\n.",
        "int-sign": b"(lI+7\na.",
        "int-hexadecimal": b"(lI0x10\na.",
        "put-leading-zeros": b"(lp007\n0g7\n.",
        "put-underscore": b"(lp1_0\n0g10\n.",
        "memo-after-pop": P2 + ORDERED + EMPTY_LIST + POP + put(0) + POP + get(0) + end,
        "memoize-after-dup": P4 + stack_global("collections", "OrderedDict") + DUP + MEMOIZE + POP + POP + get(0) + end,
        "memo-overwritten": P2 + EMPTY_DICT + put(5) + POP + ORDERED + put(5) + POP + get(5) + end,
        "operands-from-memo": P4
        + b"".join(short_text(name) + MEMOIZE + POP for name in ("collections", "OrderedDict"))
        + get(0)
        + get(1)
        + b"\x93"
        + end,
        "marks-left": P2 + MARK + MARK + EMPTY_DICT + STOP,
        "two-frames": P4 + frame(EMPTY_LIST) + frame(b"K\x01a" + STOP),
        "nulls-behind": pickle(VALUE, 2) + bytes(64),
        "surrogate": P2 + b"X\x03\x00\x00\x00\xed\xa0\x80" + STOP,
        "bytes-that-look-like-a-pickle": pickle([b"\x80\x02}."], 4),
        "text-that-looks-like-a-call": pickle(["cos\nsystem\n(S'echo'\ntR.", "os.system", "__reduce__"], 4),
        "ordered-dict": pickle(Apply(Name("collections", "OrderedDict"), ([["a", 1]],)), 2),
        "shared-list": P2 + EMPTY_LIST + put(0) + MARK + get(0) * 15 + b"t0" + get(0) + STOP,
        "protocol-5": proto(5) + frame(push(VALUE, 4) + STOP),
        "long-bytes": proto(3) + blob(bytes(70_000)) + STOP,
    }


def _wrapped() -> dict[tuple[str, str], bytes]:
    data = pickle(VALUE, 4)
    return {
        ("gzip", "data.pkl.gz"): gzip.compress(data, mtime=0),
        ("gzip-as-pkl", "data.pkl"): gzip.compress(data, mtime=0),
        ("bz2", "data.pkl.bz2"): bz2.compress(data),
        ("xz", "data.pkl.xz"): lzma.compress(data),
        ("zlib", "data.joblib"): zlib.compress(data),
        ("tar", "data.tar"): tar(("a/data.pkl", data), ("a/b.txt", b"text")),
        ("v7-tar", "data.tar"): v7_tar(("data.pkl", data)),
        ("nemo", "model.nemo"): tar(("./model_config.yaml", b"name: x\n"), ("./model_weights.ckpt", archive(WEIGHTS))),
        ("zip", "data.zip"): zip_(Member("folder/data.pkl", data), Member("folder/a.txt", b"cos\nsystem\n")),
        ("zip-in-zip", "data.zip"): zip_(Member("inner.zip", zip_(Member("x.txt", b"text")))),
        ("npz-of-objects", "a.npz"): zip_(Member("x.npy", npy("'|O'", "(2,)", pickle(["a", "b"], 3)))),
        ("npy-structured", "a.npy"): npy("[('a', '<f4'), ('b', '<i4')]", "(1,)", bytes(8)),
        ("npy-version-3", "a.npy"): npy("[('\u00e9', '<f4')]", "(1,)", bytes(4), (3, 0)),
    }
