"""A pickle reaches through a module to what the module has imported.

## What it finds
Names with a dot in them: from protocol 4 on, `torch` and `storage.os.system` is looked up step by step, and so is
anything that any module on the way has imported. One finding for each name; of those that are known to be dangerous
PKL002 speaks.

## Why it matters
A list of modules that are trusted says nothing about what can be reached through them: scanners that went by the
module have let `os.system` pass in this way (https://github.com/advisories/GHSA-5j3x-jp52-966f ,
https://github.com/protectai/modelscan/issues/331). The unpicklers of C and of Python follow every dot; the
weights-only one of torch 2.13 does not know the opcode. Without ill will such a name is that of a class inside a
class.

## How to put it right
Do not load the file unless you would run a program of its author. If the class is yours, define it at the top level of
its module, or save plain data.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import MARKER, pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.pickle_judged import Imported, Judged, judged
from hfcheck.pickle_tiers import Tier
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule

SHOWN = 20
"""Names of one pickle that have a finding of their own."""


class DottedName(Rule):
    id = "PKL005"
    name = "dotted-name"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file unless you would run a program of its author."
    bad = (
        Example(
            "through a module of torch",
            {
                "model.pkl": pickle(
                    "SHORT_BINUNICODE torch", "SHORT_BINUNICODE storage.os.system", "STACK_GLOBAL",
                    f"BINUNICODE {MARKER}", "TUPLE1", "REDUCE", protocol=4,
                )
            },
            at=(At("model.pkl"),),
        ),
        Example(
            "a class inside a class that nobody knows",
            {"a.pkl": pickle("SHORT_BINUNICODE my_package", "SHORT_BINUNICODE Net.Block", "STACK_GLOBAL", protocol=4)},
            at=(At("a.pkl"),),
        ),
    )  # fmt: skip
    good = (
        Example("no dot", {"a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE")}),
        Example("a module inside a package", {"a.pkl": pickle("GLOBAL torch.nn.parameter Parameter")}, near_miss=True),
        Example("a dot in a string", {"a.pkl": pickle("BINUNICODE storage.os.system")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            dotted = [i for i in found.of(Tier.UNKNOWN) if "." in (i.use.name or "")]
            for imported in dotted[:SHOWN]:
                offset = imported.use.offset
                yield self.finding(found.at(offset), f"{_message(found, imported)}, {found.where(offset)}")
            if len(dotted) > SHOWN:
                offset = dotted[SHOWN].use.offset
                message = f"{found.reader} reaches through modules for {len(dotted) - SHOWN} further names"
                yield self.finding(found.at(offset), f"{message}, {found.where(offset)}")


def _message(found: Judged, imported: Imported) -> str:
    if imported.call is not None:
        return f"{found.reader} reaches through a module and calls {rendered(imported.call.call)}"
    return f"{found.reader} reaches through a module for {imported.name}"
