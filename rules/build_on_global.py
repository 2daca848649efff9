"""A pickle sets attributes of a class or a function that everybody shares.

## What it finds
The opcode BUILD on something that was imported and not made: a class, a function, an object of a module. One finding
for each such target.

## Why it matters
BUILD gives an object its state. On a class or a function it changes what the whole process uses from then on, long
after the file was read: a default argument, a method, a hook that is called later
(https://github.com/protectai/modelscan/issues/330). The unpicklers of C and of Python do so for any target; the
weights-only one of torch 2.13 says `Can only build Tensor, Parameter, OrderedDict or types allowlisted`. No pickler
writes it.

## How to put it right
Do not load the file.
"""

from collections.abc import Iterator

from hfcheck.example import Example, TorchZip
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_values import Global, Value
from hfcheck.pickle_judged import judged
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule

SHOWN = 20
BUILD = ord("b")
STATE = ("EMPTY_DICT", "BINUNICODE note", "BINUNICODE hfcheck-marker", "SETITEM", "BUILD")


class BuildOnGlobal(Rule):
    id = "PKL007"
    name = "build-on-global"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: it changes what other code in the same process uses."
    bad = (
        Example(
            "an attribute of a class", {"a.pkl": pickle("GLOBAL collections OrderedDict", *STATE)}, at=(At("a.pkl"),)
        ),
        Example(
            "a function of a library, in the memo",
            {"a.pkl": pickle("GLOBAL _codecs encode", "BINPUT 0", "POP", "BINGET 0", *STATE)},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("weights with their metadata", {"pytorch_model.bin": TorchZip({"a": ("F16", [2, 3])})}),
        Example(
            "the state of an object",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", *STATE)},
            near_miss=True,
        ),
        Example(
            "a class in the state of an object",
            {
                "a.pkl": pickle(
                    "GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", "EMPTY_DICT", "BINUNICODE kind",
                    "GLOBAL collections Counter", "SETITEM", "BUILD",
                )
            },
            near_miss=True,
        ),
    )  # fmt: skip

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            uses = [use for use in found.pickle.methods if use.opcode == BUILD and _is_shared(use.target)]
            for use in uses[:SHOWN]:
                what = f"{rendered(use.target)} is given {rendered(use.argument)}"
                message = f"{found.reader} changes what the whole process shares, {found.where(use.offset)}: {what}"
                yield self.finding(found.at(use.offset), message)


def _is_shared(target: Value) -> bool:
    return isinstance(target, Global) and not target.doubtful
