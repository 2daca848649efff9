"""Pickles as Python's own picklers write them, of all protocols: both picklers, with everything that has an opcode."""

import _pickle
import argparse
import copyreg
import datetime as dt
import decimal
import fractions
import io
import pickle
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from random import Random
from typing import Any


class Named:
    """Persistent: pickled by a name."""

    def __init__(self, name: object) -> None:
        self.name = name


class WithState:
    """Attributes, or a state of its own."""

    def __init__(self, state: object) -> None:
        self.state = state

    def __getstate__(self) -> object:
        return self.state

    def __setstate__(self, state: object) -> None:
        self.state = state


class WithArguments:
    """NEWOBJ, or NEWOBJ_EX from protocol 2 on."""

    arguments: tuple[Any, dict[str, Any]]

    def __new__(cls, *args: object, **kwargs: object) -> "WithArguments":  # noqa: PYI034 - Python 3.10 has no Self
        made = super().__new__(cls)
        made.arguments = args, kwargs
        return made

    def __getnewargs_ex__(self) -> tuple[Any, dict[str, Any]]:
        return self.arguments


class Reducing:
    """Any reduction: a callable that a pickler can name, arguments, state, items."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce_ex__(self, _: object) -> Any:  # noqa: ANN401 - what a pickler takes
        return self.reduced


class Mapping(dict[Any, Any]):
    """A subclass with attributes."""


class Sequence(list[Any]):
    """Likewise."""


class Extended:
    """Pickled by a number of the extension registry."""


CODE = 77
"""The number of `Extended`, while a pickle with it is written."""


def value(dice: Random, depth: int = 4, seen: list[object] | None = None) -> object:
    """Any tree of objects; now and then an object stands in it twice."""
    seen = [] if seen is None else seen
    if seen and not dice.randrange(12):
        return dice.choice(seen)
    made = dice.choice(BRANCHES if depth and dice.randrange(4) else LEAVES)(dice, lambda: value(dice, depth - 1, seen))
    seen.append(made)
    return made


def _hashed(dice: Random) -> Any:  # noqa: ANN401 - anything that can be a key
    return dice.choice((_text(dice), dice.getrandbits(20), b"key", None, (1, "a"), 2.5, frozenset((1, 2))))


def _text(dice: Random) -> str:
    return dice.choice(
        ("", "weight", "é" * dice.randrange(9), "\ud800", "a\nb\\u", "x" * dice.choice((40, 300)), "\U0001f600")
    )


def _some(dice: Random, more: Callable[[], object]) -> list[object]:
    return [more() for _ in range(dice.choice((0, 1, 2, 3, 3, 5)))]


Maker = Callable[[Random, Callable[[], object]], object]

LEAVES: tuple[Maker, ...] = (
    lambda dice, _: dice.choice((None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31, -(2**31), 2**63, 1.5)),
    lambda dice, _: dice.getrandbits(dice.choice((8, 16, 32, 64, 200, 3000))) * dice.choice((1, -1)),
    lambda dice, _: dice.choice((float("nan"), float("inf"), -0.0, 1e-300, dice.random())),
    lambda dice, _: _text(dice),
    lambda dice, _: dice.randbytes(dice.choice((0, 1, 3, 40, 300))),
    lambda dice, _: bytearray(dice.randbytes(dice.choice((0, 1, 3, 40, 300)))),
    lambda dice, _: dice.choice((len, int, OrderedDict, decimal.Decimal, WithState, print, pickle.Pickler.dump)),
    lambda dice, _: dice.choice((Ellipsis, type(None), 1 + 2j, range(3), slice(1, 2))),
    lambda dice, _: dice.choice((dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), dt.timedelta(3))),
    lambda dice, _: dice.choice(
        (decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=7), PurePosixPath("a/b"))
    ),
    lambda _, __: Extended(),
    lambda dice, _: Named(_text(dice)),
)
BRANCHES: tuple[Maker, ...] = (
    _some,
    lambda dice, more: tuple(_some(dice, more)),
    lambda dice, more: {_hashed(dice): more() for _ in range(dice.choice((0, 1, 3, 5)))},
    lambda dice, _: {_hashed(dice) for _ in range(3)},
    lambda dice, _: frozenset(_hashed(dice) for _ in range(3)),
    lambda dice, more: OrderedDict((_hashed(dice), more()) for _ in range(3)),
    lambda dice, more: defaultdict(list, {_hashed(dice): more()}),
    lambda dice, more: deque(_some(dice, more), 9),
    lambda dice, _: Counter(_text(dice)),
    lambda _, more: WithState(more()),
    lambda dice, more: WithArguments(more(), *_some(dice, more), a=more()),
    lambda dice, more: partial(print, more(), end=_text(dice)),
    lambda _, more: argparse.Namespace(a=more(), b=more()),
    lambda _, more: Reducing(print, (more(),), more()),
    lambda dice, more: Reducing(
        OrderedDict, (), {"a": more()}, iter(_some(dice, more)), iter([(_hashed(dice), more())])
    ),
    lambda dice, more: _with_attribute(Mapping({_hashed(dice): more()}), more()),
    lambda dice, more: _with_attribute(Sequence(_some(dice, more)), more()),
    lambda dice, more: Named((_text(dice), more())),
    lambda dice, _: [_text(dice)] * dice.choice((3, 1100)),
    lambda dice, _: dict.fromkeys(range(dice.choice((3, 1100)))),
    lambda dice, _: pickle.PickleBuffer(dice.choice((b"abc", bytearray(5)))),
)


def _with_attribute(made: Any, attribute: object) -> object:  # noqa: ANN401 - one of the two above
    made.attribute = attribute
    return made


class CPickler(_pickle.Pickler):
    """The pickler in C, with persistent ids."""

    def persistent_id(self, obj: object) -> Any:  # noqa: ANN401 - any object may be an id
        return obj.name if isinstance(obj, Named) else None


class PythonPickler(pickle._Pickler):  # noqa: SLF001 - it has no other name
    """The same in Python."""

    def persistent_id(self, obj: object) -> Any:  # noqa: ANN401 - any object may be an id
        return obj.name if isinstance(obj, Named) else None


def pickled(dice: Random) -> bytes:
    """A pickle of such a tree, or a few of them one after the other."""
    copyreg.add_extension(Extended.__module__, "Extended", CODE)
    try:
        return b"".join(_pickled(dice) for _ in range(dice.choice((1, 1, 1, 1, 1, 2, 3))))
    finally:
        copyreg.remove_extension(Extended.__module__, "Extended", CODE)


def _pickled(dice: Random) -> bytes:
    while True:
        stream, protocol = io.BytesIO(), dice.randrange(6)
        options: dict[str, Any] = {"fix_imports": bool(dice.randrange(2))}
        if protocol == pickle.HIGHEST_PROTOCOL and not dice.randrange(6):
            options["buffer_callback"] = lambda _: None
        try:
            dice.choice((CPickler, PythonPickler))(stream, protocol, **options).dump(value(dice))
        except (pickle.PicklingError, TypeError, AttributeError, ValueError):
            continue  # a persistent id that protocol 0 has no text for, a buffer below protocol 5
        return stream.getvalue()
