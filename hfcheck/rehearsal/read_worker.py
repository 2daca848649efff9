"""A program: reads weight files once, looks at every value on the way, and hashes them if asked to.

`hfcheck.rehearsal.rehearse` starts it, and hands it each file as an open descriptor. It never sees a path or a name: a
request has the places of tensors and their types. Requests are lines of JSON on stdin, answers lines on stdout. There
is one buffer; a second process that copies tensors to a device may look into it while it is filled and not refilled.
"""

import hashlib
import json
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

BUFFER = 8 * 2**20
"""Bytes that are read at a time. Behind them is room to move them by less than ALIGNED."""

ALIGNED = 16
TILE = 2**18
"""Bytes that are looked at at a time: they stay in the cache of a processor for the second look."""

LIMITS = {
    resource.RLIMIT_AS: 4 * 2**30,
    resource.RLIMIT_DATA: 2**30,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 64,
}

SECONDS_AND_RATE = 120, 2 * 2**20
"""Processor time: so much, and a second for so many bytes. The slowest way here takes a tenth of that."""

SMALL = 16 * 2**20
"""Bytes that are looked at sooner than numpy is imported."""

FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
    "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pickle.find_class",
)  # fmt: skip


class Refused(PermissionError):
    """What this program must never do."""


class Short(Exception):
    """The file ends before the bytes that it had when it was listed."""


class Form(NamedTuple):
    """The bits of a type of numbers, little-endian.

    A value of `width` bytes is not finite if its bits without `sign` are `limit` or more, infinite if they are `limit`
    and the type has an infinity. Where `only` is given it is the one value that is not finite, a NaN. An element is
    `parts` of them. `high` are the last bytes of values that are not finite, and of some that are.
    """

    width: int
    limit: int
    sign: int
    has_infinity: bool = True
    only: bytes = b""
    parts: int = 1
    high: bytes = b"\x7f\xff"
    has_zero: bool = True


_HALF = bytes((*range(0x7C, 0x80), *range(0xFC, 0x100)))

FORMS = {
    "BF16": Form(2, 0x7F80, 0x8000),
    "F16": Form(2, 0x7C00, 0x8000, high=_HALF),
    "F32": Form(4, 0x7F80_0000, 0x8000_0000),
    "F64": Form(8, 0x7FF0_0000_0000_0000, 0x8000_0000_0000_0000),
    "C32": Form(2, 0x7C00, 0x8000, parts=2, high=_HALF),
    "C64": Form(4, 0x7F80_0000, 0x8000_0000, parts=2),
    "C128": Form(8, 0x7FF0_0000_0000_0000, 0x8000_0000_0000_0000, parts=2),
    "F8_E5M2": Form(1, 0x7C, 0x80, high=_HALF),
    "F8_E4M3": Form(1, 0x7F, 0x80, has_infinity=False),
    "F8_E8M0": Form(1, 0xFF, 0, has_infinity=False, only=b"\xff", high=b"\xff", has_zero=False),
    "F8_E4M3FNUZ": Form(1, 0x80, 0, has_infinity=False, only=b"\x80", high=b"\x80"),
    "F8_E5M2FNUZ": Form(1, 0x80, 0, has_infinity=False, only=b"\x80", high=b"\x80"),
}
"""Types in which a value can be no number."""

WHOLE = Form(1, 0, 0)
"""All others: whole numbers, and types that have a number for each pattern. One can still see that all bytes are zero:
https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf , section 5.3."""

FEW = 2
"""Bytes that are sooner looked for one after the other than all at once."""

UNSIGNED, SIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}, {1: "b", 2: "h", 4: "i", 8: "q"}

Census = tuple[int, int, int, int]
"""NaN, inf, -inf, and the index of the first of them, -1 where there is none."""


class Eye(NamedTuple):
    """How a tile is looked at.

    `glance` tells whether a value may not be finite, and whether all are zero; `census` counts those that are not.
    """

    name: str
    glance: Callable[[memoryview, Form], tuple[bool, bool]]
    census: Callable[[memoryview, Form], Census]


