"""A pickle makes its reader reserve far more memory or time than it is long.

## What it finds
A large index of the memo, for which the C unpickler reserves all below it; tuples of tuples that unfold without end,
as values or, worse, as keys, which are hashed; containers nested deeper than Python follows; integers of more than a
kilobyte; tensors that repeat a few stored bytes without end; a compressed file that unpacks to far more than it is.
One finding for each pickle and kind; an error where the loader itself runs out, a warning where only a use of the
object would.

## Why it matters
The loader is killed, and whatever runs beside it. `pickle.load` of Python 3.11 reserves two pointers for each index of
the memo below the highest; a dictionary whose key is a tuple that was doubled thirty times is hashed for hours.

## How to put it right
Do not load the file. If it is yours, save plain data.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.formats.pickled import OddityKind
from hfcheck.formats.torch_state import StateDict
from hfcheck.pickle_judged import events, oddities, others
from hfcheck.rule import Rule

SEVERITIES = {
    EventKind.MEMO: Severity.ERROR,
    EventKind.KEY_EXPANSION: Severity.ERROR,
    EventKind.EXPANSION: Severity.WARNING,
    EventKind.DEPTH: Severity.WARNING,
    EventKind.BIG_INTEGER: Severity.WARNING,
}
LARGE, RATIO = 2**30, 100
"""A tensor that is larger than this, and so many times as large as what is stored of it, is made to be so."""

DOUBLED = ("EMPTY_TUPLE", *("DUP", "TUPLE2") * 40)
"""Two to the power of 40 tuples, in 80 bytes."""
REPEATED = pickle(
    "EMPTY_DICT", "BINUNICODE a", "GLOBAL torch._utils _rebuild_tensor_v2", "MARK", "MARK", "BINUNICODE storage",
    "GLOBAL torch FloatStorage", "BINUNICODE 0", "BINUNICODE cpu", "BININT1 1", "TUPLE", "BINPERSID", "BININT1 0",
    "BININT 1000000", "DUP", "TUPLE2", "BININT1 0", "DUP", "TUPLE2", "NEWFALSE", "NONE", "TUPLE", "REDUCE", "SETITEM",
)  # fmt: skip


class MemoryBomb(Rule):
    id = "PKL013"
    name = "memory-bomb"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: it costs its reader more than it is worth."
    bad = (
        Example("an index of four billion", {"a.pkl": pickle("NONE", "LONG_BINPUT 4000000000")}, at=(At("a.pkl"),)),
        Example("a tuple that is doubled forty times", {"a.pkl": pickle(*DOUBLED)}, at=(At("a.pkl"),)),
        Example(
            "the same as a key", {"a.pkl": pickle("EMPTY_DICT", *DOUBLED, "NONE", "SETITEM")}, at=(At("a.pkl"),)
        ),
        Example(
            "a list in a list, two thousand times", {"a.pkl": pickle(*("EMPTY_LIST",) * 2000, *("APPEND",) * 1999)},
            at=(At("a.pkl"),),
        ),
        Example(
            "a tensor of a million million numbers, all of them the same four bytes",
            {"a.pt": torch_zip(REPEATED, **{"data/0": bytes(4)})},
            at=(At("a.pt", tensor="a"),),
        ),
        Example("an integer of two kilobytes", {"a.pkl": pickle("LONG4 " + "7f" * 2048)}, at=(At("a.pkl"),)),
    )  # fmt: skip
    good = (
        Example("small", {"a.pkl": pickle("EMPTY_LIST", "BINPUT 0")}),
        Example("an index that is larger than needed", {"a.pkl": pickle("NONE", "LONG_BINPUT 1000")}, near_miss=True),
        Example(
            "a tuple that is doubled ten times",
            {"a.pkl": pickle("EMPTY_TUPLE", *("DUP", "TUPLE2") * 10)},
            near_miss=True,
        ),
        Example("an integer of 128 bits", {"a.pkl": pickle("LONG1 " + "7f" * 16)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for kind, severity in SEVERITIES.items():
            for found, event, count in events(facts, kind):
                if kind is EventKind.EXPANSION and any(e.kind is EventKind.KEY_EXPANSION for e in found.pickle.events):
                    continue  # it is the same tuple
                message = f"the stream {kind.value}, {found.where(event.offset)}{others(count)}: {event.detail}"
                yield self.finding(found.at(event.offset), message, severity=severity)
        for path, file in facts.pickled():
            for name, size, stored in _unfolded(file.state) if file.state is not None else ():
                message = f"tensor {quote(name)} is {size} bytes to whoever copies it, of {stored} that are stored"
                yield self.finding(At(path, tensor=name), message, severity=Severity.WARNING)
        for at, found_oddities in oddities(facts, OddityKind.BOMB):
            message = f"the file {OddityKind.BOMB.value}{others(len(found_oddities))}: {found_oddities[0].detail}"
            yield self.finding(at, message)


def _unfolded(state: StateDict) -> Iterator[tuple[str, int, int]]:
    """Tensors that show the same few bytes over and over, by strides of nothing: name, size, stored bytes."""
    for name, tensor in state.tensors.items():
        key = state.stored[name].storage if name in state.stored else None
        storage = state.storages.get(key) if key is not None else None
        size = tensor.end - tensor.begin
        if storage is not None and size > max(LARGE, RATIO * storage.nbytes):
            yield name, size, storage.nbytes
