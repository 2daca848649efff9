"""A pickle uses an opcode that no library that saves models writes.

## What it finds
INST, OBJ, NEWOBJ_EX, and DICT and LIST from marks at protocol 2 or later. One finding for each pickle. What is called
by them is judged as any other call.

## Why it matters
The unpicklers of C and of Python read them, the weights-only one of torch 2.13 does not. They are left from protocols
0 and 1 or meant for classes that weights have no use for; in a checkpoint they tend to be there because a scanner does
not follow them (https://github.com/advisories/GHSA-mxhj-88fx-4pcv).

## How to put it right
Find out what wrote the file. Save its content again with the pickler of Python, or as safetensors.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule


class UnusualOpcode(Rule):
    id = "PKL009"
    name = "unusual-opcode"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "medium"
    hint = "Find out what wrote the file, and save its content again with the library that reads it."
    bad = (
        Example(
            "INST and OBJ at protocol 2",
            {
                "a.pkl": pickle(
                    "MARK", "INST collections OrderedDict", "MARK", "GLOBAL collections Counter", "OBJ", "TUPLE2"
                )
            },
            at=(At("a.pkl"),),
        ),
        Example("a list from a mark at protocol 4", {"a.pkl": pickle("MARK", "LIST", protocol=4)}, at=(At("a.pkl"),)),
    )
    good = (
        Example("what picklers write", {"a.pkl": pickle("EMPTY_LIST", "MARK", "BININT1 1", "APPENDS")}),
        Example("a list from a mark at protocol 1", {"a.pkl": pickle("MARK", "LIST", protocol=1)}, near_miss=True),
        Example("protocol 0", {"a.pkl": "(lp0\nI1\na."}, near_miss=True),
        Example("the letters in a string", {"a.pkl": pickle("BINUNICODE (lidio")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.UNUSUAL):
            message = f"an opcode that picklers do not use, {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
