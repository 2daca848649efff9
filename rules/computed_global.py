"""A pickle imports a name that it computes.

## What it finds
Imports whose module or name is the result of a call, of a persistent id or of another value that no reader of the file
can know, and names of more than 64 KiB. One finding for each pickle.

## Why it matters
No pickler writes this: names are constants. Who puts them together while the file is read wants them not to be seen by
whoever looks at it, and the unpicklers of C and of Python import whatever comes out
(https://nvd.nist.gov/vuln/detail/CVE-2025-46417, https://github.com/advisories/GHSA-9gvj-pp9x-gcfr). The weights-only
unpickler of torch 2.13 does not know the opcode.

## How to put it right
Do not load the file.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import MARKER, pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind
from hfcheck.formats.pickle_values import How
from hfcheck.pickle_judged import events, judged, others
from hfcheck.rule import Rule

JOINED = ("GLOBAL _codecs encode", "BINUNICODE os", "TUPLE1", "REDUCE", "BINUNICODE system", "STACK_GLOBAL")


class ComputedGlobal(Rule):
    id = "PKL004"
    name = "computed-global"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: what it imports was made not to be seen."
    bad = (
        Example(
            "the module is the result of a call",
            {"model.pkl": pickle(*JOINED, f"BINUNICODE {MARKER}", "TUPLE1", "REDUCE", protocol=4)},
            at=(At("model.pkl"),),
        ),
    )
    good = (
        Example(
            "constants",
            {"a.pkl": pickle("BINUNICODE collections", "BINUNICODE OrderedDict", "STACK_GLOBAL", protocol=4)},
        ),
        Example(
            "constants that come from the memo, as picklers write them",
            {
                "a.pkl": pickle(
                    "SHORT_BINUNICODE collections", "MEMOIZE", "SHORT_BINUNICODE OrderedDict", "MEMOIZE",
                    "STACK_GLOBAL", "MEMOIZE", "POP", "BINGET 0", "BINGET 1", "STACK_GLOBAL", protocol=4,
                )
            },
            near_miss=True,
        ),
        Example(
            "a call that computes a value",
            {"a.pkl": pickle("GLOBAL _codecs encode", "BINUNICODE os", "TUPLE1", "REDUCE")},
            near_miss=True,
        ),
    )  # fmt: skip

    def check(self, facts: Facts) -> Iterator[Finding]:
        told = set()
        for found, event, count in events(facts, EventKind.COMPUTED_NAME):
            told.add(found.at(0))
            message = (
                f"{found.reader} imports what it computes, {found.where(event.offset)}{others(count)}: {event.detail}"
            )
            yield self.finding(found.at(event.offset), message)
        for found in judged(facts):
            uses = [i.use for i in found.imports if not i.is_named and i.use.how is not How.EXTENSION]
            if uses and found.at(0) not in told:
                message = f"{found.reader} imports what it computes, {found.where(uses[0].offset)}{others(len(uses))}"
                yield self.finding(found.at(uses[0].offset), message)
