"""The opcodes that are rare: each has a function, which returns the byte at which the stream goes on."""

from collections.abc import Callable
from typing import Any

from hfcheck.formats import pickle_numbers as numbers
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.formats.pickle_head import begins_pickle
from hfcheck.formats.pickle_state import NEVER, UNKNOWN, Machine
from hfcheck.formats.pickle_values import Bulk, Dict, How, Opaque, Persistent, Set, Value

MAX_INNER = 64
"""Constants that may be pickles themselves of which the place is kept."""

HIGHEST_PROTOCOL = 5

BIG_INTEGER = 1024
"""Bytes of an integer, from which on it is odd."""

_SIZE_MAX = 2**63 - 1


def rare(machine: Machine, code: int, at: int) -> int:
    """One opcode that is not in the loop, whose argument begins at byte `at`."""
    handler = _RARE.get(code)
    if handler is None:
        raise machine.stopped(f"an opcode, not the byte {code:#04x}")
    if code not in _WEIGHTS_ONLY:
        machine.refused = code
    return handler(machine, at)


def _proto(machine: Machine, at: int) -> int:
    protocol = machine.bytes_at(at, 1)[0]
    if protocol > HIGHEST_PROTOCOL:
        machine.differs(f"protocol {protocol}: Python's unpicklers stop, the weights-only one of torch goes on")
    machine.protocol = protocol
    return at + 1


def _frame(machine: Machine, at: int) -> int:
    length = int.from_bytes(machine.bytes_at(at, 8), "little")
    at += 8
    if length > _SIZE_MAX:
        raise machine.stopped(f"a frame of at most {_SIZE_MAX} bytes, not {length}")
    if length > machine.source.size - at:
        machine.differs("a frame longer than the stream: the C unpickler stops, the one in Python goes on")
    end = at + length
    if at < machine.frame_end < NEVER:
        machine.note(EventKind.FRAME, "a frame begins inside a frame")
        if end <= machine.frame_end:  # all of it is at hand: the C unpickler goes on to the end of the outer one
            return at
        if machine.frame_end not in machine.cuts:
            machine.found.frames_crossed.append((machine.at, machine.frame_end))
    elif machine.frame_end < at:  # its length reaches over the end of the frame before it
        machine.crossed()
    if length:
        machine.frame_end = min((end, *(cut for cut in machine.cuts if cut > at)))
    return at


def _mark_is_odd(machine: Machine, name: str) -> None:
    if machine.protocol >= 2:
        machine.note(EventKind.UNUSUAL, f"{name} at protocol {machine.protocol}")


def _global(machine: Machine, at: int) -> int:
    module, name, at = _two_lines(machine, at)
    machine.stack.append(machine.imported(module.decode(), name.decode(), How.GLOBAL))
    return at


def _two_lines(machine: Machine, at: int) -> tuple[bytes, bytes, int]:
    """The lines with module and name. Python takes the last byte off each, be it a newline or not."""
    module, at, ended = machine.line(at)
    name, at, also_ended = machine.line(at) if ended else (b"", at, False)
    if not (ended and also_ended):
        machine.differs("a name that ends with the stream: the C unpickler stops, the one in Python imports it")
        module = module if ended else module[:-1]
        name = name[:-1]
    elif not module or not name:
        machine.differs("an empty name: the C unpickler stops, the one in Python imports it")
    return module, name, at


def _inst(machine: Machine, at: int) -> int:
    module, name, at = _two_lines(machine, at)
    cls = machine.imported(module.decode("ascii"), name.decode("ascii"), How.INST)
    if not machine.meta:
        machine.differs("INST without a mark: the unpickler in Python imports before it stops")
    _mark_is_odd(machine, "INST")
    args = machine.pop_mark()
    machine.stack.append(machine.instantiated(cls, args, 0x69))
    return at


def _obj(machine: Machine, at: int) -> int:
    _mark_is_odd(machine, "OBJ")
    items = machine.pop_mark()
    machine.stack.append(machine.instantiated(items[0], items[1:], 0x6F))
    return at


def _newobj_ex(machine: Machine, at: int) -> int:
    kwargs = machine.stack.pop()
    args = machine.stack.pop()
    cls = machine.stack.pop()
    machine.note(EventKind.UNUSUAL, f"NEWOBJ_EX at protocol {machine.protocol}")
    if not isinstance(kwargs, (Dict, *UNKNOWN)):
        raise machine.stopped("a dictionary of keyword arguments")
    machine.stack.append(machine.new_object(cls, args, kwargs, 0x92))
    return at


