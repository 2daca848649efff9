"""Whether a file begins as a pickle, whichever way it is written: protocols 0 and 1 have no magic number.

https://github.com/python/cpython/blob/3.13/Lib/pickletools.py . The first opcodes are counted off and none is obeyed.
"""

import re

_NUMBER = re.compile(rb"[-+0-9.eEL_infaNI]+")
_QUOTED = re.compile(rb"(['\"]).*\1")
_DIGITS = re.compile(rb"[0-9]+")
_WORD = re.compile(rb"\S+")
_ANY = re.compile(rb".*")

_LINES = {
    b"F": (_NUMBER,), b"I": (_NUMBER,), b"L": (_NUMBER,), b"S": (_QUOTED,), b"V": (_ANY,), b"P": (_ANY,),
    b"c": (_WORD, _WORD), b"i": (_WORD, _WORD), b"g": (_DIGITS,), b"p": (_DIGITS,),
}  # fmt: skip
"""Opcodes whose arguments are lines, with what each line must look like."""

_BYTES = {
    b"J": 4, b"K": 1, b"M": 2, b"G": 8, b"h": 1, b"j": 4, b"q": 1, b"r": 4, b"\x80": 1, b"\x82": 1, b"\x83": 2,
    b"\x84": 4, b"\x95": 8,
}  # fmt: skip
"""Opcodes with an argument of so many bytes."""

_SIZED = {
    b"T": 4, b"U": 1, b"X": 4, b"B": 4, b"C": 1, b"\x8a": 1, b"\x8b": 4, b"\x8c": 1, b"\x8d": 8, b"\x8e": 8, b"\x96": 8,
}  # fmt: skip
"""Opcodes with an argument behind a length of so many bytes."""

_EFFECTS: dict[bytes, tuple[int, int]] = {
    **dict.fromkeys((b"F", b"I", b"L", b"S", b"V", b"P", b"c", b"g", b"J", b"K", b"M", b"G", b"h", b"j"), (0, 1)),
    **dict.fromkeys((b"T", b"U", b"X", b"B", b"C", b"\x8a", b"\x8b", b"\x8c", b"\x8d", b"\x8e", b"\x96"), (0, 1)),
    **dict.fromkeys((b"N", b"]", b"}", b")", b"\x82", b"\x83", b"\x84", b"\x88", b"\x89", b"\x8f"), (0, 1)),
    **dict.fromkeys((b"\x80", b"\x95"), (0, 0)),
    **dict.fromkeys((b"p", b"q", b"r", b"\x94", b"Q", b"\x85"), (1, 1)),
    b"0": (1, 0), b"2": (1, 2), b"a": (2, 1), b"s": (3, 1), b"\x86": (2, 1), b"\x87": (3, 1), b"\x93": (2, 1),
}  # fmt: skip
"""How many values an opcode takes from the stack and leaves there."""

_TO_MARK = {
    b"1": (0, 0), b"t": (0, 1), b"l": (0, 1), b"d": (0, 1), b"\x91": (0, 1),
    b"e": (1, 1), b"u": (1, 1), b"\x90": (1, 1),
}  # fmt: skip
"""The same for those that take all down to the last mark, and so much below it."""

_CALLS = {b"R": 2, b"b": 2, b"\x81": 2, b"\x92": 3}
"""Opcodes that call what is on the stack, and how many values they need; with INST and OBJ it is a mark."""

_CALLS_TO_MARK = (b"i", b"o")

_NEWEST = 5


def begins_pickle(head: bytes, size: int) -> bool:
    """Whether an unpickler that is given a file of `size` bytes with this start would come to a call.

    With the magic of protocol 2 and later, a second opcode is enough. So is an argument that goes on behind the head:
    what follows is not known. A line that does so is text.
    """
    if head[:1] == b"\x80" and head[1:2] <= bytes([_NEWEST]):
        return len(head) > 2 and (head[2:3] == b"(" or _EFFECTS.get(head[2:3], (1, 0))[0] == 0)
    at, depth = 0, 0
    marks: list[int] = []
    while at < len(head):
        code = head[at : at + 1]
        if depth >= _CALLS.get(code, len(head)) or (marks and code in _CALLS_TO_MARK):
            return _argument_end(head, at, size) is not None
        following = _argument_end(head, at, size)
        if following is None or (depth := _depth(code, depth, marks)) < 0:
            return False
        if following > len(head):
            return following < size
        at = following
    return False


def _argument_end(head: bytes, at: int, size: int) -> int | None:
    """Where the opcode after the one at `at` stands; None where this one has no argument that it could have."""
    code = head[at : at + 1]
    at += 1
    if code in _LINES:
        for form in _LINES[code]:
            end = head.find(b"\n", at)
            if end < 0 or not form.fullmatch(head[at:end].rstrip(b"\r")):
                return None
            at = end + 1
        return at
    if code in _SIZED:
        length = int.from_bytes(head[at : at + _SIZED[code]], "little")
        at += _SIZED[code] + length
        return at if at < size else None
    return at + _BYTES.get(code, 0)


def _depth(code: bytes, depth: int, marks: list[int]) -> int:
    """Values on the stack after an opcode; less than 0 where there is no such opcode, or too little on the stack."""
    if code == b"(":
        marks.append(depth)
        return depth
    if code in _TO_MARK and marks:
        taken, left = _TO_MARK[code]
        below = marks.pop() - taken
        return below + left if below >= 0 else -1
    if code not in _EFFECTS:
        return -1
    taken, left = _EFFECTS[code]
    return depth - taken + left if depth >= taken else -1
