"""A container of pickles names a file outside the folder that it lies in.

## What it finds
Arrays of joblib before 0.10 that lie in another file, by an absolute path or one that climbs out of the folder, and
members of tar archives that would be unpacked outside of it, links among them. One finding for each file. Members of
zip archives are the business of `archive-member-escapes`.

## Why it matters
`joblib.load` joins the name to the folder of the file and reads what is there, and as a pickle where it holds objects.
An archive is unpacked by tools that write where it says: https://nvd.nist.gov/vuln/detail/CVE-2025-23304 began with
one.

## How to put it right
Save the object again with the joblib of today, into one file, and pack archives from inside the folder.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities, others
from hfcheck.rule import Rule


def _elsewhere(name: str) -> tuple[str, ...]:
    wrapper = ("GLOBAL joblib.numpy_pickle NDArrayWrapper", "EMPTY_TUPLE", "NEWOBJ")
    return (*wrapper, "EMPTY_DICT", "BINUNICODE filename", f"BINUNICODE {name}", "SETITEM", "BUILD")


class PickledPathEscapes(Rule):
    id = "PKL023"
    name = "pickled-path-escapes"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Save or pack it again, with all that belongs to it in one folder."
    bad = (
        Example(
            "an array in another folder", {"m.joblib": pickle(*_elsewhere("../../notes.npy"))}, at=(At("m.joblib"),)
        ),
        Example("an absolute path", {"m.joblib": pickle(*_elsewhere("/srv/notes.npy"))}, at=(At("m.joblib"),)),
    )
    good = (
        Example("an array beside it", {"m.joblib": pickle(*_elsewhere("m.joblib_01.npy"))}),
        Example("a name with dots", {"m.joblib": pickle(*_elsewhere("m..01.npy"))}, near_miss=True),
        Example("a path in a string", {"m.joblib": pickle("BINUNICODE ../../notes.npy")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.LEAVES_FOLDER):
            message = f"the file {OddityKind.LEAVES_FOLDER.value}{others(len(found))}: {found[0].detail}"
            yield self.finding(at, message)
