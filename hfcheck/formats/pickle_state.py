"""The state of the machine, and the cases of common opcodes in which the unpicklers have something to check.

What each machine does was read in `Lib/pickle.py` and `Modules/_pickle.c` of CPython 3.11 and is compared with them in
tests/formats/test_pickle_differential.py . "Both" are these two; torch's weights-only machine takes less than they do.
"""

from hfcheck.formats.pickle_facts import Event, EventKind, Stopped
from hfcheck.formats.pickle_reads import crossing
from hfcheck.formats.pickle_run import Load, Method, Run, Stop, Wrapped
from hfcheck.formats.pickle_source import MAX_LINE, Source
from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, How, Opaque, Persistent, Set, Value

MAX_HELD = 2**16
"""Bytes of a string that is kept; of a longer one it is known where it stands."""

MAX_EVENTS = 100
"""Events of one kind that are kept with their place."""

MAX_WALKED = 4_000_000
"""Values of keys that are looked at, in all: a tuple that is doubled 60 times takes forever."""

MAX_KEY = 10_000
"""Values in one key."""

NEVER = 2**64

_ADDITEMS = 0x90

KEYS = frozenset({str, int, bool, bytes, float, type(None)})
"""Types of constants that are hashed without a further thought."""

UNKNOWN = (Call, Global, Persistent, Opaque)
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
        if not isinstance(callee, UNKNOWN):
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
        if isinstance(target, UNKNOWN):
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
                if isinstance(item, UNKNOWN):
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
        if isinstance(target, UNKNOWN) and paired:  # the one in Python sets these before it misses a value
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
        elif not isinstance(target, UNKNOWN):
            for key, value in zip(items[::2], items[1::2], strict=True):
                self._check_index(target, key, value)

    def _check_index(self, target: Value, key: Value, value: Value) -> None:
        """`target[key] = value` for a target that is no dictionary."""
        if type(target) in (list, bytearray):
            if isinstance(key, UNKNOWN):
                return
            if type(key) in (int, bool) and -len(target) <= key < len(target):
                if type(target) is bytearray and isinstance(value, UNKNOWN):
                    return
                if type(target) is list or (type(value) in (int, bool) and 0 <= value < 256):
                    target[key] = value
                    return
        raise self.stopped("a dictionary to put items into")

    def build(self, stack: list[Value], state: Value, at: int) -> int:
        """BUILD: `__setstate__`, or attributes; the byte at which the stream goes on."""
        target = stack[-1]
        if not isinstance(target, UNKNOWN):
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


def _is_mutable(value: Value) -> bool:
    """Whether a value of Python's own types cannot be hashed."""
    if isinstance(value, Set):
        return not value.frozen
    return isinstance(value, (list, bytearray, Dict)) or (isinstance(value, Bulk) and value.kind is bytearray)


def _may_be_false(value: Value) -> bool:
    """Whether Python takes a value for false, or could."""
    if isinstance(value, UNKNOWN):
        return True
    if isinstance(value, Dict):
        return not value.flat
    if isinstance(value, Set):
        return not value.elements
    return not isinstance(value, Bulk) and not value
