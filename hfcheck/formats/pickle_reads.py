"""How many bytes each opcode reads at a time: what a frame that is too short cuts in two."""

from hfcheck.formats.pickle_source import Source

ARGUMENTS = {
    0x4B: 1, 0x4D: 2, 0x4A: 4, 0x47: 8, 0x68: 1, 0x6A: 4, 0x71: 1, 0x72: 4, 0x80: 1, 0x82: 1, 0x83: 2, 0x84: 4,
    0x54: 4, 0x55: 1, 0x58: 4, 0x42: 4, 0x43: 1, 0x8A: 1, 0x8B: 4, 0x8C: 1, 0x8D: 8, 0x8E: 8, 0x95: 8, 0x96: 8,
}  # fmt: skip
"""Bytes that an opcode reads first, whatever it reads after them."""

_LINES = {0x63: 2, 0x69: 2, 0x50: 1, 0x49: 1, 0x4C: 1, 0x46: 1, 0x53: 1, 0x56: 1, 0x70: 1, 0x67: 1}
"""Opcodes with lines as arguments, and how many."""

_BODIES = frozenset({0x54, 0x55, 0x58, 0x8A, 0x8B, 0x8C, 0x8D, 0x95})
"""Opcodes that read so many bytes more as their first argument says. Bytes are read without a gap (`ReadInto`)."""


def crossing(source: Source, at: int, end: int) -> int | None:
    """Where the read begins that goes over the end of the frame, of the opcode at byte `at`.

    None where it reads nothing of the kind, or where no machine drops what is left of the frame for it.
    """
    code = source.read(at, 1)
    place = at + 1
    if not code:
        return None
    if code[0] in _LINES:
        for _ in range(_LINES[code[0]]):
            text, _ended = source.line(place)
            following = place + len(text) + 1
            if place < end < following:
                return place
            place = following
        return None
    width = ARGUMENTS.get(code[0], 0)
    if place < end < place + width:
        return place
    length = int.from_bytes(source.read(place, width), "little")
    place += width
    return place if code[0] in _BODIES and place < end < place + length else None
