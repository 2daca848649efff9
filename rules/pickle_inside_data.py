"""A pickle has another pickle in it, as bytes.

## What it finds
Constants of bytes that are themselves a pickle with a call or an import. One note for each pickle. What the inner one
imports is named and not judged: only who unpickles those bytes runs it.

## Why it matters
Libraries keep objects in this way, and so do payloads of two stages, where a loader that a first call brings along
unpickles the second. PKL002 speaks of such a loader if one is called.

## How to put it right
Look at what the inner pickle imports, if you unpickle it. Data is better kept as data.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_assembler import assembled
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule

INNER = assembled(pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE").lines).hex()
PLAIN = assembled(pickle("EMPTY_LIST").lines).hex()


class PickleInsideData(Rule):
    id = "PKL020"
    name = "pickle-inside-data"
    severity = Severity.NOTE
    since = "0.1"
    confidence = "medium"
    hint = "Look at what the inner pickle imports before you unpickle it."
    bad = (
        Example(
            "bytes that are a pickle with a call", {"a.pkl": pickle(f"BINBYTES {INNER}", protocol=3)}, at=(At("a.pkl"),)
        ),
    )
    good = (
        Example("other bytes", {"a.pkl": pickle("BINBYTES 00010203", protocol=3)}),
        Example(
            "bytes that are a pickle of plain data", {"a.pkl": pickle(f"BINBYTES {PLAIN}", protocol=3)}, near_miss=True
        ),
        Example("a text that begins like one", {"a.pkl": pickle("BINUNICODE cos")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.INNER_PICKLE):
            message = f"bytes in the data are a pickle, {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
