"""A small assembler of pickles: it writes what no pickler writes, and shares no code with hfcheck.

Nothing here loads anything. What the streams would call is a marker, such as `os.system("echo hfcheck-marker")`.
"""

# ruff: noqa: PLR2004 - protocols have numbers, and lengths have bounds

import struct
from dataclasses import dataclass

MARKER = "echo hfcheck-marker"
"""What the payloads would run, if anybody loaded them."""

STOP, MARK, POP, POP_MARK, DUP = b".", b"(", b"0", b"1", b"2"
REDUCE, BUILD, INST, OBJ, NEWOBJ, NEWOBJ_EX = b"R", b"b", b"i", b"o", b"\x81", b"\x92"
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
EMPTY_LIST, EMPTY_DICT, EMPTY_TUPLE, EMPTY_SET = b"]", b"}", b")", b"\x8f"
APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS, FROZENSET = b"a", b"e", b"s", b"u", b"\x90", b"\x91"
TUPLE, TUPLE1, TUPLE2, TUPLE3, LIST, DICT = b"t", b"\x85", b"\x86", b"\x87", b"l", b"d"
STACK_GLOBAL, MEMOIZE, BINPERSID = b"\x93", b"\x94", b"Q"


@dataclass(frozen=True, slots=True)
class Name:
    """A global, pushed as the protocol writes it."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A call of something by REDUCE."""

    callee: object
    args: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Raw:
    """Opcodes as they are."""

    code: bytes


SYSTEM = Name("os", "system")
RUN = Apply(SYSTEM, (MARKER,))
"""The usual payload."""


def proto(version: int) -> bytes:
    return b"\x80" + bytes([version])


def global_(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def inst(module: str, name: str) -> bytes:
    return INST + module.encode() + b"\n" + name.encode() + b"\n"


def text(string: str) -> bytes:
    data = string.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def short_text(string: str) -> bytes:
    data = string.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(data)]) + data


def blob(data: bytes) -> bytes:
    return b"C" + bytes([len(data)]) + data if len(data) < 256 else b"B" + struct.pack("<I", len(data)) + data


def stack_global(module: str, name: str) -> bytes:
    return short_text(module) + short_text(name) + STACK_GLOBAL


def put(index: int) -> bytes:
    return b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index)


def integer(number: int, protocol: int = 2) -> bytes:
    if protocol == 0:
        return b"I%d\n" % number
    if 0 <= number < 1 << 8:
        return b"K" + bytes([number])
    if 0 <= number < 1 << 16:
        return b"M" + struct.pack("<H", number)
    if -(1 << 31) <= number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def push(value: object, protocol: int = 4) -> bytes:
    """The opcodes that push a value, in the manner of a protocol and without a memo."""
    if isinstance(value, Raw):
        return value.code
    if isinstance(value, Name):
        write = global_ if protocol < 4 else stack_global
        return write(value.module, value.name)
    if isinstance(value, Apply):
        return push(value.callee, protocol) + push(value.args, protocol) + REDUCE
    if isinstance(value, tuple):
        return _tuple(value, protocol)
    if isinstance(value, list):
        items = b"".join(push(item, protocol) for item in value)
        return EMPTY_LIST + MARK + items + APPENDS if protocol else MARK + items + LIST
    if isinstance(value, dict):
        items = b"".join(push(key, protocol) + push(item, protocol) for key, item in value.items())
        return EMPTY_DICT + MARK + items + SETITEMS if protocol else MARK + items + DICT
    return _constant(value, protocol)


def _tuple(value: tuple[object, ...], protocol: int) -> bytes:
    items = b"".join(push(item, protocol) for item in value)
    short = {0: EMPTY_TUPLE, 1: TUPLE1, 2: TUPLE2, 3: TUPLE3}
    if protocol >= 2 and len(value) in short:
        return items + short[len(value)]
    return EMPTY_TUPLE if protocol and not value else MARK + items + TUPLE


def _constant(value: object, protocol: int) -> bytes:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return (TRUE if value else FALSE) if protocol >= 2 else b"I0%d\n" % value
    if isinstance(value, int):
        return integer(value, protocol)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value) if protocol else b"F%r\n" % value
    if isinstance(value, bytes):
        return blob(value)
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    if protocol == 0:
        return b"V" + value.encode("raw-unicode-escape").replace(b"\n", b"\\u000a") + b"\n"
    return text(value) if protocol < 4 or len(value.encode()) > 255 else short_text(value)


def frame(code: bytes) -> bytes:
    return b"\x95" + struct.pack("<Q", len(code)) + code


def pickle(value: object, protocol: int = 4, *, framed: bool = True) -> bytes:
    """A whole pickle."""
    code = push(value, protocol) + STOP
    if protocol >= 4 and framed:
        code = frame(code)
    return (proto(protocol) if protocol >= 2 else b"") + code


def call(module: str, name: str, *args: object, protocol: int = 4) -> bytes:
    """A pickle that is one call."""
    return pickle(Apply(Name(module, name), args), protocol)


def after(*steps: object, protocol: int = 2) -> bytes:
    """A pickle that makes several values, drops all but the last and returns that."""
    code = POP.join(push(step, protocol) for step in steps) + STOP
    return (proto(protocol) if protocol >= 2 else b"") + code