class Tally:
    """What was seen of one tensor so far."""

    def __init__(self, number: int, begin: int, form: Form) -> None:
        self.number, self.begin, self.form = number, begin, form
        self.nan = self.inf = self.negative_inf = 0
        self.first, self.word = -1, ""
        self.is_zero = form.has_zero

    def look(self, view: memoryview, position: int, eye: Eye) -> None:
        """Look at bytes of the tensor, which are whole elements from this position of the file on."""
        if self.form is WHOLE:
            self.is_zero = self.is_zero and _is_blank(view)
            return
        for at in range(0, len(view), TILE):
            with view[at : at + TILE] as tile:
                suspicious, zero = eye.glance(tile, self.form)
                self.is_zero = self.is_zero and zero
                if suspicious:
                    self._add(eye.census(tile, self.form), tile, position + at)

    def _add(self, census: Census, tile: memoryview, position: int) -> None:
        nan, inf, negative_inf, first = census
        if first < 0:
            return
        if self.first < 0:
            width = self.form.width
            self.first = position - self.begin + first * width
            value = int.from_bytes(tile[first * width : (first + 1) * width], "little")
            is_infinite = self.form.has_infinity and value & ~self.form.sign == self.form.limit
            self.word = ("-inf" if value & self.form.sign else "inf") if is_infinite else "NaN"
        self.nan += nan
        self.inf += inf
        self.negative_inf += negative_inf

    def said(self) -> list[Any]:
        return [self.number, self.nan, self.inf, self.negative_inf, self.word, self.first]


def main() -> None:
    """Arguments: the descriptor of the socket that files come through, that of the buffer or -1, bytes to expect."""
    answer = os.dup(1)  # whatever a library prints: its stdout is stderr
    os.dup2(2, 1)
    expected = int(sys.argv[3])
    _limit(expected)
    files = socket.socket(fileno=int(sys.argv[1]))
    shared = int(sys.argv[2])
    buffer = memoryview(bytearray(BUFFER + ALIGNED) if shared < 0 else mmap.mmap(shared, BUFFER + mmap.PAGESIZE))
    eye = plain_eye() if expected < SMALL else _eye()
    sys.addaudithook(_refuse)
    with os.fdopen(answer, "w", encoding="utf-8", buffering=1) as stream:

        def say(**answer: object) -> None:
            stream.write(json.dumps(answer) + "\n")

        say(scanner=eye.name if eye is not None else "")
        for line in sys.stdin.buffer:
            _message, descriptors, _flags, _address = socket.recv_fds(files, 1, 1)
            with os.fdopen(descriptors[0], "rb", buffering=0) as file:
                _serve(file, json.loads(line), buffer, eye, say)


def _limit(expected: int) -> None:
    seconds, rate = SECONDS_AND_RATE
    for limit, most in {**LIMITS, resource.RLIMIT_CPU: seconds + expected // rate}.items():
        hard = resource.getrlimit(limit)[1]
        most_ = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most_, most_))


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise Refused(f"`{event}` is never allowed here")


def _serve(
    file: Any,  # noqa: ANN401 - unbuffered
    request: dict[str, Any],
    buffer: memoryview,
    eye: Eye | None,
    say: Callable[..., None],
) -> None:
    """Read one file. Request: `size`, `digest`, `waits`, `origin`, `tensors` as [begin, end, type] in order, apart."""
    digest = hashlib.sha256() if request["digest"] else None
    scan = Scan(request["tensors"], eye)
    position, size = 0, request["size"]
    try:
        file.seek(0)
        while position < size:
            end = scan.cut(min(position + BUFFER, size))
            shift = (position - request["origin"]) % ALIGNED  # numpy takes longer for values at odd addresses
            with buffer[shift : shift + end - position] as window:
                _fill(file, window)
                say(at=end, shift=shift, **scan.taken())
                if digest is not None:
                    digest.update(window)
                scan.look(window, position, end)
            if request["waits"] and not sys.stdin.buffer.readline():
                return
            position = end
    except Short:
        say(failed="it ends earlier than when it was listed", at=position, **scan.taken())
    except OSError as error:
        say(failed=error.strerror or "it cannot be read", at=position, **scan.taken())
    else:
        say(done=position, sha256=digest.hexdigest() if digest is not None else None, **scan.taken())


class Scan:
    """The look at the tensors of one file, in their order."""

    def __init__(self, tensors: list[list[Any]], eye: Eye | None) -> None:
        self._tensors, self._eye = tensors, eye
        self._cut = 0
        self._waiting = self._tallies()
        self._tally: Tally | None
        self._tally, self._until = next(self._waiting, (None, 0))
        self._found: list[list[Any]] = []
        self._zero: list[int] = []
        self._scanned = 0

    def _tallies(self) -> Iterator[tuple[Tally, int]]:
        for number, (begin, end, dtype) in enumerate(self._tensors):
            if end > begin:
                yield Tally(number, begin, FORMS.get(dtype, WHOLE)), end

    def cut(self, end: int) -> int:
        """Where a window may end at the latest: not within an element."""
        while self._cut < len(self._tensors) and self._tensors[self._cut][1] <= end:
            self._cut += 1
        begin, _, dtype = self._tensors[self._cut] if self._cut < len(self._tensors) else (end, end, "")
        return int(end - (end - begin) % FORMS[dtype].width if begin < end and dtype in FORMS else end)

    def look(self, window: memoryview, position: int, end: int) -> None:
        """Look at what the bytes from `position` to `end` of the file hold of tensors."""
        while self._eye is not None and self._tally is not None and self._tally.begin < end:
            begin = max(self._tally.begin, position)
            with window[begin - position : min(self._until, end) - position] as view:
                self._tally.look(view, begin, self._eye)
            if self._until > end:
                return
            self._scanned += 1
            if self._tally.first >= 0:
                self._found.append(self._tally.said())
            if self._tally.is_zero:
                self._zero.append(self._tally.number)
            self._tally, self._until = next(self._waiting, (None, 0))

    def taken(self) -> dict[str, Any]:
        """What was found and not said yet."""
        found, zero, self._found, self._zero = self._found, self._zero, [], []
        return {"found": found, "zero": zero, "scanned": self._scanned}


