"""A file ends before its tensors or its array do.

## What it finds
Files of torch before 1.6 whose storages, which stand behind the pickles, are cut short or not there, and arrays of
NumPy that are shorter than their header says. Archives that were cut are FMT030, and pickles PKL011 and PKL012.

## Why it matters
`torch.load` 2.13 says `unexpected EOF, expected N more bytes. The file might be corrupted.`, and which file it is one
has to guess. `numpy.load` asks for as much memory as the header says before it reads.

## How to put it right
Download or copy the file again, and compare its size with the published one. If they are the same, its author has to
save and upload it again.
"""

from collections.abc import Iterator

from hfcheck.example import Append, Cut, Example, TorchLegacy
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities
from hfcheck.rule import Rule

WHOLE = TorchLegacy({"a": ("F32", [2, 3]), "b": ("F32", [4])})
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"
NPY = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + HEADER.ljust(117) + b"\n"


class PickledFileTruncated(Rule):
    id = "PKL026"
    name = "pickled-file-truncated"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Download or upload the file again."
    bad = (
        Example("the last bytes are missing", {"pytorch_model.bin": Cut(WHOLE, 5)}, at=(At("pytorch_model.bin"),)),
        Example("an array of which half is there", {"a.npy": NPY + bytes(8)}, at=(At("a.npy"),)),
        Example("a storage is missing", {"pytorch_model.bin": Cut(WHOLE, 24)}, at=(At("pytorch_model.bin"),)),
    )
    good = (
        Example("whole", {"pytorch_model.bin": WHOLE}),
        Example("a newline behind it", {"pytorch_model.bin": Append(WHOLE, b"\n")}, near_miss=True),
        Example("an array, whole", {"a.npy": NPY + bytes(16)}, near_miss=True),
        Example("no tensors", {"pytorch_model.bin": TorchLegacy({})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.TRUNCATED):
            yield self.finding(at, f"the file {OddityKind.TRUNCATED.value}: {found[0].detail}")
