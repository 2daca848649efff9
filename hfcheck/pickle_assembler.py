"""Opcodes by their names in `pickletools`: examples of rules are written so, and messages name them."""

import struct
from collections.abc import Iterable

_BARE = {
    "MARK": "(", "STOP": ".", "POP": "0", "POP_MARK": "1", "DUP": "2", "NONE": "N", "REDUCE": "R", "BUILD": "b",
    "APPEND": "a", "APPENDS": "e", "SETITEM": "s", "SETITEMS": "u", "DICT": "d", "LIST": "l", "TUPLE": "t",
    "EMPTY_DICT": "}", "EMPTY_LIST": "]", "EMPTY_TUPLE": ")", "OBJ": "o", "BINPERSID": "Q", "NEWOBJ": "\x81",
    "TUPLE1": "\x85", "TUPLE2": "\x86", "TUPLE3": "\x87", "NEWTRUE": "\x88", "NEWFALSE": "\x89", "EMPTY_SET": "\x8f",
    "ADDITEMS": "\x90", "FROZENSET": "\x91", "NEWOBJ_EX": "\x92", "STACK_GLOBAL": "\x93", "MEMOIZE": "\x94",
    "NEXT_BUFFER": "\x97", "READONLY_BUFFER": "\x98",
}  # fmt: skip

_LINES = {
    "INT": "I", "LONG": "L", "FLOAT": "F", "STRING": "S", "UNICODE": "V", "PERSID": "P", "GET": "g", "PUT": "p",
    "GLOBAL": "c", "INST": "i",
}  # fmt: skip
"""The argument stands in a line; two words are two lines."""

_NUMBERS = {
    "BININT": ("J", 4), "BININT1": ("K", 1), "BININT2": ("M", 2), "BINGET": ("h", 1), "LONG_BINGET": ("j", 4),
    "BINPUT": ("q", 1), "LONG_BINPUT": ("r", 4), "PROTO": ("\x80", 1), "EXT1": ("\x82", 1), "EXT2": ("\x83", 2),
    "EXT4": ("\x84", 4), "FRAME": ("\x95", 8),
}  # fmt: skip
"""The code, and how many bytes the number takes."""

_TEXTS = {
    "BINSTRING": ("T", 4), "SHORT_BINSTRING": ("U", 1), "BINUNICODE": ("X", 4), "SHORT_BINUNICODE": ("\x8c", 1),
    "BINUNICODE8": ("\x8d", 8),
}  # fmt: skip
"""The code, and how many bytes the length takes. The argument is all that stands behind the name and one blank."""

_BYTES = {
    "BINBYTES": ("B", 4), "SHORT_BINBYTES": ("C", 1), "LONG1": ("\x8a", 1), "LONG4": ("\x8b", 4),
    "BINBYTES8": ("\x8e", 8), "BYTEARRAY8": ("\x96", 8),
}  # fmt: skip
"""The same, with an argument in hexadecimal digits."""

_NAMES = {
    "G": "BINFLOAT",
    **{code: name for name, code in (_BARE | _LINES).items()},
    **{code: name for name, (code, _) in (_NUMBERS | _TEXTS | _BYTES).items()},
}


def opcode_name(code: int) -> str:
    """The name of an opcode, or its number."""
    return _NAMES.get(chr(code), f"{code:#04x}")


def assembled(lines: Iterable[str | bytes]) -> bytes:
    """The bytes of a stream; each line is the name of an opcode and its argument, or bytes that stand as they are."""
    return b"".join(line if isinstance(line, bytes) else _opcode(line) for line in lines)


def _opcode(line: str) -> bytes:
    name, _, argument = line.partition(" ")
    if name in _BARE:
        return _BARE[name].encode("latin-1")
    if name == "BINFLOAT":
        return b"G" + struct.pack(">d", float(argument))
    if name in _LINES:
        words = argument.split(" ") if name in {"GLOBAL", "INST"} else [argument]
        return _LINES[name].encode() + "".join(f"{word}\n" for word in words).encode()
    if name in _NUMBERS:
        code, size = _NUMBERS[name]
        return code.encode("latin-1") + int(argument).to_bytes(size, "little", signed=name == "BININT")
    code, size = _TEXTS[name] if name in _TEXTS else _BYTES[name]
    data = argument.encode("utf-8", "surrogatepass") if name in _TEXTS else bytes.fromhex(argument)
    return code.encode("latin-1") + len(data).to_bytes(size, "little") + data
