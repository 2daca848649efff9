"""The opcodes that are rare, and the cases of the common ones in which the unpicklers have something to check.

What each machine does was read in `Lib/pickle.py` and `Modules/_pickle.c` of CPython 3.11 and is compared with them in
tests/formats/test_pickle_differential.py . "Both" are these two; torch's weights-only machine takes less than they do.
"""

from collections.abc import Callable
from typing import Any

from hfcheck.formats import pickle_numbers as numbers
from hfcheck.formats.pickle_facts import Event, EventKind, Stopped
from hfcheck.formats.pickle_head import begins_pickle
from hfcheck.formats.pickle_reads import crossing
from hfcheck.formats.pickle_run import Load, Method, Run, Stop, Wrapped
from hfcheck.formats.pickle_source import MAX_LINE, Source
from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, How, Opaque, Persistent, Set, Value

MAX_HELD = 2**16
"""Bytes of a string that is kept; of a longer one it is known where it stands."""

MAX_EVENTS = 100
"""Events of one kind that are kept with their place."""

MAX_INNER = 64
"""Constants that may be pickles themselves of which the place is kept."""

MAX_WALKED = 4_000_000
"""Values of keys that are looked at, in all: a tuple that is doubled 60 times takes forever."""

MAX_KEY = 10_000
"""Values in one key."""

NEVER = 2**64

HIGHEST_PROTOCOL = 5

_ADDITEMS = 0x90

BIG_INTEGER = 1024
"""Bytes of an integer, from which on it is odd."""

_SIZE_MAX = 2**63 - 1

KEYS = frozenset({str, int, bool, bytes, float, type(None)})
"""Types of constants that are hashed without a further thought."""

_CONSTANTS = KEYS | {bytearray}
_UNKNOWN = (Call, Global, Persistent, Opaque)
"""What may be of any type, as far as the stream tells."""


