"""A file that is meant for an unpickler is an archive that none opens.

## What it finds
7z and RAR archives, at the place of weights: under `.bin`, `.pkl` and other names that are handed to unpicklers. Under
`.pt` and `pytorch_model.bin`, where `torch.load` is promised a file of its own, FMT014 says so.

## Why it matters
`torch.load` and `pickle.load` refuse such a file, most often with `invalid load key`. Malware was published in this
form, because scanners did not unpack it, and the instructions beside it did:
https://www.reversinglabs.com/blog/rl-identifies-malware-ml-model-hosted-on-hugging-face .

## How to put it right
Do not unpack it. If it is yours, publish what is in it.
"""

from collections.abc import Iterator

from hfcheck.example import Archive, Example
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities
from hfcheck.promises import broken_promise
from hfcheck.rule import Rule

SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c" + bytes(26)
RAR = b"Rar!\x1a\x07\x01\x00" + bytes(24)


class HiddenInArchive(Rule):
    id = "PKL025"
    name = "hidden-in-archive"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "medium"
    hint = "Do not unpack it; ask its author for the file itself."
    bad = (
        Example("7z instead of weights", {"weights.bin": SEVEN_ZIP}, at=(At("weights.bin"),)),
        Example("RAR instead of a pickle", {"model.pkl": RAR}, at=(At("model.pkl"),)),
    )
    good = (
        Example("an archive that is called one", {"data.7z": SEVEN_ZIP}),
        Example("where torch.load is promised its own: FMT014", {"pytorch_model.bin": SEVEN_ZIP}, near_miss=True),
        Example("a zip archive, which is looked into", {"a.bin": Archive({"a.txt": b"a"})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.CLOSED):
            reading = facts.reading(at.path)
            if reading is None or broken_promise(at.path, reading.content) is None:
                yield self.finding(at, f"the file {OddityKind.CLOSED.value}: {found[0].detail}")
