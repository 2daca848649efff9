"""Arguments that are lines of text, as CPython's two unpicklers read them.

Each reader takes a line without its newline. It returns what the C machine and the one in Python make of it: the value
if they agree, `Differing` where one of them stops or both read another number; it raises ValueError where both stop.
`Modules/_pickle.c` hands a line to `strtol` and its kin as a C string, which ends at its first zero byte.
"""

import codecs
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_DIGITS = 4300
"""Digits of a decimal integer that Python reads since 3.10.7."""

MAX_REAL = 2**16
"""Bytes of a number with a point that is read."""

_STRTOL = re.compile(rb"[ \t\n\v\f\r]*[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DOUBLE = re.compile(rb"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?|nan))")
_DIGITS = re.compile(rb"[ \t\n\v\f\r]*[+-]?[0-9_]+[ \t\n\v\f\r]*")


@dataclass(frozen=True, slots=True)
class Differing:
    """A line of which the machines make different things; `value` is the C machine's where it has one."""

    value: Any
    detail: str


def integer(line: bytes) -> int | bool | Differing:
    """INT."""
    text = line.split(b"\0", 1)[0]
    own = _own(line)
    native: int | Differing | None = _strtol(text) if line else None
    if native is None and line:
        native = _own(text)
    if line in {b"00", b"01"}:
        return line == b"01"
    if own is None and native is None:
        raise _not_a(line, "an integer")
    if own is None:
        if isinstance(native, Differing):
            return native
        return Differing(native, "an integer that the C unpickler reads and the one in Python refuses")
    return own


def long(line: bytes) -> int | Differing:
    """LONG."""
    stripped = line[:-1] if line.endswith(b"L") else line
    own = _own(stripped)
    if own is not None:
        return own
    native = _own(stripped.split(b"\0", 1)[0]) if b"\0" in stripped else None
    if native is None:
        raise _not_a(line, "an integer")
    if isinstance(native, Differing):
        return native
    return Differing(native, "an integer that the C unpickler reads and the one in Python refuses")


def index(line: bytes) -> int | Differing:
    """PUT and GET: decimal, whatever zeros it begins with."""
    own = _own(line, 10)
    if own is not None and not isinstance(own, Differing):
        return own
    native = _own(line.split(b"\0", 1)[0], 10) if b"\0" in line else None
    if not isinstance(native, int):
        raise _not_a(line, "a memo index")
    return Differing(native, "a memo index that the C unpickler reads and the one in Python refuses")


def real(line: bytes) -> float | Differing:
    """FLOAT."""
    if len(line) > MAX_REAL:
        return Differing(0.0, "a number of so many digits that hfcheck does not read it")
    text = line.split(b"\0", 1)[0]
    native = _double(text)
    try:
        own = None if b"\0" in line else float(line)
    except ValueError:
        own = None
    if own is None and native is None:
        raise _not_a(line, "a number")
    if own is None:
        return Differing(native, "a number that the C unpickler reads and the one in Python refuses")
    if native is None:
        return Differing(own, "a number that the unpickler in Python reads and the C one refuses")
    return own


def quoted(line: bytes) -> bytes:
    """STRING: what is between the quotes."""
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string in quotes")
    return unescaped(line[1:-1])


def unescaped(text: bytes) -> bytes:
    r"""Bytes with the escapes of Python resolved. An escape that it does not know stays (`\d`)."""
    if b"\\" not in text:
        return text
    import warnings  # noqa: PLC0415 - only a pickle of protocol 0 comes here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        decoded: bytes = codecs.escape_decode(text)[0]  # type: ignore[attr-defined, unused-ignore]
    return decoded


def _own(text: bytes, base: int = 0) -> "int | Differing | None":
    """What `int` makes of it; None where it refuses."""
    if len(text) > MAX_DIGITS and _DIGITS.fullmatch(text):
        return Differing(0, "an integer of more digits than Python reads since 3.10.7")
    try:
        return int(text, base)
    except ValueError:
        return None


def _strtol(text: bytes) -> int | None:
    """What `strtol` makes of a whole line with base 0; None where it stops before the end or overflows."""
    if not text:
        return 0  # nothing was converted, and the end of the string is where it should be
    if _STRTOL.fullmatch(text) is None:
        return None
    digits = text.strip().lstrip(b"+-")
    if len(digits) > MAX_DIGITS:
        return None
    base = 16 if digits[:2].lower() == b"0x" else 8 if digits[:1] == b"0" else 10
    value = int(digits, base) * (-1 if text.strip()[:1] == b"-" else 1)
    return value if -(2**63) <= value < 2**63 else None


def _double(text: bytes) -> float | None:
    if _DOUBLE.fullmatch(text) is None:
        return None
    value = float(text)
    return None if math.isinf(value) and b"n" not in text.lower() else value


def _not_a(line: bytes, what: str) -> ValueError:
    return ValueError(f"{what}, not {len(line)} bytes of something else")
