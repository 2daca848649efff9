"""A pickle ends before its STOP.

## What it finds
Pickles in which every unpickler stops with an error: an opcode that does not exist, a value that is not there, an
index of the memo that was never set, the end of the file. One finding for each pickle. Lengths beyond the end are
PKL011.

## Why it matters
It does not load, and what stands before the place has run by then: an error is no protection, and scanners that gave
up at it have missed the payload in front of it (https://github.com/advisories/GHSA-9gvj-pp9x-gcfr ,
https://nvd.nist.gov/vuln/detail/CVE-2025-46417). hfcheck judges what was read up to the error like that of any other
pickle. Most often, the file was cut.

## How to put it right
Download or copy the file again. If the published one is the same, its author has to save it again.
"""

from collections.abc import Iterator

from hfcheck.example import Cut, Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import EventKind, PickleFacts
from hfcheck.formats.pickled import OddityKind, PickledFacts
from hfcheck.pickle_judged import judged
from hfcheck.rule import Rule

ORDERED = pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", "BINPUT 0", "BINUNICODE text", "BUILD")


class DoesNotEnd(Rule):
    id = "PKL012"
    name = "does-not-end"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Download or upload the file again; where it was always so, do not load it."
    bad = (
        Example("the last byte is missing", {"a.pkl": Cut(ORDERED, 1)}, at=(At("a.pkl"),)),
        Example("a byte that is no opcode", {"a.pkl": pickle("EMPTY_DICT", b"\xff")}, at=(At("a.pkl"),)),
        Example(
            "an index of the memo that was not set",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "BINPUT 0", "BINGET 1", "TUPLE2")},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("whole", {"a.pkl": ORDERED}),
        Example("values that are left over", {"a.pkl": pickle("NONE", "MARK", "NONE")}, near_miss=True),
        Example("a newline behind STOP", {"a.pkl": pickle("NONE", "STOP", b"\n")}, near_miss=True),
        Example(
            "a length beyond the end is PKL011", {"a.pkl": pickle("EMPTY_DICT", b"X\xff\xff\xff\xff")}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            error = found.pickle.error
            if error is None or error.budget is not None or _is_told(found.file, found.pickle):
                continue
            ran = ", and what stands before it has run by then" if found.pickle.calls else ""
            message = f"{found.reader} stops {found.where(error.offset)}{ran}: expected {error.expected}"
            yield self.finding(found.at(error.offset), message)


def _is_told(file: PickledFacts, pickle_: PickleFacts) -> bool:
    """Whether PKL011 speaks of the same place, PKL026 of the whole file, or a part in front of it is not understood."""
    if any(part.member == pickle_.member for part in file.unread):
        return True
    return any(event.kind is EventKind.LENGTH for event in pickle_.events) or any(
        oddity.kind is OddityKind.TRUNCATED for oddity in file.oddities
    )
