"""A file or a repository is larger or deeper than hfcheck is willing to read.

## What it finds
A limit of hfcheck stopped a reader: bytes, depth or values of a JSON file, tensors of a header, files of a repository.
The message names the limit. The file is listed as not checked, and all others are checked. Data in JSON that no loader
of models opens by name may be as large as it likes.

## Why it matters
Each limit lies well above what real models need, so that a file made to exhaust the reader cannot. What lies beyond
was not looked at, which is why the verdict is at best `incomplete` (exit code 3).

## How to put it right
Look at the file: no known loader needs one of that size. If yours does, tell us.
"""

from collections.abc import Iterator

from hfcheck.example import Sparse
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.json_ import MAX_BYTES
from hfcheck.rule import Example, Rule


class LimitReached(Rule):
    id = "HFC001"
    name = "limit-reached"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Look at what makes it so large: it lies beyond what any known model needs, and was not checked."
    bad = (
        Example(
            "JSON that is nested deeper than any reader goes",
            {"config.json": "[" * 200 + "]" * 200},
            at=(At("config.json"),),
        ),
    )
    good = (
        Example("JSON of the depth that readers take", {"config.json": "[" * 127 + "]" * 127}, near_miss=True),
        Example(
            "a data set in one file, which no loader of models reads",
            {"train.json": Sparse(MAX_BYTES + 1)},
            near_miss=True,
        ),
        Example("brackets inside a string", {"config.json": {"a": "[" * 500}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            if reading.invalid is not None and reading.exceeded:
                expected = reading.invalid.expected
                yield self.finding(At(reading.path), f"the limit {reading.exceeded} was reached: expected {expected}")
        for path, pickled in facts.pickled():
            for part in pickled.unread:
                if part.budget is not None:
                    yield self.finding(At(path, member=part.member), f"the limit {part.budget} was reached: {part.why}")
            for pickle in pickled.pickles:
                if pickle.error is not None and pickle.error.budget is not None:
                    at = At(path, member=pickle.member, offset=pickle.place(pickle.error.offset))
                    expected = pickle.error.expected
                    yield self.finding(at, f"the limit {pickle.error.budget} was reached: expected {expected}")
        if not facts.folder:
            for name, what in facts.exceeded:
                yield self.finding(At("."), f"the limit {name} was reached: the repository has {what}")
