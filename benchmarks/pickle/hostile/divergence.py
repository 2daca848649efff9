"""Streams that unpicklers read in different ways, or that end in an error after the payload has run."""

import struct
from collections.abc import Iterator

from benchmarks.pickle.archives import npy
from benchmarks.pickle.assembler import (
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    MARKER,
    MEMOIZE,
    POP,
    REDUCE,
    RUN,
    STACK_GLOBAL,
    STOP,
    TUPLE1,
    frame,
    global_,
    pickle,
    proto,
    push,
    stack_global,
    text,
)
from benchmarks.pickle.sample import Needs, Sample

P2, P4 = proto(2), proto(4)
BOOM = push(RUN, 2)
END = BOOM + STOP
ARGS = text(MARKER) + TUPLE1
STOPPED = ("put-after-mark", "memoize-after-mark", "protocol-9", "stack-global-of-numbers", "next-buffer")
"""Every unpickler stops in these before the payload: such files do not load, and inside others they do nothing."""


def samples() -> Iterator[Sample]:
    for name, data in {**_errors(), **_frames()}.items():
        yield Sample("parser_divergence", name, "model.pkl", data)
    for name, data in _numbers().items():
        yield Sample("further", name, "model.pkl", data)
    for name, data in _alone().items():
        yield Sample("further", name, "model.pkl", data, Needs.WARNING)
    stopped = b"F0x1p3\n0" + END  # no unpickler comes to the payload
    yield Sample("further", "float-hexadecimal", "model.pkl", stopped, Needs.INCOMPLETE)
    hexadecimal = b"I0x10\n0" + END
    yield Sample("further", "hexadecimal-in-npy", "array.npy", npy("'|O'", "(1,)", hexadecimal))


def _errors() -> dict[str, bytes]:
    return {
        "no-stop": P2 + BOOM,
        "bad-opcode": P2 + BOOM + b"\xff" + STOP,
        "bad-utf8": P2 + BOOM + b"X\x02\x00\x00\x00\xff\xfe" + STOP,
        "lying-length": P2 + BOOM + b"X\xff\xff\xff\x7fabc" + STOP,
        "negative-binstring": P2 + BOOM + b"T\xff\xff\xff\xff" + STOP,
        "huge-binbytes8": P4 + BOOM + b"\x8e" + struct.pack("<Q", 1 << 63) + STOP,
        "bad-int": BOOM + b"Iabc\n" + STOP,
        "bad-float": BOOM + b"Fabc\n" + STOP,
        "unset-memo": P2 + BOOM + b"h\x63" + STOP,
        "negative-memo": BOOM + b"p-1\n" + STOP,
        "underflow": P2 + BOOM + POP + POP + POP + STOP,
        "no-mark": P2 + BOOM + b"t" + STOP,
        "odd-setitems": P2 + BOOM + EMPTY_DICT + MARK + b"N" + b"u" + STOP,
        "append-to-none": P2 + BOOM + b"N" + b"N" + b"a" + STOP,
        "string-without-quotes": BOOM + b"Sabc\n" + STOP,
        "missing-newline": BOOM + b"V" + b"a" * 50,
        "protocol-9": proto(9) + END,
        "protocol-255-late": P2 + BOOM + proto(255) + STOP,
        "reduce-none": P2 + BOOM + b"N" + EMPTY_TUPLE + REDUCE + STOP,
        "ends-in-argument": P2 + BOOM + b"J\x01",
    }


def _frames() -> dict[str, bytes]:
    """Frames that are shorter or longer than what they hold, or hold one another."""
    hidden = stack_global("os", "system") + ARGS + REDUCE
    decoy = b"\x8c\x20" + b"collections"
    # Ten bytes of text, five of them in the frame: a machine that drops the rest of the frame takes the ten behind it,
    # and runs what a linear reader takes for another text.
    hides = frame(b"\x8c\x0aaaaaa") + b"bbbbb" + b"X" + struct.pack("<I", len(hidden)) + hidden
    return {
        "short-frame": P4 + b"\x95" + struct.pack("<Q", 3) + hidden + STOP,
        "nested-frame": P4 + frame(EMPTY_LIST + POP + frame(hidden) + STOP),
        "frame-of-nothing": P4 + frame(b"") + hidden + STOP,
        "long-frame": P4 + b"\x95" + struct.pack("<Q", 1 << 20) + hidden + STOP,
        "straddling-text": P4 + b"\x95" + struct.pack("<Q", len(decoy)) + decoy + b"x" * 21 + POP + hidden + STOP,
        "straddling-hides": P4 + hides + STOP,
        "straddling-global": P4 + b"\x95" + struct.pack("<Q", 4) + b"cos\nsystem\n" + ARGS + REDUCE + STOP,
        "frame-late": P2 + BOOM + POP + b"\x95" + struct.pack("<Q", 2) + b"N" + STOP,
        "two-frames": P4 + frame(stack_global("os", "system")) + frame(ARGS) + frame(REDUCE) + STOP,
    }


