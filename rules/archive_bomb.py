"""A zip archive unpacks to far more than it holds.

## What it finds
Archives with a member, or with all members together, of more than 100 MiB and more than 100 times what the archive
holds of them.

## Why it matters
What unpacks or reads the member fills the memory or the disk. Sparse weights compress well, which is why both numbers
have to be large. Overlapping members make such archives without end: https://www.bamsoftware.com/hacks/zipbomb/ .

## How to put it right
Look at what the member is before anything reads it. Weights that are mostly zeros are better stored as a sparse
tensor.
"""

from collections.abc import Iterator

from hfcheck.example import Archive, Replace
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.zip_ import Effect, ZipFacts
from hfcheck.rule import Example, Rule

SIZES = (6001).to_bytes(4, "little") * 2
GIGABYTE = (6001).to_bytes(4, "little") + (2**30).to_bytes(4, "little")
PLAIN = Archive({"a": bytes(6001)})


class ArchiveBomb(Rule):
    id = "FMT033"
    name = "archive-bomb"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Look at what the member is before anything reads it."
    bad = (
        Example(
            "six kilobytes that say they are a gigabyte",
            {"data.npz": Replace(Replace(PLAIN, SIZES, GIGABYTE), SIZES, GIGABYTE)},
            at=(At("data.npz", member="a"),),
        ),
    )
    good = (
        Example("what it holds is what it says", {"data.npz": PLAIN}),
        Example(
            "a thousand times as much, and little all the same",
            {
                "data.npz": Replace(
                    Replace(PLAIN, SIZES, SIZES[:4] + (2**26).to_bytes(4, "little")),
                    SIZES,
                    SIZES[:4] + (2**26).to_bytes(4, "little"),
                )
            },
            near_miss=True,
        ),
        Example(
            "many members", {"data.npz": Archive({f"{index}": bytes(100) for index in range(200)})}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, archive in facts.all_of(ZipFacts):
            bombs = [difference for difference in archive.differences if difference.kind.effect is Effect.EXHAUSTS]
            if bombs:
                at = At(path, member=bombs[0].member, offset=bombs[0].offset)
                more = f" (one of {len(bombs)} such members)" if len(bombs) > 1 else ""
                yield self.finding(at, f"{bombs[0].detail}{more}: {bombs[0].kind.reason}")
