"""A file goes on behind the pickle that its loader reads.

## What it finds
A second pickle, and any further ones, or other bytes behind the first; in a file of torch before 1.6 bytes behind the
last storage. One finding for each stream. What follows is interpreted and judged as well. Blanks and zeros are fine.

## Why it matters
`pickle.load`, `joblib.load` and `torch.load` read one pickle and leave the rest unread, so that what follows is either
forgotten or meant for another reader: scanners that start afresh at the second have missed payloads that relied on the
first, and the other way round. Programs that call `pickle.dump` several times with one file make such files too, and
have to call `pickle.load` as often.

## How to put it right
Put what belongs together into one tuple or dictionary and pickle that. Bytes that nobody reads do not belong in the
file.
"""

from collections.abc import Iterator

from hfcheck.example import Append, Example, TorchLegacy, TorchZip
from hfcheck.example_pickles import pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer, EventKind
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import Judged, judged, oddities
from hfcheck.rule import Rule

SEVERAL = frozenset({Consumer.TORCH_LEGACY, Consumer.TORCH_TAR})
"""Files of several pickles by their nature."""


class StackedPickles(Rule):
    id = "PKL018"
    name = "stacked-pickles"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "medium"
    hint = "Pickle one object that holds them all, and leave out what no loader reads."
    bad = (
        Example("three in one file", {"a.pkl": pickle("NONE", "STOP", "NONE", "STOP", "NONE")}, at=(At("a.pkl"),)),
        Example("bytes that are no pickle", {"a.pkl": Append(pickle("NONE"), b"\xff" * 20)}, at=(At("a.pkl"),)),
        Example(
            "behind the pickle in a file of torch.save",
            {"a.pt": torch_zip(pickle("EMPTY_DICT", "STOP", "NONE"))},
            at=(At("a.pt", member="archive/data.pkl"),),
        ),
    )
    good = (
        Example("one", {"a.pkl": pickle("NONE")}),
        Example("a newline and zeros behind it", {"a.pkl": Append(pickle("NONE"), b"\n" + bytes(512))}, near_miss=True),
        Example(
            "five pickles, as torch before 1.6 wrote them", {"a.pt": TorchLegacy({"a": ("F16", [2])})}, near_miss=True
        ),
        Example("as many as there are archives", {"a.pt": TorchZip({}), "b.pt": TorchZip({})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        streams: dict[At, list[Judged]] = {}
        for found in judged(facts):
            if found.pickle.consumer not in SEVERAL:
                streams.setdefault(found.at(0), []).append(found)
        for same in streams.values():
            first = same[0]
            offset = min(
                (e.offset for f in same for e in f.pickle.events if e.kind is EventKind.TRAILING), default=None
            )
            if offset is None:
                continue
            more = sum(found.pickle.number > first.pickle.number for found in same)
            what = f"{more} more" if more else "bytes that are none"
            message = f"{first.reader} reads one pickle, and {what} follow, {first.where(offset)}"
            yield self.finding(first.at(offset), message)
        for at, found_oddities in oddities(facts, OddityKind.TRAILING):
            yield self.finding(at, f"the file {OddityKind.TRAILING.value}: {found_oddities[0].detail}")
