"""A file of torch.save was written on a machine of the other byte order.

## What it finds
Files whose record says that their numbers are big-endian. One finding for each file.

## Why it matters
`torch.load` 2.13 swaps the bytes of every value on the machines of today, which are little-endian. That is right if
the data really are big-endian, and garbage without an error if only the record is wrong; and other readers of the
format do not look at it.

## How to put it right
Load it where you can compare the values, and save it again on a little-endian machine, or as safetensors, which knows
one byte order.
"""

from collections.abc import Iterator

from hfcheck.example import Archive, Example, TorchZip
from hfcheck.example_pickles import pickle, torch_legacy
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities
from hfcheck.rule import Rule

WITHOUT = {"archive/data.pkl": pickle("EMPTY_DICT"), "archive/version": b"3\n"}


class ForeignByteOrder(Rule):
    id = "PKL027"
    name = "foreign-byte-order"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "medium"
    hint = "Compare the values with those of its author, and save the weights again, best as safetensors."
    bad = (
        Example(
            "big-endian",
            {"pytorch_model.bin": Archive({**WITHOUT, "archive/byteorder": b"big"})},
            at=(At("pytorch_model.bin", member="archive/byteorder"),),
        ),
        Example(
            "big-endian, before torch 1.6",
            {"pytorch_model.bin": torch_legacy(pickle("EMPTY_DICT"), little_endian=False)},
            at=(At("pytorch_model.bin"),),
        ),
    )
    good = (
        Example("little-endian", {"pytorch_model.bin": TorchZip({"a": ("F32", [2])})}),
        Example("the same before torch 1.6", {"a.pt": torch_legacy(pickle("EMPTY_DICT"))}, near_miss=True),
        Example("no record of the order", {"a.pt": Archive(WITHOUT)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.BYTEORDER):
            yield self.finding(at, f"the file {OddityKind.BYTEORDER.value}: {found[0].detail}")