def _extension(length: int) -> Callable[[Machine, int], int]:
    def extension(machine: Machine, at: int) -> int:
        code = int.from_bytes(machine.bytes_at(at, length), "little", signed=length == 4)
        if code <= 0:
            raise machine.stopped(f"the code of an extension, not {code}")
        machine.note(EventKind.EXTENSION, f"code {code}")
        machine.stack.append(machine.imported(None, None, How.EXTENSION))
        return at + length

    return extension


def _persid(machine: Machine, at: int) -> int:
    text, at, ended = machine.line(at)
    if not ended:
        machine.differs("a persistent id that ends with the stream: the unpickler in Python looks it up")
        text = text[:-1]
    try:
        found = Persistent(text.decode("ascii"), machine.at)
    except UnicodeDecodeError:
        raise machine.stopped("a persistent id in ASCII") from None
    machine.found.persistent.append(found)
    machine.stack.append(found if machine.load is None else machine.load(found))
    return at


def _number(read: Callable[[bytes], Any]) -> Callable[[Machine, int], int]:
    def number(machine: Machine, at: int) -> int:
        line, at = machine.whole_line(at)
        machine.stack.append(_known(machine, read, line))
        if len(line) > BIG_INTEGER:
            machine.note(EventKind.BIG_INTEGER, f"{len(line)} digits")
        return at

    return number


def _known(machine: Machine, read: Callable[[bytes], Any], line: bytes) -> Any:
    """The value of a line; what one machine refuses is an event, what both refuse stops."""
    try:
        value = read(line)
    except ValueError as error:
        raise machine.stopped(str(error)) from None
    if isinstance(value, numbers.Differing):
        machine.differs(value.detail)
        return value.value
    return value


def _memo_index(machine: Machine, at: int) -> tuple[int, int]:
    line, at = machine.whole_line(at)
    index: int = _known(machine, numbers.index, line)
    return index, at


def _put(machine: Machine, at: int) -> int:
    index, at = _memo_index(machine, at)
    if index < 0:
        raise machine.stopped("a memo index that is not negative")
    value = machine.stack[-1]
    if index > _SIZE_MAX:
        machine.differs("a memo index of more than 64 bits: the C unpickler stops, the one in Python goes on")
        machine.memo[index] = value
    else:
        machine.put(index, value)
    return at


def _get(machine: Machine, at: int) -> int:
    index, at = _memo_index(machine, at)
    value = machine.memo[index]
    machine.shared += 1
    machine.stack.append(value)
    return at


def _long1(machine: Machine, at: int) -> int:
    length = machine.bytes_at(at, 1)[0]
    machine.stack.append(int.from_bytes(machine.bytes_at(at + 1, length), "little", signed=True))
    return at + 1 + length


def _long4(machine: Machine, at: int) -> int:
    length = int.from_bytes(machine.bytes_at(at, 4), "little", signed=True)
    if length < 0:
        raise machine.stopped("the length of an integer, not a negative one")
    if length > BIG_INTEGER:
        machine.note(EventKind.BIG_INTEGER, f"{length} bytes")
    value = machine.bulk(bytes, at + 4, length)
    number = Opaque("a large integer") if isinstance(value, Bulk) else int.from_bytes(value, "little", signed=True)
    machine.stack.append(number)
    return at + 4 + length


def _string(machine: Machine, at: int) -> int:
    line, at = machine.whole_line(at)
    machine.stack.append(_of_python2(machine, _known(machine, numbers.quoted, line)))
    return at


def _of_python2(machine: Machine, text: bytes) -> Value:
    """A string of Python 2, which the unpickler decodes as its caller says, as ASCII where nobody says."""
    if text.isascii():
        return text.decode("ascii")
    machine.note(EventKind.ENCODING, "a string of Python 2 that is not ASCII")
    return text.decode("latin-1")


def _counted(width: int, kind: type) -> Callable[[Machine, int], int]:
    """An argument behind its length in `width` bytes."""

    def counted(machine: Machine, at: int) -> int:
        length = int.from_bytes(machine.bytes_at(at, width), "little")
        at += width
        value = machine.bulk(kind, at, length)
        if kind is bytes:
            _look_inside(machine, at, length)
        machine.stack.append(value)
        return at + length

    return counted


def _counted_string(width: int) -> Callable[[Machine, int], int]:
    """BINSTRING and SHORT_BINSTRING."""

    def counted(machine: Machine, at: int) -> int:
        length = int.from_bytes(machine.bytes_at(at, width), "little")
        at += width
        value = machine.bulk(bytes, at, length)
        _look_inside(machine, at, length)
        machine.stack.append(Bulk(str, at, length) if isinstance(value, Bulk) else _of_python2(machine, value))
        return at + length

    return counted


