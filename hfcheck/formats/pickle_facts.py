"""What a pickle would do, without a rule's opinion of it."""

from dataclasses import dataclass
from enum import Enum

from hfcheck.formats.pickle_values import Call, How, Value


class Consumer(Enum):
    """Who reads a stream; the value is how a message calls the function. It decides what a persistent id means."""

    PICKLE = "pickle.load"
    TORCH_ZIP = "torch.load"
    TORCH_LEGACY = "torch.load of files before 1.6"
    TORCH_TAR = "torch.load of files before 0.1.10"
    TORCHSCRIPT = "torch.jit.load"
    NUMPY = "numpy.load"
    JOBLIB = "joblib.load"


class EventKind(Enum):
    """What is odd about a stream by itself, whatever it imports; the value completes "the stream ..."."""

    DIVERGENCE = "is read in different ways by different unpicklers"
    FRAME = "has an argument or a frame that crosses the end of its frame"
    LENGTH = "announces more bytes than there are"
    COMPUTED_NAME = "imports what it computes"
    EXTENSION = "imports by a number of the extension registry"
    UNUSUAL = "uses an opcode that no writer of checkpoints uses at this protocol"
    OUT_OF_BAND = "needs buffers that are not in it"
    MEMO = "uses a memo index that makes an unpickler reserve memory for all below it"
    EXPANSION = "unfolds into more values than any machine can hold"
    KEY_EXPANSION = "uses as a key what takes forever to hash"
    DEPTH = "is nested deeper than Python follows"
    BIG_INTEGER = "has an integer of more than 1 KiB"
    INNER_PICKLE = "has bytes in it that are a pickle with a call"
    TRAILING = "goes on after its end"
    ENCODING = "has byte strings of Python 2, for which the reader has to know an encoding"
    ARRAY = "is read as arrays by joblib and as opcodes by pickle"


@dataclass(frozen=True, slots=True)
class Event:
    """An oddity at a byte of the stream. `detail` is a sentence; `count` says how many more of the kind there are."""

    kind: EventKind
    offset: int
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class GlobalUse:
    """What a stream imports: first at `offset`, `count` times in all, whether it is called or not.

    `module` and `name` are as written, None where they are computed. `imported` is what Python 3 imports: below
    protocol 3 the names of Python 2 are mapped (`_compat_pickle`). `doubtful`: only a reader that takes the bytes of an
    array for opcodes, as `pickle.load` does with a file of joblib, would import it.
    """

    module: str | None
    name: str | None
    imported: tuple[str, str] | None
    offset: int
    how: How
    count: int = 1
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class CallUse:
    """Calls of one callee by one opcode: the first of them, with its arguments, and how many there are.

    Calls of something that is no `Global` (the result of a call, a persistent id) are each a use of their own.
    """

    call: Call
    count: int = 1


@dataclass(frozen=True, slots=True)
class MethodUse:
    """What a stream does to an object that is none of Python's own containers: `target` is a Call, Global, ...

    `opcode` is the code of BUILD, APPEND, APPENDS, SETITEM, SETITEMS or ADDITEMS; `argument` what it is given, in the
    case of BUILD the state. Grouped as calls are, by the callee or the name of the target.
    """

    target: Value
    opcode: int
    argument: Value
    offset: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class PersistentUse:
    """A persistent id, the first of its form: `id` is what the stream hands to `persistent_load`."""

    id: Value
    offset: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a stream ends before its STOP, and what was expected there: a phrase that goes on after "expected".

    `budget` names the limit of hfcheck that was reached, None where the fault lies in the stream.
    """

    offset: int
    expected: str
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class PickleFacts:
    """One pickle. Offsets count from the start of the *stream* it stands in; `place` turns them into the file's.

    `member` is the way to the stream inside the file, as `a.tar!/b.pkl!/data.pkl` without the file, None for the file
    itself; `origin` is the byte of the file at which the stream begins, None where it was unpacked from something.
    `number` counts the pickles of one stream from 0, `offset` is where this one begins in it, `stop` the byte of its
    STOP. What was found before an error is kept: the payload ran before it. `refused_opcode` is the last opcode (its
    code, not its place) that the weights-only machine of torch 2.13 does not have, None where it has them all.
    """

    member: str | None
    origin: int | None
    number: int
    offset: int
    consumer: Consumer
    protocol: int
    opcodes: int
    globals: tuple[GlobalUse, ...]
    calls: tuple[CallUse, ...]
    methods: tuple[MethodUse, ...]
    persistent: tuple[PersistentUse, ...]
    events: tuple[Event, ...]
    stop: int | None
    error: Stopped | None
    refused_opcode: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole stream was followed to its STOP."""
        return self.stop is not None and self.error is None

    def place(self, offset: int) -> int | None:
        """A byte of the stream as a byte of the file; None inside what was unpacked."""
        return None if self.origin is None else self.origin + offset
