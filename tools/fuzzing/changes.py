"""Changes of valid files, so that they become almost valid ones."""

import random
import re
import struct
from collections.abc import Sequence

LARGEST = 2**16
"""Bytes of an input that is made here: budgets for large files have tests of their own."""


def change_bytes(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """One to three changes: cut, double, swap, insert a word, flip a bit, an extreme integer."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(out) + 1)
        span = slice(at, at + dice.choice((1, 2, 4, 8, 32, 200)))
        word = dice.choice(words) * dice.choice((1,) * 20 + (2, 126, 2000))
        match dice.randrange(7):
            case 0:
                del out[span]
            case 1:
                out[at:at] = out[span]
            case 2:
                other = dice.randrange(len(out) + 1)
                out[other:other] = out[span]
            case 3:
                out[at:at] = word
            case 4:
                out[at : at + len(word)] = word
            case 5 if at < len(out):
                out[at] ^= 1 << dice.randrange(8)
            case _:
                width = dice.choice((1, 2, 4, 8))
                number = dice.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), len(out), len(out) + 1, 2**20))
                out[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, dice.choice(("little", "big")))
    return bytes(out[:LARGEST])


def change_tokens(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """The same with the words of a text as units; one time in four its bytes."""
    tokens = re.findall(rb'"(?:[^"\\\n]|\\.)*"|\w+|\s+|[^\w\s]', data)
    if not tokens or not dice.randrange(4):
        return change_bytes(data, dice, words)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at, other = dice.randrange(len(tokens) + 1), dice.randrange(len(tokens) + 1)
        word = dice.choice(words) * dice.choice((1,) * 20 + (2, 126, 2000))
        match dice.randrange(5):
            case 0:
                tokens[at : at + 1] = []
            case 1:
                tokens[at:at] = tokens[other : other + dice.randrange(1, 10)] + dice.choice(([], [b","], [b"\n"]))
            case 2:
                tokens[at : at + 1] = tokens[other : other + 1]
            case 3:
                tokens[at : at + 1] = [word]
            case _:
                tokens[at:at] = [word]
    return b"".join(tokens)[:LARGEST]


def change_header(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """A safetensors file with another header, whose length is told truly nine times in ten."""
    length = int.from_bytes(data[:8], "little")
    if length == 0 or length > len(data) or not dice.randrange(10):
        return change_bytes(data, dice, words)
    header, tail = change_tokens(data[8 : 8 + length], dice, words), data[8 + length :]
    if not dice.randrange(8):
        tail = tail[: dice.randrange(len(tail) + 1)] + bytes(dice.choice((0, 0, 1, 4)))
    return struct.pack("<Q", len(header) + dice.choice((0,) * 18 + (-1, 1)) if header else 0) + header + tail
