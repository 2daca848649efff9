"""Unpacking a zip archive writes outside the folder.

## What it finds
Members of zip archives whose name is an absolute path or climbs with `..`; a warning for members that are links or
devices. One finding of each for an archive.

## Why it matters
A tool that unpacks as told writes where the name leads: over the settings of a shell or into a folder of start-up
scripts (https://nvd.nist.gov/vuln/detail/CVE-2007-4559 for tar, the same in zip). A link does it in two steps, with a
second member that is written through it. torch and numpy do not unpack, loaders of datasets, of NeMo and of Keras do.

## How to put it right
Do not unpack it. Pack the files again with names relative to one folder.
"""

from collections.abc import Iterator

from hfcheck.example import Archive
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.zip_ import Difference, Effect, Kind, ZipFacts
from hfcheck.rule import Example, Rule


class ArchiveMemberEscapes(Rule):
    id = "FMT032"
    name = "archive-member-escapes"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Do not unpack it; pack the files again with names relative to one folder."
    bad = (
        Example(
            "a name that climbs",
            {"data.zip": Archive({"a.txt": b"", "../../outside.txt": b""})},
            at=(At("data.zip", member="../../outside.txt"),),
        ),
        Example(
            "an absolute path, in a file of torch.save",
            {"weights.pt": Archive({"a/data.pkl": b"\x80\x02}q\x00.", "a/version": b"3\n", "/etc/x": b""})},
            at=(At("weights.pt", member="/etc/x"),),
        ),
    )
    good = (
        Example("names below one folder", {"data.zip": Archive({"data/a.txt": b"", "data/b.txt": b""})}),
        Example("dots that do not climb", {"data.zip": Archive({"a..b/c...txt": b"", "..d": b""})}, near_miss=True),
        Example("a drive letter that is none", {"data.zip": Archive({"ab:c": b"", "1:a": b""})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, archive in facts.all_of(ZipFacts):
            found = [difference for difference in archive.differences if difference.kind.effect is Effect.ESCAPES]
            links = [difference for difference in found if difference.kind is Kind.LINK]
            named = [difference for difference in found if difference.kind is not Kind.LINK]
            for differences, severity in ((named, Severity.ERROR), (links, Severity.WARNING)):
                if differences:
                    yield self.finding(_at(path, differences[0]), _message(differences), severity=severity)


def _at(path: str, difference: Difference) -> At:
    return At(path, member=difference.member, offset=difference.offset)


def _message(differences: list[Difference]) -> str:
    more = f" (one of {len(differences)} such members)" if len(differences) > 1 else ""
    return f"{differences[0].detail}{more}: {differences[0].kind.reason}"
