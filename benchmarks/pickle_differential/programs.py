"""Makes programs for the unpickler from its own grammar: most run long, some opcodes get what no pickler gives them.

A program is a list of opcodes with their arguments, so that it can be changed by whole opcodes, and put into frames.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from benchmarks.pickle_differential import arguments
from benchmarks.pickle_differential.worker import EXTENSIONS

Program = list[bytes]

HOSTILE = 0.015
"""How often an opcode is drawn without a look at the stack, or has an argument that no pickler writes."""

_TUPLES = (b")", b"K\x07\x85", b"NN\x86", b"(K\x01t", b"(Nt", b"X\x02\0\0\0hi\x85")
_STATES = (b"N", b"}", b")", b"}}\x86", b"N}\x86", b"K\x00", b"K\x05", b"}K\x01K\x02s", b"NN\x86")

_WITH_HEADER = 2
_DEEPEST = 6
_BYTE = 255


@dataclass(slots=True)
class State:
    """What the machines would have on the stack, by kind, for as much as is needed to go on without an error."""

    dice: Random
    protocol: int
    hostile: float
    stack: list[str] = field(default_factory=list)
    meta: list[list[str]] = field(default_factory=list)
    memo: dict[int, str] = field(default_factory=dict)

    def is_hostile(self) -> bool:
        return self.dice.random() < self.hostile

    def top(self, *kinds: str) -> bool:
        """Whether the stack ends in values of these kinds; "any" is any."""
        behind = self.stack[len(self.stack) - len(kinds) :]
        return len(self.stack) >= len(kinds) and all(
            kind == "any" or found in kind.split("|") for kind, found in zip(kinds, behind, strict=True)
        )

    def take(self, count: int) -> list[str]:
        taken = self.stack[len(self.stack) - count :] if count else []
        del self.stack[len(self.stack) - len(taken) :]
        return taken

    def to_mark(self) -> list[str]:
        items = self.stack
        self.stack = self.meta.pop() if self.meta else []
        return items


CALLABLE = "global|result|persistent"
HASHED = "str|int|bytes|float|none|bool|emptytuple|global|result|persistent|frozenset"
LISTS = "list|result|global|persistent"
MAPPINGS = "dict|result|global|persistent"
SETS = "set|result|global|persistent"


def program(dice: Random, length: int, *, protocol: int | None = None, hostile: float = HOSTILE) -> Program:
    """About `length` opcodes of any protocol up to `protocol`, and STOP."""
    protocol = dice.randrange(6) if protocol is None else protocol
    state = State(dice, protocol, hostile)
    made: Program = [b"\x80" + bytes([protocol])] if protocol >= _WITH_HEADER or not dice.randrange(8) else []
    names = [name for name, (since, *_) in OPCODES.items() if since <= protocol]
    weights = [OPCODES[name][1] for name in names]
    while len(made) < length:
        name = dice.choices(names, weights)[0]
        _, _, fits, write = OPCODES[name]
        if fits(state) or state.is_hostile():
            made.append(write(state))
    while state.meta and not state.is_hostile():
        state.to_mark()
        state.stack.append("tuple")
        made.append(b"t")
    if not state.stack and not state.is_hostile():
        made.append(b"N")
    if not state.is_hostile():
        made.append(b".")
    return made


def _push(kind: str, write: Callable[[State], bytes]) -> tuple[Callable[[State], bool], Callable[[State], bytes]]:
    def push(state: State) -> bytes:
        code = write(state)
        state.stack.append(kind)
        return code

    return (lambda _: True), push


def _apply(code: bytes, *kinds: str, gives: str | None) -> tuple[Callable[[State], bool], Callable[[State], bytes]]:
    """An opcode that takes values of these kinds; `gives` None leaves the first of them where it is."""

    def apply(state: State) -> bytes:
        taken = state.take(len(kinds))
        state.stack.append(gives if gives is not None else (taken or ["none"])[0])
        return code

    return (lambda state: state.top(*kinds)), apply


def _collect(
    code: bytes, fits: Callable[[list[str]], bool], gives: str | None, below: str = ""
) -> tuple[Callable[[State], bool], Callable[[State], bytes]]:
    """An opcode that takes all down to the mark; `below` is the kind of what stands below it, if that matters."""

    def ready(state: State) -> bool:
        if not state.meta or not fits(state.stack):
            return False
        return not below or bool(state.meta[-1] and state.meta[-1][-1] in below.split("|"))

    def collect(state: State) -> bytes:
        state.to_mark()
        if gives is not None:
            state.stack.append(gives)
        return code

    return ready, collect


def _all(kinds: str) -> Callable[[list[str]], bool]:
    return lambda items: all(item in kinds.split("|") for item in items)


def _pairs(items: list[str]) -> bool:
    return len(items) % 2 == 0 and _all(HASHED)(items[::2])


def _mark(state: State) -> bytes:
    state.meta.append(state.stack)
    state.stack = []
    return b"("


def _pop(state: State) -> bytes:
    if state.stack:
        state.stack.pop()
    else:
        state.to_mark()
    return b"0"


def _dup(state: State) -> bytes:
    state.stack.append(state.stack[-1] if state.stack else "none")
    return b"2"


def _put(form: str) -> Callable[[State], bytes]:
    def put(state: State) -> bytes:
        dice = state.dice
        index = dice.choice((0, 1, 2, len(state.memo), dice.randrange(40), dice.choice((255, 256, 1000, 70000))))
        if form == "MEMOIZE":
            index = len(state.memo)
        state.memo[index % 256 if form == "BINPUT" else index] = state.stack[-1] if state.stack else "none"
        if form == "PUT":
            line = arguments.number(dice, arguments.INDEXES) if state.is_hostile() else str(index).encode()
            return b"p" + line + b"\n"
        if form == "BINPUT":
            return b"q" + bytes([index % 256])
        if form == "LONG_BINPUT":
            index = dice.choice((2**20, 2**24, 2**31, 2**32 - 1)) if state.is_hostile() else index
            return b"r" + struct.pack("<I", index)
        return b"\x94"

    return put


def _get(form: str) -> Callable[[State], bytes]:
    def get(state: State) -> bytes:
        dice = state.dice
        index = dice.choice(list(state.memo)) if state.memo and not state.is_hostile() else dice.randrange(300)
        state.stack.append(state.memo.get(index % 256 if form == "BINGET" else index, "none"))
        if form == "GET":
            line = arguments.number(dice, arguments.INDEXES) if state.is_hostile() else str(index).encode()
            return b"g" + line + b"\n"
        return b"h" + bytes([index % 256]) if form == "BINGET" else b"j" + struct.pack("<I", index)

    return get


def _line(code: bytes, kind: str) -> tuple[Callable[[State], bool], Callable[[State], bytes]]:
    numbers = {"int": arguments.INTEGERS, "float": arguments.FLOATS}

    def write(state: State) -> bytes:
        dice = state.dice
        if state.is_hostile() or not dice.randrange(12):
            line = arguments.number(dice, numbers[kind])
        else:
            line = str(dice.choice((0, 1, -1, 7, dice.getrandbits(70)))).encode()
        return code + line + b"\n"

    return _push(kind, write)


def _sized(code: bytes, width: int, kind: str) -> tuple[Callable[[State], bool], Callable[[State], bytes]]:
    def write(state: State) -> bytes:
        text = arguments.text(state.dice) if kind == "str" else arguments.data(state.dice)
        length = len(text)
        if state.is_hostile():
            length = state.dice.choice(arguments.lengths(length, width))
        return code + _little(length, width) + text

    return _push(kind, write)


def _little(number: int, width: int) -> bytes:
    """A number as an opcode has it, cut to so many bytes."""
    return (number & ((1 << 8 * width) - 1)).to_bytes(width, "little")


def _global(code: bytes) -> Callable[[State], bytes]:
    def write(state: State) -> bytes:
        module, name = arguments.names(state.dice, hostile=state.is_hostile())
        return code + module + b"\n" + name + b"\n"

    return write


def _inst(state: State) -> bytes:
    state.to_mark()
    state.stack.append("result")
    return _global(b"i")(state)


def _stack_global(state: State) -> bytes:
    """The names and the opcode in one, or the opcode alone on strings that are there."""
    if state.top("str|result", "str|result") and not state.dice.randrange(3):
        state.take(2)
        state.stack.append("global")
        return b"\x93"
    state.stack.append("global")
    return b"".join(
        b"\x8c" + bytes([len(part)]) + part for part in arguments.names(state.dice, hostile=state.is_hostile())
    ) + (b"\x93")


def _extension(code: bytes, width: int) -> Callable[[State], bytes]:
    def write(state: State) -> bytes:
        numbers = [number for number in EXTENSIONS if number < 2 ** (8 * width)]
        number = state.dice.choice((0, 2**32 - 1, 300)) if state.is_hostile() else state.dice.choice(numbers)
        return code + _little(number, width)

    return write


def _fixed(code: bytes, width: int) -> Callable[[State], bytes]:
    return lambda state: code + state.dice.choice((bytes(width), b"\xff" * width, state.dice.randbytes(width)))


def _integer(code: bytes, width: int) -> Callable[[State], bytes]:
    def write(state: State) -> bytes:
        data = state.dice.randbytes(state.dice.choice((0, 1, 2, 8, 9, 200)))
        length = state.dice.choice(arguments.lengths(len(data), width)) if state.is_hostile() else len(data)
        return code + _little(length, width) + data

    return write


def _constant(code: bytes) -> Callable[[State], bytes]:
    return lambda _: code


def _proto(state: State) -> bytes:
    return b"\x80" + bytes([state.dice.choice((0, 1, 2, 3, 4, 5, 5, 6, 255) if state.is_hostile() else range(6))])


def _object_new(state: State) -> bytes:
    """MARK, class, arguments, OBJ on what is above the mark."""
    state.to_mark()
    state.stack.append("result")
    return b"o"


def _small_tuple(state: State) -> bytes:
    state.stack.append("tuple")
    return state.dice.choice(_TUPLES)


def _small_state(state: State) -> bytes:
    state.stack.append("state")
    return state.dice.choice(_STATES)


OPCODES: dict[str, tuple[int, float, Callable[[State], bool], Callable[[State], bytes]]] = {
    "MARK": (0, 6, lambda state: len(state.meta) < _DEEPEST, _mark),
    "POP": (0, 2, lambda state: bool(state.stack or state.meta), _pop),
    "DUP": (0, 2, lambda state: bool(state.stack), _dup),
    "POP_MARK": (0, 0.7, *_collect(b"1", lambda _: True, None)),
    "INT": (0, 2, *_line(b"I", "int")),
    "LONG": (0, 2, *_line(b"L", "int")),
    "FLOAT": (0, 1.5, *_line(b"F", "float")),
    "TRUE": (0, 0.5, *_push("bool", _constant(b"I01\n"))),
    "STRING": (0, 2, *_push("str", lambda state: b"S" + arguments.quoted(state.dice, state.is_hostile()) + b"\n")),
    "UNICODE": (0, 2, *_push("str", lambda state: b"V" + arguments.unicode(state.dice) + b"\n")),
    "NONE": (0, 2, *_push("none", _constant(b"N"))),
    "GLOBAL": (0, 4, *_push("global", _global(b"c"))),
    "INST": (0, 1.5, lambda state: bool(state.meta), _inst),
    "OBJ": (1, 1.5, lambda state: bool(state.meta and state.stack and state.stack[0] in CALLABLE), _object_new),
    "REDUCE": (0, 6, *_apply(b"R", CALLABLE, "tuple|emptytuple", gives="result")),
    "REDUCE_ANY": (0, 0.3, *_apply(b"R", CALLABLE, "any", gives="result")),
    "BUILD": (0, 4, *_apply(b"b", "result|global|persistent", "any", gives=None)),
    "BUILD_ANY": (0, 0.3, *_apply(b"b", "any", "state|none|dict|tuple|emptytuple", gives=None)),
    "APPEND": (0, 2, *_apply(b"a", LISTS, "any", gives=None)),
    "APPEND_ANY": (0, 0.1, *_apply(b"a", "any", "any", gives=None)),
    "APPENDS": (1, 3, *_collect(b"e", lambda _: True, None, LISTS)),
    "APPENDS_ANY": (1, 0.2, *_collect(b"e", lambda _: True, None)),
    "SETITEM": (0, 2, *_apply(b"s", MAPPINGS, HASHED, "any", gives=None)),
    "SETITEM_ANY": (0, 0.1, *_apply(b"s", "any", "any", "any", gives=None)),
    "SETITEMS": (1, 3, *_collect(b"u", _pairs, None, MAPPINGS)),
    "SETITEMS_ANY": (1, 0.2, *_collect(b"u", lambda _: True, None)),
    "TUPLE": (0, 3, *_collect(b"t", lambda _: True, "tuple")),
    "LIST": (0, 1.5, *_collect(b"l", lambda _: True, "list")),
    "DICT": (0, 1.5, *_collect(b"d", _pairs, "dict")),
    "PUT": (0, 2, lambda state: bool(state.stack), _put("PUT")),
    "GET": (0, 2, lambda state: bool(state.memo), _get("GET")),
    "PERSID": (0, 1, *_push("persistent", lambda state: b"P" + arguments.persistent(state.dice) + b"\n")),
    "BINPERSID": (1, 1.5, *_apply(b"Q", "any", gives="persistent")),
    "BININT": (1, 1.5, *_push("int", _fixed(b"J", 4))),
    "BININT1": (1, 4, *_push("int", _fixed(b"K", 1))),
    "BININT2": (1, 1.5, *_push("int", _fixed(b"M", 2))),
    "BINFLOAT": (1, 1.5, *_push("float", _fixed(b"G", 8))),
    "BINSTRING": (1, 1, *_sized(b"T", 4, "str")),
    "SHORT_BINSTRING": (1, 2, *_sized(b"U", 1, "str")),
    "BINUNICODE": (1, 3, *_sized(b"X", 4, "str")),
    "EMPTY_LIST": (1, 3, *_push("list", _constant(b"]"))),
    "EMPTY_DICT": (1, 3, *_push("dict", _constant(b"}"))),
    "EMPTY_TUPLE": (1, 3, *_push("emptytuple", _constant(b")"))),
    "BINPUT": (1, 3, lambda state: bool(state.stack), _put("BINPUT")),
    "LONG_BINPUT": (1, 1, lambda state: bool(state.stack), _put("LONG_BINPUT")),
    "BINGET": (1, 3, lambda state: any(index <= _BYTE for index in state.memo), _get("BINGET")),
    "LONG_BINGET": (1, 1, lambda state: bool(state.memo), _get("LONG_BINGET")),
    "PROTO": (2, 0.3, lambda _: True, _proto),
    "NEWTRUE": (2, 1, *_push("bool", _constant(b"\x88"))),
    "NEWFALSE": (2, 1, *_push("bool", _constant(b"\x89"))),
    "TUPLE1": (2, 3, *_apply(b"\x85", "any", gives="tuple")),
    "TUPLE2": (2, 3, *_apply(b"\x86", "any", "any", gives="tuple")),
    "TUPLE3": (2, 2, *_apply(b"\x87", "any", "any", "any", gives="tuple")),
    "LONG1": (2, 1, *_push("int", _integer(b"\x8a", 1))),
    "LONG4": (2, 0.7, *_push("int", _integer(b"\x8b", 4))),
    "NEWOBJ": (2, 4, *_apply(b"\x81", CALLABLE, "tuple|emptytuple", gives="result")),
    "NEWOBJ_ANY": (2, 0.2, *_apply(b"\x81", "any", "any", gives="result")),
    "EXT1": (2, 1, *_push("global", _extension(b"\x82", 1))),
    "EXT2": (2, 0.5, *_push("global", _extension(b"\x83", 2))),
    "EXT4": (2, 0.5, *_push("global", _extension(b"\x84", 4))),
    "BINBYTES": (3, 1, *_sized(b"B", 4, "bytes")),
    "SHORT_BINBYTES": (3, 2, *_sized(b"C", 1, "bytes")),
    "SHORT_BINUNICODE": (4, 4, *_sized(b"\x8c", 1, "str")),
    "BINUNICODE8": (4, 1, *_sized(b"\x8d", 8, "str")),
    "BINBYTES8": (4, 1, *_sized(b"\x8e", 8, "bytes")),
    "EMPTY_SET": (4, 1.5, *_push("set", _constant(b"\x8f"))),
    "ADDITEMS": (4, 2, *_collect(b"\x90", _all(HASHED), None, SETS)),
    "ADDITEMS_ANY": (4, 0.2, *_collect(b"\x90", lambda _: True, None)),
    "FROZENSET": (4, 1.5, *_collect(b"\x91", _all(HASHED), "frozenset")),
    "NEWOBJ_EX": (4, 2, *_apply(b"\x92", CALLABLE, "tuple|emptytuple", "dict", gives="result")),
    "NEWOBJ_EX_ANY": (4, 0.2, *_apply(b"\x92", "any", "any", "any", gives="result")),
    "STACK_GLOBAL": (4, 5, lambda _: True, _stack_global),
    "MEMOIZE": (4, 3, lambda state: bool(state.stack), _put("MEMOIZE")),
    "BYTEARRAY8": (5, 1, *_sized(b"\x96", 8, "bytearray")),
    "NEXT_BUFFER": (5, 0.05, *_push("buffer", _constant(b"\x97"))),
    "READONLY_BUFFER": (5, 1, *_apply(b"\x98", "bytes|bytearray|buffer", gives="buffer")),
    "tuple": (0, 4, lambda _: True, _small_tuple),
    "state": (0, 1.5, lambda _: True, _small_state),
}
"""Name: the protocol it came with, how often it is drawn, when it fits, how it is written; last, two snippets."""


def framed(dice: Random, made: Program, *, hostile: bool) -> Program:
    """The same opcodes in frames; `hostile` ones are too short, too long, nested or empty."""
    start = 1 if made and made[0][:1] == b"\x80" else 0
    out, rest = made[:start], made[start:]
    while rest:
        count = dice.choice((len(rest), dice.randrange(1, len(rest) + 1), dice.randrange(1, 6)))
        inner, rest = rest[:count], rest[count:]
        body = b"".join(inner)
        length = len(body)
        if hostile and not dice.randrange(3):
            if inner and not dice.randrange(3):
                # A frame that ends inside an opcode, where its argument begins or in the middle of it.
                cut = dice.randrange(len(inner))
                length = len(b"".join(inner[:cut])) + dice.choice((1, 1, 2, 5))
            else:
                length = dice.choice((0, 1, length - 1, length + 1, length + 2, length // 2, 2 * length, 2**20, 2**63))
        if dice.randrange(8):
            out.append(b"\x95" + struct.pack("<Q", max(length, 0)))
        out += inner
    return out
