"""What a pass over a pickle brings to light, in full and in order: `pickle_facts` has what is left of it for a rule."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hfcheck.formats.pickle_facts import Event, Stopped
from hfcheck.formats.pickle_source import Source
from hfcheck.formats.pickle_values import Call, Global, Persistent, Value

Wrapped = Callable[[Source, Call, int], int | None]
"""Asked after BUILD on the result of a call, with the byte behind it: where the stream goes on after the array that
follows such an object, None for another object."""

Load = Callable[[Persistent], Value]
"""What a loader makes of a persistent id."""


@dataclass(slots=True)
class Method:
    """What the stream does to an object that is no container of Python's own."""

    target: Value
    opcode: int
    argument: Value
    offset: int


@dataclass(slots=True)
class Run:
    """All that happened, in order. `end` is the byte behind STOP, None where the stream does not come to one.

    `root` is what STOP returns. `inner` are constants of bytes that may be pickles themselves: where they begin and how
    long they are. `shared` counts how often a container was put to another use, `depth` how many were open at once.
    `refused_opcode` is the last one that the weights-only machine of torch does not have.
    """

    begin: int = 0
    protocol: int = 0
    opcodes: int = 0
    globals: list[Global] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)
    persistent: list[Persistent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    inner: list[tuple[int, int]] = field(default_factory=list)
    frames_crossed: list[tuple[int, int]] = field(default_factory=list)
    """Opcodes that reach over the end of their frame: the byte of the opcode and that end."""
    root: Value = None
    end: int | None = None
    ends: list[int] = field(default_factory=list)
    """Where the stream goes on after this pickle: behind STOP, or behind a frame that was read further than that."""
    error: Stopped | None = None
    refused_opcode: int | None = None
    shared: int = 0
    depth: int = 0


class Stop(Exception):
    """Every machine stops here."""

    def __init__(self, stopped: Stopped) -> None:
        super().__init__(stopped.expected)
        self.stopped = stopped
