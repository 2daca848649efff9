"""What stands on the stack of a pickle that is interpreted: values that can do nothing.

None, bool, int, float, str, bytes, bytearray, list and tuple are Python's own. A dict or a set is one of the classes
here, because what it holds may be anything: **no value is ever hashed or compared**, a doubled tuple takes exponential
time. Two values are the same where they are the same object.
"""

from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import Any

Value = Any
"""A constant, a list, a tuple or an instance of one of the classes below."""


class How(Enum):
    """How a stream names what is imported; the value is the name of the opcode in `pickletools`."""

    GLOBAL = "GLOBAL"
    STACK_GLOBAL = "STACK_GLOBAL"
    INST = "INST"
    EXTENSION = "EXT"


class Global:
    """Something that the stream has imported. `module` and `name` are as written, `protocol` the one in force there.

    None as a module or a name: a call computed it, and no reader of the file can know it. `doubtful`: it is there only
    for a reader that takes the bytes of an array for opcodes.
    """

    __slots__ = ("doubtful", "how", "module", "name", "offset", "protocol")

    def __init__(self, module: str | None, name: str | None, offset: int, how: How, protocol: int) -> None:
        self.module = module
        self.name = name
        self.offset = offset
        self.how = how
        self.protocol = protocol
        self.doubtful = False

    @property
    def key(self) -> tuple[str | None, str | None]:
        return self.module, self.name


class Call:
    """What a call would give, and the call itself: `callee(*args, **kwargs)` by the opcode at `offset`.

    What the stream does with the result later: `states` are given to it by BUILD, `elements` by APPEND(S) and ADDITEMS,
    `flat` by SETITEM(S), key and value in turn.
    """

    __slots__ = ("args", "callee", "elements", "flat", "kwargs", "offset", "opcode", "states")

    def __init__(self, callee: Value, args: Value, kwargs: Value, offset: int, opcode: int) -> None:
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        self.offset = offset
        self.opcode = opcode
        self.states: list[Value] | None = None
        self.elements: list[Value] | None = None
        self.flat: list[Value] | None = None

    def is_of(self, module: str, name: str) -> bool:
        """Whether the callee is this global, by the name that is written."""
        callee = self.callee
        return type(callee) is Global and callee.module == module and callee.name == name

    def pairs(self) -> Iterator[tuple[Value, Value]]:
        return _pairs(self.flat or [])


class Dict:
    """A dictionary: `flat` has key and value in turn, in the order of the stream; of two equal keys the last counts."""

    __slots__ = ("flat",)

    def __init__(self, flat: list[Value]) -> None:
        self.flat = flat

    def pairs(self) -> Iterator[tuple[Value, Value]]:
        return _pairs(self.flat)

    def get(self, key: str) -> Value:
        """The value of a key that is a string; None where there is none."""
        found = None
        for name, value in self.pairs():
            if type(name) is str and name == key:
                found = value
        return found


class Set:
    """A set, or a frozen one."""

    __slots__ = ("elements", "frozen")

    def __init__(self, elements: list[Value], *, frozen: bool) -> None:
        self.elements = elements
        self.frozen = frozen


class Persistent:
    """What the loader makes of a persistent id."""

    __slots__ = ("id", "offset")

    def __init__(self, id_: Value, offset: int) -> None:
        self.id = id_
        self.offset = offset


class Bulk:
    """A string or bytes too long to keep: `length` bytes from `begin` of the stream on; `kind` is its Python type."""

    __slots__ = ("begin", "kind", "length")

    def __init__(self, kind: type, begin: int, length: int) -> None:
        self.kind = kind
        self.begin = begin
        self.length = length


class Opaque:
    """A value that cannot be known; `why` is a phrase."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


def _pairs(flat: list[Value]) -> Iterator[tuple[Value, Value]]:
    return zip(islice(flat, 0, None, 2), islice(flat, 1, None, 2), strict=False)
