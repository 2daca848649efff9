"""Unpickles hostile streams with the machines of this Python, on stubs that do nothing but note what is done to them.

A program of its own, started by `oracle.py` as `python -I worker.py SECONDS`: it may open no file and no socket, has
1 GiB of memory and so many seconds of CPU for each stream. Nothing is imported for a stream and nothing of it is
called: `find_class` gives a stub. Batches come in on stdin, answers leave on stdout, each behind its length.
"""

import _pickle
import contextlib
import copyreg
import gc
import io
import json
import pickle
import resource
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

MEMORY = 2**30
MAX_NOTES = 5000
"""Notes of one run: a stream that makes more of them is ended."""

MAX_PICKLES = 64
BLANK = b"\0 \t\r\n"
"""What may stand between two pickles."""

EXTENSIONS = (*range(1, 256), 256, 0x1234, 0xFFFF, 0x10000, 2**31 - 1)
"""Registered numbers; the others are refused by every machine."""

COMPUTED = "computed"
"""What a call gives where its results are strings."""

RESULTS: dict[str, Callable[[], object]] = {
    "str": lambda: COMPUTED,
    "tuple": lambda: (COMPUTED,),
    "list": list,
    "dict": dict,
    "set": set,
    "int": lambda: 7,
    "bytes": lambda: b"computed",
    "bytearray": lambda: bytearray(b"computed"),
}
"""What a call and a persistent id give, by the name of the variant; "class" and "object" are stubs."""


class Enough(Exception):
    """The run has made as many notes as it may."""


