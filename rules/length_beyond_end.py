"""A pickle announces more bytes than it has.

## What it finds
Strings, bytes and integers whose length is above what is left of the file. One finding for each pickle.

## Why it matters
Every unpickler stops there, most with `pickle data was truncated`. Some reserve the memory first, and a program that
goes by the lengths without reading may see other opcodes than those that ran before the end. What stands in front of
the place has been imported and called by then. Without ill will, the file was cut.

## How to put it right
Download or copy the file again. If the published one is the same, its author has to save it again.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_judged import events
from hfcheck.rule import Rule


class LengthBeyondEnd(Rule):
    id = "PKL011"
    name = "length-beyond-end"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Download or upload the file again; where it was always so, do not load it."
    bad = (
        Example(
            "four gigabytes of text", {"a.pkl": pickle("EMPTY_DICT", b"X\xff\xff\xff\xff", b"text")}, at=(At("a.pkl"),)
        ),
        Example(
            "bytes without end",
            {"a.pkl": pickle(b"\x8e" + b"\xff" * 7 + b"\x7f", b"data", protocol=4)},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("a length that is there", {"a.pkl": pickle("BINUNICODE text")}),
        Example("a text without characters", {"a.pkl": pickle("BINUNICODE ")}, near_miss=True),
        Example("a text up to the last opcode", {"a.pkl": pickle("BINUNICODE " + "a" * 300)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, _ in events(facts, EventKind.LENGTH):
            message = f"{found.reader} stops {found.where(event.offset)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
