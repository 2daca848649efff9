"""A pickle calls what is no import.

## What it finds
The opcodes REDUCE, NEWOBJ, NEWOBJ_EX, OBJ and INST on the result of another call, on a persistent id or on a value
that cannot be known. One finding for each pickle, with the first such call.

## Why it matters
Picklers write calls of classes and functions, by name. The result of a call that is called in turn is how an attack
hides what it runs: the first call fetches a function, the second uses it, and no dangerous name is in the file
(https://github.com/advisories/GHSA-955r-x9j8-7rhh , https://github.com/advisories/GHSA-84r2-jw7c-4r5q). The unpicklers
of C and of Python call anything; the weights-only one of torch 2.13 says `Trying to call reduce for unrecognized
function`.

## How to put it right
Do not load the file.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_values import Global
from hfcheck.pickle_judged import judged, others
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule

COUNTER = ("GLOBAL collections Counter", "EMPTY_TUPLE", "REDUCE")


class CallsNonGlobal(Rule):
    id = "PKL008"
    name = "calls-non-global"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: it calls what it has fetched or made before, which no pickler writes."
    bad = (
        Example("the result of a call", {"a.pkl": pickle(*COUNTER, "EMPTY_TUPLE", "REDUCE")}, at=(At("a.pkl"),)),
        Example(
            "the same by another opcode, twice",
            {"a.pkl": pickle(*COUNTER, "EMPTY_TUPLE", "NEWOBJ", "MARK", *COUNTER, "OBJ", "TUPLE2")},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("a class", {"a.pkl": pickle(*COUNTER)}),
        Example(
            "the result of a call as the argument of another",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", *COUNTER, "TUPLE1", "REDUCE")},
            near_miss=True,
        ),
        Example("two results in a tuple", {"a.pkl": pickle(*COUNTER, *COUNTER, "TUPLE2")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            uses = [use for use in found.pickle.calls if not isinstance(use.call.callee, Global)]
            if uses:
                first = uses[0].call
                count = others(sum(use.count for use in uses))
                message = (
                    f"{found.reader} calls what is no import, {found.where(first.offset)}{count}: {rendered(first)}"
                )
                yield self.finding(found.at(first.offset), message)
