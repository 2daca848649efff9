"""The arrays that joblib writes into the middle of a pickle, and where the stream goes on behind them.

https://github.com/joblib/joblib/blob/1.5.2/joblib/numpy_pickle.py , numpy_pickle_compat.py for files before 0.10
"""

import re
from dataclasses import dataclass, field
from math import prod
from posixpath import isabs

from hfcheck.finding import quote
from hfcheck.formats import pickle
from hfcheck.formats.parts import Gathered, Part
from hfcheck.formats.pickle_facts import Consumer, PickleFacts
from hfcheck.formats.pickle_machine import Source, run
from hfcheck.formats.pickle_values import Call, Dict, Global, Value
from hfcheck.formats.pickled import OddityKind

_MODULES = re.compile(r"(?:sklearn\.externals\.)?joblib\.numpy_pickle(?:_compat|_utils)?")
_INLINE = "NumpyArrayWrapper"
_ELSEWHERE = ("NDArrayWrapper", "ZNDArrayWrapper")
_CODE = re.compile(r"[<>=|]?([?a-zA-Z])([0-9]*)")
_SIZES = {
    "?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "q": 8, "Q": 8, "e": 2, "f": 4, "d": 8,
    "g": 16, "F": 8, "D": 16, "G": 32, "M": 8, "m": 8, "S": 0, "a": 0, "U": 0, "V": 0, "c": 1, "O": 8, "u": 4,
}  # fmt: skip
_OBJECT_FLAG = 1
_MAX_FIELDS = 10_000


@dataclass(slots=True)
class Arrays:
    """Finds the way past the arrays of one stream; asked by the machine after each BUILD. `pickles` stood in arrays."""

    part: Part
    gathered: Gathered
    met: bool = False
    pickles: dict[int, PickleFacts] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)

    def __call__(self, source: Source, call: Call, at: int) -> int | None:
        """Where the stream goes on behind the array that follows; None where none does."""
        callee = call.callee
        if type(callee) is not Global or not _MODULES.fullmatch(callee.module or ""):
            return None
        if callee.name in _ELSEWHERE:
            self._check_path(_attribute(call, "filename"), at)
        if callee.name != _INLINE:
            return None
        self.met = True
        dtype = _dtype(_attribute(call, "dtype"))
        shape = _attribute(call, "shape")
        if dtype is None or type(shape) is not tuple or not all(type(size) is int and size >= 0 for size in shape):
            self._leave(at)
            return None
        if dtype.objects:
            return self._nested(source, at)
        if type(_attribute(call, "numpy_array_alignment_bytes")) is int:
            padding = source.read(at, 1)
            at += 1 + (padding[0] if padding else 0)
        return min(at + prod(shape) * dtype.size, source.size)

    def _nested(self, source: Source, at: int) -> int | None:
        """An array of objects is a pickle of its own, which `pickle.load` reads."""
        first = run(source, at)
        if at not in self.pickles:
            complete = pickle.complete_run(source, first)
            self.pickles[at] = pickle.facts_of(
                complete, Consumer.JOBLIB, member=self.part.member, origin=self.part.origin
            )
        return first.end

    def _leave(self, at: int) -> None:
        if at not in self._told:
            self.gathered.leave(self.part.member, f"the array at byte {at} is of a type or a shape that is not known")
        self._told.add(at)

    def _check_path(self, name: Value, at: int) -> None:
        if at in self._told:
            return
        self._told.add(at)
        if type(name) is not str:
            detail = "an array lies in a file whose name is not known"
        elif isabs(name) or ".." in re.split(r"[/\\]", name) or re.match(r"[A-Za-z]:|\\", name):
            detail = f"an array lies in the file {quote(name)}"
        else:
            return
        self.gathered.odd(OddityKind.LEAVES_FOLDER, self.part, at, detail)


@dataclass(frozen=True, slots=True)
class _Type:
    size: int
    objects: bool = False


def _attribute(call: Call, name: str) -> Value:
    """What BUILD gave an object under this name, last; None where it gave nothing."""
    found = None
    for state in call.states or ():
        if type(state) is tuple and len(state) == 2 and type(state[0]) in (Dict, type(None)):
            state = state[1] if type(state[1]) is Dict else state[0]  # noqa: PLW2901 - attributes beside slots
        if type(state) is Dict and (value := state.get(name)) is not None:
            found = value
    return found


def _dtype(value: Value) -> _Type | None:
    """The size of an element, and whether it has objects in it; None where that cannot be known."""
    sizes: list[_Type] = []
    pending, seen = [value], 0
    while pending:
        seen += 1
        one = pending.pop()
        plain = _plain(one)
        if plain is None or seen > _MAX_FIELDS:
            return None
        sizes.append(plain)
        state = _state(one)
        fields, subarray = (state[4], state[2]) if state is not None else (None, None)
        if type(subarray) is tuple and subarray:
            pending.append(subarray[0])
        if type(fields) is Dict:
            pending += [entry[0] for _, entry in fields.pairs() if type(entry) is tuple and entry]
    return _Type(sizes[0].size, any(size.objects for size in sizes))


def _plain(value: Value) -> _Type | None:
    """A type by its own code and state, without its fields."""
    if type(value) is not Call or type(value.callee) is not Global or type(value.args) is not tuple:
        return None
    callee, args = value.callee, value.args
    if not (callee.module or "").startswith("numpy") or not args or type(args[0]) is not str:
        return None
    if callee.name != "dtype" or not (match := _CODE.fullmatch(args[0])):
        return None
    kind, digits = match[1], match[2]
    size = _SIZES.get(kind)
    if size is None or len(digits) > 18:
        return None
    if digits:
        size = int(digits) * (4 if kind == "U" else 1)
    state = _state(value)
    objects = kind == "O"
    if state is not None:
        if type(state[5]) is int and state[5] > 0:
            size = state[5]
        objects = objects or (len(state) > 7 and type(state[7]) is int and bool(state[7] & _OBJECT_FLAG))
    return _Type(size, objects)


def _state(value: Value) -> tuple[Value, ...] | None:
    """What BUILD gave a type: version, byte order, subarray, names, fields, size, alignment, flags."""
    states = value.states if type(value) is Call else None
    state = states[-1] if states else None
    return state if type(state) is tuple and len(state) > 5 else None
