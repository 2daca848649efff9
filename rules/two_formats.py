"""A file is a zip archive to some readers and a pickle to others.

## What it finds
Files that do not begin as a zip archive and end as one, where one of the two, or both, hold pickles. Both were read
and judged. One finding for each file.

## Why it matters
A zip archive is found from its end, a pickle read from its start. `torch.load` 2.13 goes by the first bytes, Python's
`zipfile` and the scanners that are built on it by the last: the same file is two, and what is checked need not be what
is loaded (https://nvd.nist.gov/vuln/detail/CVE-2025-1944).

## How to put it right
Save the content again. No library that saves models makes such a file.
"""

from collections.abc import Iterator

from hfcheck.example import Append, Archive, Example, TorchZip
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities
from hfcheck.rule import Rule


class TwoFormats(Rule):
    id = "PKL031"
    name = "two-formats"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file; save the content again with the library that reads it."
    bad = (
        Example(
            "a pickle, and a file of torch.save behind it",
            {"a.pt": Append(pickle("EMPTY_DICT"), TorchZip({"a": ("F32", [2])}))},
            at=(At("a.pt"),),
        ),
        Example(
            "a pickle, and an archive of texts behind it",
            {"a.pkl": Append(pickle("EMPTY_DICT"), Archive({"a.txt": b"a"}))},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("one of them", {"a.pt": TorchZip({"a": ("F32", [2])}), "a.pkl": pickle("EMPTY_DICT")}),
        Example(
            "a program with an archive behind it and no pickle in it",
            {"tool.pyz": Append("#!/usr/bin/env python3\n", Archive({"__main__.py": b""}))},
            near_miss=True,
        ),
        Example(
            "an archive in an archive", {"a.zip": Archive({"inner.pt": TorchZip({"a": ("F32", [2])})})}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.TWO_FORMATS):
            file = facts.pickled_at(at.path)
            if file is not None and file.pickles:
                yield self.finding(at, f"the file {OddityKind.TWO_FORMATS.value}: {found[0].detail}")
