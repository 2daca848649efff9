"""A pickle has a frame that unpicklers end in different places.

## What it finds
An opcode whose argument goes on behind the end of its frame, a frame inside another one or longer than its pickle, an
array of joblib inside a frame. One finding for each pickle; all ways to read it were followed, and what any of them
imports is judged.

## Why it matters
The C unpickler takes the argument from the first byte behind the frame and skips what is between, the one in Python
stops, and a reader that goes straight on sees other opcodes than both
(https://github.com/python/cpython/issues/154848). No pickler writes such a frame: whoever does wants the loader and
the scanner to see different things.

## How to put it right
Do not load the file.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule


class FrameDivergence(Rule):
    id = "PKL010"
    name = "frame-divergence"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: unpicklers read different things in it."
    bad = (
        Example(
            "the text goes on behind the frame",
            {"a.pkl": pickle("FRAME 4", "SHORT_BINUNICODE hfcheck", protocol=4)},
            at=(At("a.pkl"),),
        ),
        Example(
            "a frame inside a frame", {"a.pkl": pickle("FRAME 20", "NONE", "FRAME 2", "POP", "NONE", protocol=4)},
            at=(At("a.pkl"),),
        ),
    )  # fmt: skip
    good = (
        Example("a frame around it all", {"a.pkl": pickle("FRAME 10", "SHORT_BINUNICODE hfcheck", protocol=4)}),
        Example(
            "two frames one behind the other",
            {"a.pkl": pickle("FRAME 9", "SHORT_BINUNICODE hfcheck", "FRAME 2", "MEMOIZE", protocol=4)},
            near_miss=True,
        ),
        Example("no frame at all", {"a.pkl": pickle("SHORT_BINUNICODE hfcheck", protocol=4)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.FRAME):
            message = f"unpicklers part at a frame, {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
