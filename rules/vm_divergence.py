"""A pickle is read in different ways by different unpicklers.

## What it finds
Numbers in hexadecimal or with junk behind them, lists in the place of tuples, an empty name, a frame longer than the
file, opcodes on what does not take them: at each such place one of the unpicklers of C and of Python stops or sees
another value. One finding for each pickle; hfcheck goes on as the one that goes on.

## Why it matters
No pickler writes this. It is a way to have a scanner stop, or see something else, while the loader runs on:
`pickle.load` and `torch.load` use the unpickler in C, joblib the one in Python, and many tools `pickletools`, which
differs from both (https://nvd.nist.gov/vuln/detail/CVE-2025-46417).

## How to put it right
Find out what wrote the file. Save its content again with the pickler of Python, or as safetensors.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer, EventKind
from hfcheck.pickle_judged import events, others
from hfcheck.rule import Rule


class VmDivergence(Rule):
    id = "PKL015"
    name = "vm-divergence"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "medium"
    hint = "Find out what wrote the file, and save its content again with the library that reads it."
    bad = (
        Example("a number in octal", {"a.pkl": pickle("INT 017")}, at=(At("a.pkl"),)),
        Example(
            "a list of arguments",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_LIST", "REDUCE")},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("decimal", {"a.pkl": pickle("INT 17")}),
        Example("a long integer of protocol 0", {"a.pkl": "(lp0\nL170L\na."}, near_miss=True),
        Example("a truth value of protocol 0", {"a.pkl": "(lp0\nI01\na."}, near_miss=True),
        Example(
            "no arguments",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE")},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found, event, count in events(facts, EventKind.DIVERGENCE, EventKind.ARRAY):
            # The files of joblib are made so.
            if event.kind is EventKind.ARRAY and found.pickle.consumer is Consumer.JOBLIB:
                continue
            message = f"unpicklers part {found.where(event.offset)}{others(count)}: {event.detail}"
            yield self.finding(found.at(event.offset), message)
