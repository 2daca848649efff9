"""A file of torch.save does not hold the bytes that its tensors take.

## What it finds
Storages that are missing, or that are shorter or longer in the file than the pickle says; tensors that end behind the
end of their storage, or whose sizes no tensor can have; storages that are said to be of two types. One finding for
each file and kind.

## Why it matters
`torch.load` of 2.13 raises where it reads a storage as a whole. Mapped into memory (`mmap=True`), as `from_pretrained`
opens archives, a short storage goes on with the bytes of its neighbour, and the model loads with wrong weights and no
error; unpicklers of older versions have read outside of the storage
(https://github.com/advisories/GHSA-63cw-57p8-fm3p).

## How to put it right
Save the model again, and compare the size of the file before and after an upload. Do not load one that was patched by
hand.
"""

from collections.abc import Iterator

from hfcheck.example import Example, TorchLegacy, TorchZip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.pickled import OddityKind
from hfcheck.formats.torch_state import Fault, FaultKind
from hfcheck.pickle_judged import oddities, others
from hfcheck.rule import Rule

KINDS = (FaultKind.MISSING, FaultKind.FOUND, FaultKind.BEYOND, FaultKind.SIZES, FaultKind.DTYPES)
"""A storage that no tensor uses is nobody's loss."""


class StorageSizeMismatch(Rule):
    id = "PKL021"
    name = "storage-size-mismatch"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Save the model again; do not load this file, whose weights may be other than they seem."
    bad = (
        Example(
            "a storage of half the size",
            {"pytorch_model.bin": TorchZip({"a": ("F32", [2, 3])}, sizes={"a": 12})},
            at=(At("pytorch_model.bin"),),
        ),
        Example(
            "a storage that is longer", {"a.pt": TorchZip({"a": ("F32", [2, 3]), "b": ("F32", [1])}, sizes={"a": 48})},
            at=(At("a.pt"),),
        ),
    )  # fmt: skip
    good = (
        Example("as many bytes as it takes", {"a.pt": TorchZip({"a": ("F32", [2, 3])})}),
        Example(
            "two tensors in one storage", {"a.pt": TorchZip({"a": ("F32", [2, 3])}, tied={"b": "a"})}, near_miss=True
        ),
        Example("a tensor without elements", {"a.pt": TorchZip({"a": ("F32", [0])})}, near_miss=True),
        Example("before torch 1.6", {"a.pt": TorchLegacy({"a": ("F32", [2, 3])})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, file in facts.pickled():
            found = file.state.faults if file.state is not None else ()
            for kind in KINDS:
                same = [fault for fault in found if fault.kind is kind]
                if same:
                    count = others(sum(fault.count for fault in same))
                    message = f"{_subject(same[0])} {kind.value}{count}: {same[0].detail}"
                    yield self.finding(At(path), message)
        for at, found_oddities in oddities(facts, OddityKind.STORAGE):
            message = f"the file {OddityKind.STORAGE.value}{others(len(found_oddities))}: {found_oddities[0].detail}"
            yield self.finding(at, message)


def _subject(fault: Fault) -> str:
    if fault.tensor is not None:
        return f"tensor {quote(fault.tensor)}"
    return f"storage {quote(fault.storage or '')}"
