"""A pickle needs buffers that are not in the file.

## What it finds
The opcode NEXT_BUFFER, which takes data that was handed over beside the stream. One finding for each pickle.

## Why it matters
`pickle.load` stops with `pickle stream refers to out-of-band data but no *buffers* argument was given`. Only the
program that wrote the file knows what belongs there: https://peps.python.org/pep-0574/ .

## How to put it right
Pickle the object again without `buffer_callback`, so that the data are in the file.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule


class OutOfBandBuffer(Rule):
    id = "PKL030"
    name = "out-of-band-buffer"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Pickle the object again without `buffer_callback`, so that all of it is in the file."
    bad = (
        Example("a buffer", {"a.pkl": pickle("NEXT_BUFFER", protocol=5)}, at=(At("a.pkl"),)),
        Example(
            "a buffer to read only", {"a.pkl": pickle("NEXT_BUFFER", "READONLY_BUFFER", protocol=5)}, at=(At("a.pkl"),)
        ),
    )
    good = (
        Example("bytes in the stream", {"a.pkl": pickle("BYTEARRAY8 00010203", protocol=5)}),
        Example(
            "bytes that are made to be read only",
            {"a.pkl": pickle("BYTEARRAY8 0001", "READONLY_BUFFER", protocol=5)},
            near_miss=True,
        ),
        Example(
            "the byte of the opcode in a string", {"a.pkl": pickle("SHORT_BINBYTES 9797", protocol=5)}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.OUT_OF_BAND):
            message = f"{found.reader} stops {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
