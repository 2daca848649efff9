"""Changes streams by bytes and by opcodes."""

import struct
from random import Random

from benchmarks.pickle_differential import arguments
from benchmarks.pickle_differential.programs import Program

_CODES = bytes(
    b"(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu})]GBC" + bytes(range(0x80, 0x99)),
)
_WORDS = (
    b"cos\nsystem\n", b"(tR", b")R", b")\x81", b"}b", b"\x8c\x01a\x8c\x01b\x93", b"h\x00", b"q\x00", b"\x94", b"0",
    b"2", b"(", b"t", b"\x86", b"K\x01a", b"K\x01K\x02s", b"(K\x01e", b"(K\x01K\x02u", b"(K\x01\x90", b"\x80\x04",
    b"\x80\x02", b"\x80\x00", b".", b"\x95\0\0\0\0\0\0\0\0", b"\x95\x05\0\0\0\0\0\0\0", b"(ia\nb\n", b"(ca\nb\no",
    b"Nb", b"Pid\n", b"Q",
)  # fmt: skip


def change_bytes(data: bytes, dice: Random, other: bytes) -> bytes:  # noqa: C901 - one case for each change
    """One to three changes, as bits, bytes or pieces."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(out) + 1)
        span = slice(at, at + dice.choice((1, 1, 2, 4, 9, 40)))
        match dice.randrange(10):
            case 0:
                del out[span]
            case 1:
                out[at:at] = out[span]
            case 2:
                out[at : at + 1] = bytes([dice.randrange(256)])
            case 3:
                out[at : at + 1] = bytes([dice.choice(_CODES)])
            case 4:
                out[at:at] = dice.choice(_WORDS)
            case 5:
                begin = dice.randrange(len(other) + 1)
                out[at:at] = other[begin : begin + dice.choice((1, 4, 20, 100))]
            case 6:
                del out[at:]
            case 7:
                out[at:] = other[dice.randrange(len(other) + 1) :]
            case 8 if at < len(out):
                out[at] ^= 1 << dice.randrange(8)
            case _:
                width = dice.choice((1, 2, 4, 8))
                number = dice.choice((0, 1, 2, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), len(out) - at, len(out)))
                out[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(out)


def change_program(made: Program, dice: Random, other: Program) -> Program:
    """One to three changes by whole opcodes."""
    out = list(made)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(out) + 1)
        span = slice(at, at + dice.choice((1, 1, 2, 5)))
        match dice.randrange(8):
            case 0:
                del out[span]
            case 1:
                out[at:at] = out[span]
            case 2:
                where = dice.randrange(len(out) + 1)
                out[where:where] = out[span]
            case 3:
                begin = dice.randrange(len(other) + 1)
                out[at:at] = other[begin : begin + dice.choice((1, 2, 9))]
            case 4:
                out[at:] = other[dice.randrange(len(other) + 1) :]
            case 5 if at < len(out):  # another opcode with the same argument
                out[at] = bytes([dice.choice(_CODES)]) + out[at][1:]
            case 6 if at < len(out) and out[at][:1] in b"ILFpg":
                out[at] = out[at][:1] + arguments.number(dice, arguments.INDEXES) + b"\n"
            case _:
                out[at:at] = [dice.choice(_WORDS)]
    return out


def change_frames(data: bytes, dice: Random) -> bytes:
    """Another length for a frame that is there, a frame around what is there, a frame less."""
    frames = [at for at in range(len(data)) if data[at] == 0x95]  # noqa: PLR2004 - FRAME
    if frames and dice.randrange(4):
        at = dice.choice(frames)
        length = int.from_bytes(data[at + 1 : at + 9], "little")
        if not dice.randrange(6):
            return data[:at] + data[at + 9 :]
        left = len(data) - at - 9
        new = dice.choice(
            (0, 1, length - 1, length + 1, length - dice.randrange(20), left, left + 1, dice.randrange(left + 40))
        )
        return data[: at + 1] + struct.pack("<Q", max(new, 0)) + data[at + 9 :]
    at = dice.randrange(len(data) + 1)
    return data[:at] + b"\x95" + struct.pack("<Q", dice.randrange(len(data) - at + 3)) + data[at:]
