"""What opcodes are given in programs that nobody wrote: edges of every kind, and the ordinary between them."""

from random import Random

INTEGERS = (
    b"", b"0", b"00", b"01", b"1", b"-1", b"+1", b" 1", b"1 ", b"-0", b"007", b"010", b"08", b"0x10", b"0XfF", b"0o17",
    b"0b11", b"1_0", b"1__0", b"_1", b"1L", b"0x1L", b"L", b"LL", b"-", b"+", b"1\0", b"1\0junk", b"\0", b"0x", b"1.0",
    b"1e3", b"1\r", b"\t1", b"1\x0b", b"\xa01", b"1\xa0", "\u0661".encode(), b"9" * 20, b"-9223372036854775808",
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"0x7fffffffffffffff",
    b"0x8000000000000000", b"1" * 4300, b"1" * 4301, b"0" * 4301, b"0x" + b"f" * 5000, b"0" * 30 + b"7", b"0_7", b"0_0",
    b"True", b"x", b"1 2", b"--1", b"- 1", b"0L", b"1l", b"1L\0", b"12\0L", b"1\0\0", b"0777777777777777777777",
    b"01777777777777777777777", b"0b102", b"0o8", b" 0x1f ", b"+0x1", b"-010", b"00x1", b"0\0x", b"1#",
)  # fmt: skip
INDEXES = (*INTEGERS, b"2", b"3", b"02", b"0002", b"+2", b" 3", b"2_0", b"-2", b"2147483648", b"100000")
FLOATS = (
    b"", b"0", b"1.5", b"-1.5", b"1e5", b"1E+5", b"1e400", b"-1e400", b"1e-400", b"nan", b"NaN", b"-nan", b"inf",
    b"-Infinity", b"infinit", b"1_0.5", b" 1.5", b"1.5 ", b"1.5\0", b"1.5\0x", b"\0", b".5", b"5.", b".", b"0x1p3",
    b"1,5", b"1.5\r", b"1.5L", b"e5", b"1e", b"+1.5", b"++1", "\u0661.5".encode(), b"1" * 400, b"0." + b"1" * 5000,
    b"1" * 5000, b"\t1", b"1\x0b", b"1_", b"_1", b"1__0", b"infinity", b"+inf", b"nan(1)", b"1d5", b"01.5", b"1e5_0",
)  # fmt: skip
_QUOTED = (
    b"''", b'""', b"'a'", b'"a"', b"'a\\x41'", b"'\\x4'", b"'\\xzz'", b"'\\n\\t'", b"'\\'", b"'\\\\'", b"'a'b'",
    b"'", b'"', b"", b"a", b"'a", b"a'", b"'a\"", b"'a' ", b" 'a'", b"'\\101'", b"'\\400'", b"'\\d'", b"'\\0'", b"'\0'",
    b"'\xe9'", b"'\\xe9'", b"'a'\r", b"'\\u0041'", b"'\\N{DASH}'", b"'\\", b"'\\777'", b"'os'", b"'system'",
)  # fmt: skip
_UNICODE = (
    b"", b"a", b"\\u0041", b"\\u00e9", b"\\ud800", b"\\U00010000", b"\\U00110000", b"\\u12", b"\\uzzzz", b"\\", b"\\\\",
    b"\xe9", b"\\x41", b"a\r", b"\0", b"os", b"\\u006fs", b"\\U0000006f", b"\\u000a", b"\\\\u0041", b"system",
)  # fmt: skip
_TEXTS = (
    b"", b"a", b"os", b"system", b"collections", b"OrderedDict", b"\xc3\xa9", b"\xe9", b"\xff", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", b"\xc0\x80", b"a\nb", b"\0", b"a.b", b"__builtin__", b"x" * 255,
)  # fmt: skip
_MODULES = (b"os", b"builtins", b"__builtin__", b"copy_reg", b"collections", b"a", b"a.b", b"m" * 20, b"itertools")
_NAMES = (b"system", b"eval", b"reduce", b"_reconstructor", b"OrderedDict", b"f", b"A", b"n" * 20, b"imap", b"xrange")
_HOSTILE_NAMES = (
    b"", b" ", b"os\r", b"\xc3\xa9", b"\xff", b"a.b.c", b".", b"..", b"a\0b", b" os", b"os ", b"\xed\xa0\x80",
    b"<locals>", b"a" * 255, b"\xe2\x80\xae", b"1", b"\t",
)  # fmt: skip
_PERSISTENT = (b"", b"1", b"id", b"\xc3\xa9", b"\xff", b"a b", b"\0", b"x\r", b"('storage', 1)", b"\x80")


def number(dice: Random, forms: tuple[bytes, ...]) -> bytes:
    return dice.choice(forms)


def quoted(dice: Random, hostile: bool) -> bytes:  # noqa: FBT001 - a throw of the dice
    return dice.choice(_QUOTED) if hostile or not dice.randrange(20) else b"'" + _plain(dice) + b"'"


def unicode(dice: Random) -> bytes:
    return dice.choice(_UNICODE) if not dice.randrange(3) else _plain(dice)


def text(dice: Random) -> bytes:
    """Mostly UTF-8."""
    if not dice.randrange(60):
        return dice.randbytes(dice.choice((1, 2, 9)))
    return dice.choice(_TEXTS) if not dice.randrange(9) else _plain(dice)


def data(dice: Random) -> bytes:
    return dice.choice((b"", b"\0", b"a\nb", b"." * 3, b"cos\nsystem\n", dice.randbytes(dice.randrange(30))))


def names(dice: Random, *, hostile: bool) -> tuple[bytes, bytes]:
    module, name = dice.choice(_MODULES), dice.choice(_NAMES)
    if hostile:
        return dice.choice((module, dice.choice(_HOSTILE_NAMES))), dice.choice((name, dice.choice(_HOSTILE_NAMES)))
    return module, name


def persistent(dice: Random) -> bytes:
    return dice.choice(_PERSISTENT[:3]) if dice.randrange(9) else dice.choice(_PERSISTENT)


def lengths(true: int, width: int) -> tuple[int, ...]:
    """Lengths that lie about an argument of `true` bytes."""
    bits = 8 * width
    return (
        0,
        max(true - 1, 0),
        true + 1,
        true + 3,
        2 ** (bits - 1) - 1,
        2 ** (bits - 1),
        2**bits - 1,
        200,
        2**16,
        2**20,
    )


def _plain(dice: Random) -> bytes:
    return dice.choice((b"a", b"b", b"key", b"os", b"system", b"weight", b"layer.0.bias", b"n" * dice.randrange(1, 40)))
