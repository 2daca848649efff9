"""A file or folder could not be read, or changed while hfcheck read it.

## What it finds
Files without permission to read, input errors of the disk, folders that cannot be listed, and files that were
replaced, grew or shrank during the run.

## Why it matters
What could not be read was not checked, so the verdict is at best `incomplete` (exit code 3). A file that changes while
it is read may be anything by the time a loader opens it.

## How to put it right
Grant the permission, or wait until the download or the training that writes the file has ended; then run hfcheck again.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.repository import Form
from hfcheck.rule import Example, Rule


class FileUnreadable(Rule):
    id = "HFC002"
    name = "file-unreadable"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Make it readable, or wait until nothing writes to it any more, and run hfcheck again."
    bad = ()  # permissions and changes in mid-air are no data: tests/test_repository.py has them
    good = (
        Example("an empty file is readable", {"py.typed": ""}, near_miss=True),
        Example("a file of zeros is readable", {"voices/a.bin": bytes(64)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for entry in facts.files:
            if entry.form is Form.UNREADABLE:
                yield self.finding(At(entry.path or "."), "this folder cannot be listed")
            elif entry.form is Form.UNKNOWN:
                yield self.finding(At(entry.path), "the folder around it does not let anybody see what this is")
        for reading in facts.readings():
            if reading.unreadable is not None:
                yield self.finding(At(reading.path), f"the file could not be read: {reading.unreadable}")