class Trace:
    """What one run did, in order; `where` tells the place in the stream, for as much as a machine lets it be known."""

    def __init__(self, results: str) -> None:
        self.results = results
        self.notes: list[list[object]] = []
        self.where: Callable[[], list[int | None]] = lambda: [None, None]
        self.protocol: Callable[[], int | None] = lambda: None

    def note(self, *what: object) -> list[int | None]:
        if len(self.notes) >= MAX_NOTES:
            raise Enough
        place = self.where()
        self.notes.append([what[0], *place, *what[1:]])
        return place

    def global_(self, module: object, name: object) -> object:
        place = self.note("global", _shown(module), _shown(name), self.protocol())
        return _stub(self, ["g", *place, _shown(module), _shown(name)])

    def call(self, callee: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        place = self.note("call", _shown(callee), _shown(args), len(kwargs))
        return self._result(["c", *place])

    def persistent(self, pid: object) -> object:
        return self._result(["p", *self.note("persistent", _shown(pid))])

    def _result(self, reference: list[object]) -> object:
        made = RESULTS.get(self.results)
        return _stub(self, reference) if made is None else made()


class Kind(type):
    """The class of the stubs that are classes: an unpickler takes those wherever it takes anything."""

    trace: Trace
    reference: list[object]

    def __call__(cls, *args: object, **kwargs: object) -> object:
        return cls.trace.call(cls, args, kwargs)

    def __hash__(cls) -> int:
        cls.trace.note("hash", cls.reference)
        return id(cls)

    def __eq__(cls, other: object) -> bool:
        return cls is other

    def __iter__(cls) -> Iterator[object]:
        return iter(())

    def keys(cls) -> list[str]:
        return []

    def __getitem__(cls, key: object) -> NoReturn:
        raise IndexError

    def append(cls, item: object) -> None:
        cls.trace.note("method", cls.reference, "append", _shown(item))

    def extend(cls, items: object) -> None:
        cls.trace.note("method", cls.reference, "extend", _shown(items))

    def add(cls, item: object) -> None:
        cls.trace.note("method", cls.reference, "add", _shown(item))

    def update(cls, items: object) -> None:
        cls.trace.note("method", cls.reference, "update", _shown(items))

    def __setitem__(cls, key: object, value: object) -> None:
        cls.trace.note("method", cls.reference, "setitem", [_shown(key), _shown(value)])

    def __setstate__(cls, state: object) -> None:
        cls.trace.note("method", cls.reference, "setstate", _shown(state))


class Base(metaclass=Kind):
    """What every stub derives from, for the slot of `__new__`."""

    def __new__(cls, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - a stub, or what stands for a result
        return cls.trace.call(cls, args, kwargs)


class Thing:
    """A stub that is no class, as a function is none."""

    def __init__(self, trace: Trace, reference: list[object]) -> None:
        self.trace = trace
        self.reference = reference

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.trace.call(self, args, kwargs)

    def append(self, item: object) -> None:
        """The only method: `extend`, `add` and `__setstate__` are missing, so that the machines do without."""
        self.trace.note("method", self.reference, "append", _shown(item))


def _stub(trace: Trace, reference: list[object]) -> object:
    if trace.results == "object":
        return Thing(trace, reference)
    made = type.__new__(Kind, "Stub", (Base,), {})
    made.trace, made.reference = trace, reference
    return made


def _shown(value: object, depth: int = 3) -> object:
    """A value as JSON: constants in full for as far as it is of use, containers that may still change by kind."""
    kind = type(value)
    if kind is Kind or kind is Thing:
        return value.reference  # type: ignore[attr-defined]
    if kind is str:
        return ["s", value[:200], len(value)]  # type: ignore[index, arg-type]
    if kind is int:
        return ["i", hex(value)[:200]]  # type: ignore[arg-type]
    if kind is bytes or kind is bytearray:
        return ["b", value[:100].hex(), len(value)]  # type: ignore[index, arg-type]
    if kind is tuple:
        items = [_shown(item, depth - 1) for item in value[:8]] if depth else []  # type: ignore[index]
        return ["t", items, len(value)]  # type: ignore[arg-type]
    if value is None or kind in (bool, float):
        return ["k", repr(value)]
    return [kind.__name__]


class Unbuffered:
    """A file with the two methods that an unpickler cannot do without. Notices when the C machine takes a frame."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)
        self.framed = False
        self._opcode = b""

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        if size == 8 and self._opcode == b"\x95":  # noqa: PLR2004 - only the length of a frame is read so
            self.framed = True
        self._opcode = data if size == 1 else b""
        return data

    def readline(self) -> bytes:
        self._opcode = b""
        return self.stream.readline()

    def tell(self) -> int:
        return self.stream.tell()

    def seek(self, offset: int) -> None:
        self.stream.seek(offset)


class Raw(io.RawIOBase):
    """What stands below a buffered file."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything writable
        return self._stream.readinto(buffer)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)


class CMachine(_pickle.Unpickler):
    """The machine in C."""

    trace: Trace

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a stub
        return self.trace.global_(module, name)

    def persistent_load(self, pid: object) -> Any:  # noqa: ANN401 - a stub
        return self.trace.persistent(pid)


PYTHON: Any = pickle._Unpickler  # noqa: SLF001 - the machine in Python has no other name


class Watched(dict[int, Any]):
    """The table of opcodes; whoever looks one up is at its place in the stream."""

    def __init__(self, machine: "PythonMachine") -> None:
        super().__init__({**PYTHON.dispatch, pickle.FRAME[0]: _load_frame})
        self._machine = machine

    def __getitem__(self, code: int) -> Any:  # noqa: ANN401 - a function of the machine
        machine = self._machine
        frame = machine._unframer.current_frame  # noqa: SLF001 - there is no other way to know
        machine.at = (machine.file.tell() if frame is None else machine.frame_begin + frame.tell()) - 1
        return super().__getitem__(code)


class PythonMachine(PYTHON):  # type: ignore[misc] # of no known type
    """The machine in Python."""

    def __init__(self, file: Any, trace: Trace, **options: object) -> None:  # noqa: ANN401 - anything that can be read
        super().__init__(file, **options)
        self.file = file
        self.trace = trace
        self.at = 0
        self.frame_begin = 0
        self.dispatch = Watched(self)

    def find_class(self, module: str, name: str) -> object:
        return self.trace.global_(module, name)

    def persistent_load(self, pid: object) -> object:
        return self.trace.persistent(pid)


def _load_frame(machine: PythonMachine) -> None:
    PYTHON.dispatch[pickle.FRAME[0]](machine)
    machine.frame_begin = machine.file.tell() - len(machine._unframer.current_frame.getbuffer())  # noqa: SLF001 - as above


def run(data: bytes, variant: str) -> dict[str, object]:
    """The pickles of a stream, one after the other, each by a new machine.

    A variant reads `machine,file,results,encoding,buffers`: "c" or "python"; "bytes", "unbuffered" or the size of the
    buffer; the kind of results; "latin1", ...; whether there are buffers out of band.
    """
    kind, file_kind, results, encoding, buffers = variant.split(",")
    file: Any
    if file_kind == "unbuffered":
        file = Unbuffered(data)
    elif file_kind == "bytes":
        file = io.BytesIO(data)
    else:
        file = io.BufferedReader(Raw(data), int(file_kind))
    runs = [_load(kind, file, results, encoding, with_buffers=buffers == "yes")]
    while runs[-1]["error"] is None and len(runs) < MAX_PICKLES:
        begin = file.tell()
        begin = len(data) - len(data[begin:].lstrip(BLANK))
        if begin >= len(data):
            break
        file.seek(begin)
        runs.append({**_load(kind, file, results, encoding, with_buffers=buffers == "yes"), "begin": begin})
    return {"runs": runs}


def _load(kind: str, file: Any, results: str, encoding: str, *, with_buffers: bool) -> dict[str, object]:  # noqa: ANN401 - anything that can be read
    trace = Trace(results)
    machine: Any
    options: dict[str, Any] = {"encoding": encoding, "buffers": [bytearray(3), b"out"] * 8 if with_buffers else None}
    copyreg._extension_cache.clear()  # type: ignore[attr-defined] # noqa: SLF001 - or a stub of an earlier run comes back
    if kind == "python":
        machine = PythonMachine(file, trace, **options)
        trace.where = lambda: [machine.at, None]
        trace.protocol = lambda: int(machine.proto)
    else:
        machine = CMachine(file, **options)
        machine.trace = trace
        if isinstance(file, Unbuffered):
            trace.where = lambda: [None, None if file.framed else file.tell()]
    error = None
    try:
        machine.load()
    except Enough:
        error = "Enough"
    except BaseException as caught:  # noqa: BLE001 - whatever ends a machine is its answer
        error = f"{type(caught).__name__}: {_message(caught)}"
    end = None
    with contextlib.suppress(Exception):
        end = file.tell()
    return {"notes": trace.notes, "error": error, "end": end, "begin": 0, "at": getattr(machine, "at", None)}


def _message(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except Exception:  # noqa: BLE001 - a message may hold what cannot be shown
        return "?"


def main() -> None:
    warnings.simplefilter("ignore")
    for code in EXTENSIONS:
        copyreg.add_extension("extension", f"n{code}", code)
    for encoding in ("ascii", "latin1", "utf-8", "raw-unicode-escape"):  # no codec can be loaded later on
        b"a".decode(encoding)
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    seconds = int(sys.argv[1])
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    while head := given.read(8):
        batch = io.BytesIO(given.read(struct.unpack("<Q", head)[0]))
        while item := batch.read(8):
            name, size = struct.unpack("<II", item)
            variant, data = batch.read(name).decode(), batch.read(size)
            used = resource.getrusage(resource.RUSAGE_SELF)
            resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, most))
            answer = json.dumps(run(data, variant), separators=(",", ":")).encode()
            answers.write(struct.pack("<I", len(answer)) + answer)
            answers.flush()
        gc.collect()


if __name__ == "__main__":
    main()
