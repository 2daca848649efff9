"""The second reading of a pickle whose frames do not hold what they should.

CPython's C unpickler before 3.13.15 and 3.14.7, on a stream that cannot be looked into ahead (torch hands one over),
drops what is left of a frame when an argument does not fit into it, and takes the argument from the first byte behind
the frame: https://github.com/python/cpython/issues/154848 . From memory it reads straight on. A stream can be made to
say two things, so both are read.
"""

from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickle_opcodes import ARGUMENTS
from hfcheck.formats.pickle_run import Load, Run, Wrapped
from hfcheck.formats.pickle_source import Source

MAX_CUTS = 16
"""Frames of one pickle that are dropped; each costs another pass."""

_LINES = {0x63: 2, 0x69: 2, 0x50: 1, 0x49: 1, 0x4C: 1, 0x46: 1, 0x53: 1, 0x56: 1, 0x70: 1, 0x67: 1}
"""Opcodes with lines as arguments, and how many."""

_BODIES = frozenset({0x54, 0x55, 0x58, 0x8A, 0x8B, 0x8C, 0x8D, 0x95})
"""Opcodes that read so many bytes more as their first argument says. Bytes are read without a gap (`ReadInto`)."""


def dropped(source: Source, first: Run, wrapped: Wrapped | None, load: Load | None) -> tuple[tuple[Source, Run], ...]:
    """The readings of a machine that drops what is left of a frame: each with one frame more that was cut short."""
    readings: list[tuple[Source, Run]] = []
    cuts: tuple[int, ...] = ()
    found = first
    while found.frames_crossed and len(cuts) < MAX_CUTS:
        at, end = found.frames_crossed[0]
        cut = _crossing(source, at, end)
        if cut is None or cut in cuts:
            break
        source = source.without(cut, end)
        cuts = (*cuts, cut)
        found = run(source, first.begin, wrapped, load, cuts)
        readings.append((source, found))
    return tuple(readings)


def _crossing(source: Source, at: int, end: int) -> int | None:
    """Where the read begins that goes over the end of the frame, of the opcode at byte `at`; None where none drops."""
    code = source.read(at, 1)[0]
    place = at + 1
    if code in _LINES:
        for _ in range(_LINES[code]):
            text, _ = source.line(place)
            following = place + len(text) + 1
            if place < end < following:
                return place
            place = following
        return None
    width = ARGUMENTS.get(code, 0)
    if place < end < place + width:
        return place
    length = int.from_bytes(source.read(place, width), "little")
    place += width
    return place if code in _BODIES and place < end < place + length else None