def _look_inside(machine: Machine, at: int, length: int) -> None:
    """Keep the place of bytes that look like a pickle."""
    if length > _SMALLEST_PICKLE and len(machine.found.inner) < MAX_INNER:
        first = machine.source.read(at, min(length, 2)) if at - machine.base >= len(machine.data) else b""
        first = first or machine.data[at - machine.base : at - machine.base + 2]
        if first[:1] in _PICKLE_STARTS and begins_pickle(machine.source.read(at, min(length, 1024)), length):
            machine.found.inner.append((at, length))


_SMALLEST_PICKLE = 8
_PICKLE_STARTS = (b"\x80", b"c", b"(", b"i", b"]", b"}")


def _unicode(machine: Machine, at: int) -> int:
    line, at = machine.whole_line(at)
    machine.stack.append(line.decode("raw-unicode-escape"))
    return at


def _pop(machine: Machine, at: int) -> int:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()
    return at


def _pop_mark(machine: Machine, at: int) -> int:
    machine.pop_mark()
    return at


def _dup(machine: Machine, at: int) -> int:
    machine.shared += 1
    machine.stack.append(machine.stack[-1])
    return at


def _dict(machine: Machine, at: int) -> int:
    _mark_is_odd(machine, "DICT")
    items = machine.pop_mark()
    made = Dict([])
    machine.set_items(made, items, 0x64)
    machine.stack.append(made)
    return at


def _list(machine: Machine, at: int) -> int:
    _mark_is_odd(machine, "LIST")
    items = machine.pop_mark()
    machine.stack.append(items)
    return at


def _append(machine: Machine, at: int) -> int:
    value = machine.stack.pop()
    target = machine.stack[-1]
    if type(target) is list:
        target.append(value)
        machine.shared += type(value) in (list, tuple, Dict)
    else:
        machine.extend(target, [value], 0x61)
    return at


def _set_item(machine: Machine, at: int) -> int:
    value = machine.stack.pop()
    key = machine.stack.pop()
    machine.set_items(machine.stack[-1], [key, value], 0x73)
    return at


def _empty_set(machine: Machine, at: int) -> int:
    machine.stack.append(Set([], frozen=False))
    return at


def _frozenset(machine: Machine, at: int) -> int:
    items = machine.pop_mark()
    for item in items:
        machine.check_key(item)
    machine.stack.append(Set(items, frozen=True))
    return at


def _add_items(machine: Machine, at: int) -> int:
    items = machine.pop_mark()
    machine.add(machine.stack[-1], items, 0x90)
    return at


def _next_buffer(machine: Machine, at: int) -> int:
    machine.note(EventKind.OUT_OF_BAND, "NEXT_BUFFER")
    machine.stack.append(Opaque("a buffer that is not in the stream"))
    return at


def _readonly_buffer(machine: Machine, at: int) -> int:
    target = machine.stack[-1]
    if isinstance(target, str) or getattr(target, "kind", bytes) is str:
        machine.note(EventKind.ENCODING, "a string is used as a buffer, which one of Python 2 may be")
        return at
    if not isinstance(target, (bytes, bytearray, Bulk, *UNKNOWN)):
        raise machine.stopped("a buffer")
    if not isinstance(target, (bytes, Bulk)):
        machine.stack[-1] = Opaque("a view of a buffer")
    return at


_RARE: dict[int, Callable[[Machine, int], int]] = {
    0x80: _proto, 0x95: _frame, 0x63: _global, 0x69: _inst, 0x6F: _obj, 0x92: _newobj_ex,
    0x82: _extension(1), 0x83: _extension(2), 0x84: _extension(4), 0x50: _persid,
    0x49: _number(numbers.integer), 0x4C: _number(numbers.long), 0x46: _number(numbers.real),
    0x70: _put, 0x67: _get, 0x8A: _long1, 0x8B: _long4, 0x53: _string, 0x56: _unicode,
    0x54: _counted_string(4), 0x55: _counted_string(1), 0x42: _counted(4, bytes), 0x43: _counted(1, bytes),
    0x8E: _counted(8, bytes), 0x96: _counted(8, bytearray), 0x8D: _counted(8, str),
    0x30: _pop, 0x31: _pop_mark, 0x32: _dup, 0x64: _dict, 0x6C: _list, 0x61: _append, 0x73: _set_item,
    0x8F: _empty_set, 0x91: _frozenset, 0x90: _add_items, 0x97: _next_buffer, 0x98: _readonly_buffer,
}  # fmt: skip
"""What the loop does not have, by opcode."""

_WEIGHTS_ONLY = frozenset({0x80, 0x63, 0x61, 0x73, 0x8F, 0x55, 0x8A})
"""Those of them that the weights-only machine has: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/_weights_only_unpickler.py"""