def _fill(file: Any, window: memoryview) -> None:  # noqa: ANN401
    done = 0
    while done < len(window):
        with window[done:] as rest:
            count = file.readinto(rest)
        if not count:
            raise Short
        done += count


def _is_blank(view: memoryview) -> bool:
    for at in range(0, len(view), TILE):
        tile = view[at : at + TILE].tobytes()
        if tile.count(0) < len(tile):
            return False
    return True


def plain_eye() -> Eye | None:
    """That of the standard library, which knows the byte order of the machine alone."""
    return Eye("the standard library", _glance, _count) if sys.byteorder == "little" else None


def _eye() -> Eye | None:
    """That of numpy, where it is installed."""
    try:
        import numpy  # noqa: ICN001, PLC0415 - after the limits are set
    except ImportError:
        return plain_eye()
    return numpy_eye(numpy)


def numpy_eye(numpy: Any) -> Eye:  # noqa: ANN401 - a module
    def glance(tile: memoryview, form: Form) -> tuple[bool, bool]:
        """The largest value as a whole number with a sign, and without: two reads take less than a mask in between."""
        values = numpy.frombuffer(tile, f"<u{form.width}")
        if form.only:
            return form.only in tile.tobytes(), not values.any()
        top, signed = int(values.max()), int(values.view(f"<i{form.width}").max())
        return signed >= form.limit or top >= form.sign | form.limit, top <= form.sign and signed <= 0

    def count(tile: memoryview, form: Form) -> Census:
        values = numpy.frombuffer(tile, f"<u{form.width}")
        if form.only:
            bad = values == form.only[0]
            above = below = 0
        else:
            magnitude = values & values.dtype.type(form.sign - 1)
            bad = magnitude >= form.limit
            infinite = (magnitude == form.limit) & form.has_infinity
            below = int(numpy.count_nonzero(infinite & (values >= form.sign)))
            above = int(numpy.count_nonzero(infinite)) - below
        total = int(numpy.count_nonzero(bad))
        return total - above - below, above, below, int(bad.argmax()) if total else -1

    return Eye(f"numpy {numpy.__version__}", glance, count)


def _glance(tile: memoryview, form: Form) -> tuple[bool, bool]:
    """The last byte of a value tells most: of what it does not rule out the largest value is asked for."""
    data = tile.tobytes()
    last = data[form.width - 1 :: form.width]
    zero = form.has_zero and not any(data[: form.width - 1]) and data[form.width - 1] in (0, form.sign and 0x80)
    if zero:
        rest = data.translate(None, b"\0")
        zero = not rest or rest.count(0x80) == len(rest) == last.count(0x80)
    if len(form.high) <= FEW:
        if not any(byte in last for byte in form.high):
            return False, zero
    elif len(last.translate(None, form.high)) == len(last):
        return False, zero
    if form.only:
        return True, zero
    top, signed = max(tile.cast(UNSIGNED[form.width])), max(tile.cast(SIGNED[form.width]))  # type: ignore[call-overload]
    return signed >= form.limit or top >= form.sign | form.limit, zero


def _count(tile: memoryview, form: Form) -> Census:
    nan = inf = negative_inf = 0
    first = -1
    mask = form.sign - 1 if form.sign else 0xFF
    for index, value in enumerate(tile.cast(UNSIGNED[form.width])):  # type: ignore[call-overload]
        if value != form.only[0] if form.only else value & mask < form.limit:
            continue
        first = index if first < 0 else first
        if not form.has_infinity or value & mask != form.limit:
            nan += 1
        elif value & form.sign:
            negative_inf += 1
        else:
            inf += 1
    return nan, inf, negative_inf, first


if __name__ == "__main__":
    main()
