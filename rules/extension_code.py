"""A pickle imports by a number.

## What it finds
The opcodes EXT1, EXT2 and EXT4, which name what they import by a number that was registered with
`copyreg.add_extension`. One finding for each pickle.

## Why it matters
What the number stands for is decided by the process that reads the file, and cannot be seen in it. The registry is
empty unless a program fills it, so that `pickle.load` ends in `ValueError: unregistered extension code`; no library
that saves models uses it, and the weights-only unpickler of torch 2.13 does not know the opcodes.

## How to put it right
Save the file again with a pickler that knows no such numbers, or save plain data. Do not load it where you do not know
what is registered.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule


class ExtensionCode(Rule):
    id = "PKL006"
    name = "extension-code"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = (
        "Do not load the file where you do not know what is registered under this number; save it again as plain data."
    )
    bad = (
        Example("number 1, called", {"a.pkl": pickle("EXT1 1", "EMPTY_TUPLE", "REDUCE")}, at=(At("a.pkl"),)),
        Example("two numbers, one finding", {"a.pkl": pickle("EXT2 300", "EXT4 70000", "TUPLE2")}, at=(At("a.pkl"),)),
    )
    good = (
        Example("a name", {"a.pkl": pickle("GLOBAL collections OrderedDict")}),
        Example("a number", {"a.pkl": pickle("BININT1 130")}, near_miss=True),
        Example("the byte of the opcode in a string", {"a.pkl": pickle("SHORT_BINBYTES 828384")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.EXTENSION):
            message = f"{found.reader} imports by a number, {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