class Machine:
    """The state of the machine beyond the loop.

    `at` is the byte of the opcode at hand, `stack` the one above the last mark, `meta` those below it.
    """

    def __init__(
        self, source: Source, found: Run, wrapped: Wrapped | None, load: Load | None, cuts: tuple[int, ...]
    ) -> None:
        self.source = source
        self.found = found
        self.wrapped = wrapped
        self.load = load
        self.cuts = cuts
        self.most = 64 * source.size + 1024
        """The largest index that a memo of this stream may have, generously."""
        self.at = found.begin
        self.data = b""
        self.base = 0
        self.stack: list[Value] = []
        self.meta: list[list[Value]] = []
        self.memo: dict[int, Value] = {}
        self.protocol = 0
        self.frame_end = NEVER
        self.refused: int | None = None
        self.shared = 0
        self.depth = 0
        self.held = 0
        self.walked = 0
        self.counts: dict[EventKind, int] = {}

    # What is said of the stream.

    def note(self, kind: EventKind, detail: str, offset: int | None = None) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= MAX_EVENTS:
            self.found.events.append(Event(kind, self.at if offset is None else offset, detail))

    def differs(self, detail: str) -> None:
        self.note(EventKind.DIVERGENCE, detail)

    def stopped(self, expected: str, offset: int | None = None, *, budget: str | None = None) -> Stop:
        return Stop(Stopped(self.at if offset is None else offset, expected, budget))

    def crossed(self) -> None:
        """The opcode at `at` has read over the end of its frame."""
        if self.frame_end not in self.cuts:
            self.note(EventKind.FRAME, "an argument goes on behind the end of its frame")
            self.found.frames_crossed.append((self.at, self.frame_end))

    def failed(self) -> None:
        """The opcode at `at` stops every machine that reads straight on; one that drops the rest of a frame may not."""
        if self.frame_end != NEVER and crossing(self.source, self.at, self.frame_end) is not None:
            self.crossed()

    def ended(self, end: int) -> None:
        """The pickle has come to its STOP, and the stream goes on at byte `end`, or behind the frame that is open."""
        self.found.ends.append(end)
        if end < self.frame_end <= self.source.size and self.frame_end not in self.cuts:
            self.note(EventKind.FRAME, "the pickle ends before its frame does")
            self.found.ends.append(self.frame_end)

    # Bytes and lines.

    def bytes_at(self, at: int, length: int) -> bytes:
        """Bytes of which every machine needs all."""
        begin = at - self.base
        found = self.data[begin : begin + length] if begin >= 0 else b""
        if len(found) < length:
            found = self.source.read(at, length)
        if len(found) < length:
            raise self.stopped("the argument of an opcode, and the stream ends")
        return found

    def line(self, at: int) -> tuple[bytes, int, bool]:
        """The line at a byte, where the next one begins, and whether it ends in a newline and not with the stream."""
        begin = at - self.base
        end = self.data.find(b"\n", begin) if 0 <= begin <= len(self.data) else -1
        if end >= 0:
            return self.data[begin:end], self.base + end + 1, True
        text, ended = self.source.line(at)
        if not ended and len(text) >= MAX_LINE:
            raise self.stopped(f"a line of at most {MAX_LINE} bytes", budget="pickle.line")
        self.held += len(text)
        return text, at + len(text) + ended, ended

    def whole_line(self, at: int) -> tuple[bytes, int]:
        """A line of which both machines need the end: at the end of the stream nothing can follow it."""
        text, following, ended = self.line(at)
        if not ended:
            raise self.stopped("a line that ends, and the stream ends")
        return text, following

    def bulk(self, kind: type, at: int, length: int) -> Value:
        """A string or bytes of this length at a byte, kept unless it is long."""
        if length > self.source.size - at:
            detail = f"{length} bytes are announced, and {max(self.source.size - at, 0)} are left"
            self.note(EventKind.LENGTH, detail)
            raise self.stopped(f"at most {max(self.source.size - at, 0)} bytes, not {length}")
        if length > MAX_HELD:
            return Bulk(kind, at, length)
        text = self.bytes_at(at, length)
        return str(text, "utf-8", "surrogatepass") if kind is str else kind(text)

    # The memo.

    def put(self, index: int, value: Value) -> None:
        if index > self.most:
            self.note(EventKind.MEMO, f"index {index} makes the C unpickler reserve {16 * index} bytes")
        self.memo[index] = value

    # Calls.

    def called(self, callee: Value, args: Value, kwargs: Value, code: int) -> Call:
        call = Call(callee, args, kwargs, self.at, code)
        self.found.calls.append(call)
        return call

    def reduced(self, callee: Value, args: Value) -> Value:
        """REDUCE, where it is not simply a global that is called with a tuple."""
        self._check_callee(callee)
        self._check_arguments(args)
        return self.called(callee, args, None, 0x52)

    def new_object(self, cls: Value, args: Value, kwargs: Value = None, code: int = 0x81) -> Value:
        """NEWOBJ, and NEWOBJ_EX with `kwargs`."""
        self._check_callee(cls)
        self._check_arguments(args)
        return self.called(cls, args, kwargs, code)

    def _check_callee(self, callee: Value) -> None:
        if not isinstance(callee, _UNKNOWN):
            raise self.stopped("something that can be called, not a constant or a container")

    def _check_arguments(self, args: Value) -> None:
        """C wants a tuple, `func(*args)` in Python anything with items."""
        if type(args) is tuple:
            return
        if args is None or type(args) in (int, bool, float):
            raise self.stopped("a tuple of arguments")
        self.differs("arguments that are no tuple: the C unpickler stops, the one in Python calls with them")

    def instantiated(self, cls: Value, args: list[Value], code: int) -> Value:
        """INST and OBJ."""
        self._check_callee(cls)
        return self.called(cls, tuple(args), None, code)

    def computed_global(self, module: Value, name: Value) -> Global:
        """STACK_GLOBAL with something else than two strings that are kept."""
        for operand in (module, name):
            if (
                not isinstance(operand, (str, Bulk, Call, Persistent, Opaque))
                or getattr(operand, "kind", str) is not str
            ):
                raise self.stopped("two strings that name what is imported")
        long = isinstance(module, Bulk) or isinstance(name, Bulk)
        detail = "a name of more than 64 KiB" if long else "the name is the result of a call"
        self.note(EventKind.COMPUTED_NAME, detail)
        known = [part if type(part) is str else None for part in (module, name)]
        return self.imported(known[0], known[1], How.STACK_GLOBAL)

    def imported(self, module: str | None, name: str | None, how: How) -> Global:
        found = Global(module, name, self.at, how, self.protocol)
        self.found.globals.append(found)
        return found

    # What is done to objects.

    def _done(self, target: Value, code: int, argument: Value) -> None:
        self.found.methods.append(Method(target, code, argument, self.at))

    def extend(self, target: Value, items: list[Value], code: int) -> None:
        """APPEND, APPENDS and ADDITEMS on something else than a list, where `items` are what is added."""
        if isinstance(target, _UNKNOWN):
            if not items and code == _ADDITEMS:
                return
            self._done(target, code, items)
            if type(target) is Call:
                target.elements = [] if target.elements is None else target.elements
                target.elements.extend(items)
        elif type(target) is bytearray:
            self._extend_bytes(target, items)
        elif not items:
            self.differs("nothing is added to what takes nothing: the C unpickler goes on, the one in Python stops")
        else:
            raise self.stopped("a list to append to")

    def _extend_bytes(self, target: bytearray, items: list[Value]) -> None:
        for item in items:
            if type(item) not in (int, bool) or not 0 <= item < 256:
                if isinstance(item, _UNKNOWN):
                    continue
                raise self.stopped("a byte to append")
            target.append(item)

    def add(self, target: Value, items: list[Value], code: int) -> None:
        """ADDITEMS."""
        if isinstance(target, Set) and not target.frozen:
            for item in items:
                self.check_key(item)
            target.elements.extend(items)
        elif type(target) in (list, bytearray):
            if items:
                raise self.stopped("a set to add to")
            self.differs("nothing is added to what is no set: the C unpickler goes on, the one in Python stops")
        else:
            self.extend(target, items, code)

    def set_items(self, target: Value, items: list[Value], code: int) -> None:
        """SETITEM and SETITEMS, where it is not simply constants as keys of a dictionary."""
        if not items:
            return
        paired = items[: len(items) & ~1]
        if isinstance(target, _UNKNOWN) and paired:  # the one in Python sets these before it misses a value
            self._done(target, code, paired)
            if type(target) is Call:
                target.flat = [] if target.flat is None else target.flat
                target.flat.extend(paired)
        if len(items) & 1:
            raise self.stopped("as many values as keys")
        if type(target) is Dict:
            for key in items[::2]:
                self.check_key(key)
            target.flat.extend(items)
        elif not isinstance(target, _UNKNOWN):
            for key, value in zip(items[::2], items[1::2], strict=True):
                self._check_index(target, key, value)

    def _check_index(self, target: Value, key: Value, value: Value) -> None:
        """`target[key] = value` for a target that is no dictionary."""
        if type(target) in (list, bytearray):
            if isinstance(key, _UNKNOWN):
                return
            if type(key) in (int, bool) and -len(target) <= key < len(target):
                if type(target) is bytearray and isinstance(value, _UNKNOWN):
                    return
                if type(target) is list or (type(value) in (int, bool) and 0 <= value < 256):
                    target[key] = value
                    return
        raise self.stopped("a dictionary to put items into")

    def build(self, stack: list[Value], state: Value, at: int) -> int:
        """BUILD: `__setstate__`, or attributes; the byte at which the stream goes on."""
        target = stack[-1]
        if not isinstance(target, _UNKNOWN):
            self._build_on_constant(state)
            return at
        self._done(target, 0x62, state)
        if type(target) is not Call:
            return at
        target.states = [] if target.states is None else target.states
        target.states.append(state)
        following = self.wrapped(self.source, target, at) if self.wrapped is not None else None
        if following is None:
            return at
        if at < self.frame_end < NEVER:
            self.note(
                EventKind.FRAME, "an array is announced inside a frame, and joblib takes it from behind the frame"
            )
        self.frame_end = NEVER  # joblib ends the frame before it writes an array
        self.note(EventKind.ARRAY, f"joblib takes the {following - at} bytes from here for an array", at)
        if at < self.frame_end < NEVER:  # joblib's file stands at the end of the frame by then, and the array with it
            self.note(EventKind.FRAME, "an array begins inside a frame")
        self.frame_end = NEVER
        stack[-1] = Opaque("a NumPy array")
        return following

    def _build_on_constant(self, state: Value) -> None:
        """Nothing is done where the state is None; where it is empty only the one in Python does nothing."""
        if state is None:
            return
        if not _may_be_false(state) and not (
            type(state) is tuple and len(state) == 2 and _may_be_false(state[0]) and _may_be_false(state[1])
        ):
            raise self.stopped("an object with a state, not a constant or a container")
        self.differs("an empty state of what has none: the unpickler in Python goes on, the C one stops")

    def check_key(self, key: Value) -> None:
        """A key of a dictionary or an element of a set: what cannot be hashed stops both."""
        if type(key) in KEYS:
            return
        pending, seen = [key], 0
        while pending:
            value = pending.pop()
            seen += 1
            if type(value) is tuple:
                if seen > MAX_KEY or self.walked > MAX_WALKED:
                    self.note(EventKind.KEY_EXPANSION, "a tuple of tuples, each of which is in it many times")
                    break
                pending.extend(value)
            elif _is_mutable(value):
                raise self.stopped("a key that can be hashed")
        self.walked += seen

    def pop_mark(self) -> list[Value]:
        items = self.stack
        self.stack = self.meta.pop()
        return items

    # The rare opcodes: each has its own method, which returns the byte at which the stream goes on.

    def rare(self, code: int, at: int) -> int:
        """One opcode that is not in the loop, whose argument begins at byte `at`."""
        handler = _RARE.get(code)
        if handler is None:
            raise self.stopped(f"an opcode, not the byte {code:#04x}")
        if code not in _WEIGHTS_ONLY:
            self.refused = code
        return handler(self, at)


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
    if not isinstance(kwargs, (Dict, *_UNKNOWN)):
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
    if not isinstance(target, (bytes, bytearray, Bulk, *_UNKNOWN)):
        raise machine.stopped("a buffer")
    if not isinstance(target, (bytes, Bulk)):
        machine.stack[-1] = Opaque("a view of a buffer")
    return at


def _is_mutable(value: Value) -> bool:
    """Whether a value of Python's own types cannot be hashed."""
    if isinstance(value, Set):
        return not value.frozen
    return isinstance(value, (list, bytearray, Dict)) or (isinstance(value, Bulk) and value.kind is bytearray)


def _may_be_false(value: Value) -> bool:
    """Whether Python takes a value for false, or could."""
    if isinstance(value, _UNKNOWN):
        return True
    if isinstance(value, Dict):
        return not value.flat
    if isinstance(value, Set):
        return not value.elements
    return not isinstance(value, Bulk) and not value


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
