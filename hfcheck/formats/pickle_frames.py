"""The second reading of a pickle whose frames do not hold what they should.

CPython's C unpickler before 3.13.15 and 3.14.7, on a stream that cannot be looked into ahead (torch hands one over),
drops what is left of a frame when an argument does not fit into it, and takes the argument from the first byte behind
the frame: https://github.com/python/cpython/issues/154848 . From memory it reads straight on. A stream can be made to
say two things, so both are read.
"""

from collections import deque

from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickle_reads import crossing
from hfcheck.formats.pickle_run import Load, Run, Wrapped
from hfcheck.formats.pickle_source import Source

MAX_READINGS = 16
"""Readings of one pickle besides the straight one."""

Reading = tuple[Source, Run, int]
"""A stream without what was dropped, what happens there, and from which opcode on it can be something else."""


def dropped(source: Source, first: Run, wrapped: Wrapped | None, load: Load | None) -> tuple[Reading, ...]:
    """The readings in which what is left of some frames is dropped.

    A buffered file is read straight on where the frame lies in its buffer, so that each crossing has two ways to go on.
    """
    readings: list[Reading] = []
    pending: deque[tuple[Source, Run, tuple[int, ...]]] = deque([(source, first, ())])
    while pending and len(readings) < MAX_READINGS:
        straight, found, cuts = pending.popleft()
        for at, end in found.frames_crossed:
            cut = crossing(straight, at, end)
            if cut is None or (cuts and cut <= cuts[-1]) or len(readings) >= MAX_READINGS:
                continue
            shorter = straight.without(cut, end)
            reading = run(shorter, first.begin, wrapped, load, (*cuts, cut))
            readings.append((shorter, reading, at))
            pending.append((shorter, reading, (*cuts, cut)))
    return tuple(readings)