def _numbers() -> dict[str, bytes]:
    """What one reader of numbers takes and another does not, before the payload."""
    get = b"cos\nsystem\np%s\n0g%s\n(V" + MARKER.encode() + b"\ntR."
    return {
        "int-hexadecimal": b"I0x10\n0" + END,
        "long-hexadecimal": b"L0x10L\n0" + END,
        "int-octal": b"I010\n0" + END,
        "int-nul": b"I1\x002\n0" + END,
        "long-nul": b"L1\x00L\n0" + END,
        "float-nul": b"F1.0\x00x\n0" + END,
        "put-nul": get % (b"5\x00x", b"5"),
        "get-nul": get % (b"5", b"5\x00x"),
        "int-underscore": b"I1_0\n0" + END,
        "int-blank": b"I  7\n0" + END,
        "int-sign": b"I+7\n0" + END,
        "float-underscore": b"F1_0.5\n0" + END,
        "float-blank": b"F 1.5 \n0" + END,
        "put-blank": get % (b" 9", b"9"),
        "put-sign": get % (b"+9", b"9"),
        "list-reduce": P2 + global_("os", "system") + EMPTY_LIST + text(MARKER) + b"a" + REDUCE + STOP,
        "list-reduce-then-more": P2 + global_("collections", "OrderedDict") + EMPTY_LIST + REDUCE + POP + END,
        "long-frame": P4 + b"\x95" + struct.pack("<Q", 9_999) + push(RUN, 4) + STOP,
        "put-after-mark": P2 + MARK + b"q\x00" + b"0" + END,
        "memoize-after-mark": P4 + MARK + MEMOIZE + POP + END,
        "appends-of-nothing": P2 + b"N" + MARK + b"e" + POP + END,
        "empty-name": P2 + global_("", "") + POP + END,
        "dotted-below-4": P2 + global_("os", "path.os.system") + ARGS + REDUCE + STOP,
        "bool-as-int": b"I01\n0" + END,
        "proto-zero": proto(0) + END,
        "stack-global-of-numbers": P4 + b"K\x01K\x02" + STACK_GLOBAL + POP + END,
        "marks-left": P2 + MARK + MARK + END,
        "stacked-memo": P2 + global_("os", "system") + b"q\x07" + STOP + P2 + b"h\x07" + ARGS + REDUCE + STOP,
        "next-buffer": proto(5) + b"\x97" + POP + END,
        "bytearray8": proto(5) + b"\x96" + struct.pack("<Q", 3) + b"abc" + POP + END,
        "persid": b"Px\n0" + END,
        "float-nan": b"Fnan\n0" + END,
        "long4-negative": P2 + BOOM + b"\x8b\xff\xff\xff\xff" + STOP,
    }


def _alone() -> dict[str, bytes]:
    """Nothing but the divergence: unpicklers make different values of the same bytes."""
    return {
        "alone-int-octal": b"(lI010\na.",
        "alone-float-blank": b"(lF 1.5\na.",
        "alone-int-nul": b"(lI1\x002\na.",
        "alone-list-reduce": P2 + global_("collections", "OrderedDict") + EMPTY_LIST + REDUCE + STOP,
        "alone-long-frame": P4 + b"\x95" + struct.pack("<Q", 9_999) + EMPTY_DICT + STOP,
        "alone-nested-frame": P4 + frame(EMPTY_LIST + frame(b"Na") + STOP),
        "alone-stacked": pickle({"a": 1}, 2) + pickle({"b": 2}, 2),
    }
