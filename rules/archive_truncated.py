"""A zip archive ends before its directory does.

## What it finds
Files that begin as a zip archive and have no end record in their last 64 KiB: files of `torch.save`, `.npz`, `.keras`
and others.

## Why it matters
The directory of an archive is its last part, so a file that was cut is lost as a whole. Where `pytorch_model.bin` was
cut, transformers 5.23.0 with torch 2.13 says `OSError: [Errno 22] Invalid argument` and no file: torch takes what is no
whole archive for a pickle of its first versions. A published shard that ended in that code:
https://github.com/Alpha-VLLM/LLaMA2-Accessory/issues/136 .

## How to put it right
Download the file again and compare its size with the published one. If they are the same, its author has to upload it
again.
"""

from collections.abc import Iterator

from hfcheck.example import Append, Archive, Cut
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.zip_ import Fault, ZipInvalid
from hfcheck.promises import broken_promise
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule

TORCH = Archive({"archive/data.pkl": b"\x80\x02}q\x00.", "archive/data/0": bytes(2000), "archive/version": b"3\n"})


class ArchiveTruncated(Rule):
    id = "FMT030"
    name = "archive-truncated"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Download or upload the file again."
    bad = (
        Example("a kilobyte is missing", {"pytorch_model.bin": Cut(TORCH, 1024)}, at=(At("pytorch_model.bin"),)),
        Example("the last byte is missing", {"weights.npz": Cut(TORCH, 1)}, at=(At("weights.npz"),)),
    )
    good = (
        Example("whole", {"pytorch_model.bin": TORCH}),
        Example("a few bytes behind the end", {"pytorch_model.bin": Append(TORCH, b"\n")}, near_miss=True),
        Example("an archive without members", {"empty.zip": Archive({})}, near_miss=True),
        Example("a text that begins with the same letters", {"notes.txt": "PK is short for Phil Katz"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused(facts, ZipInvalid):
            if error.fault is Fault.TRUNCATED and broken_promise(reading.path, reading.content) is None:
                at = At(reading.path, offset=error.offset)
                yield self.finding(at, f"the file is {error.fault.value}: expected {error.expected}")
