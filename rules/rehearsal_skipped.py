"""A part of the rehearsal did not take place.

## What it finds
What `hfcheck dry-run --rehearse` was asked for and could not do here: copies to a device that this machine does not
have or without torch, files that are elsewhere, and values of tensors that do not lie in the file as they are.

## Why it matters
What was not rehearsed may still fail. Nothing is wrong with the repository for that.

## How to put it right
Rehearse on the machine that the model is to run on, after `pip install 'hfcheck[torch]'`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example import Pointer, TorchZip
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, printable
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.rehearsed import Rehearsed

FILE = "model.safetensors"


def without_torch() -> "Rehearsed":
    """A machine without torch."""
    from hfcheck.placement.rehearsed import FileRead, Rehearsed, Skip  # noqa: PLC0415 - no plain check needs it

    reason = "torch cannot be imported: ModuleNotFoundError: No module named 'torch'"
    return Rehearsed((FileRead(FILE, 8000, read=8000),), skipped=(Skip("the copies to devices", reason),))


class RehearsalSkipped(Rule):
    id = "DEV064"
    name = "rehearsal-skipped"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Rehearse on the machine that the model is to run on, with torch beside hfcheck."
    bad = (
        Example(
            "a pointer in the place of the weights",
            {"config.json": dict(LLAMA), FILE: Pointer(8000)},
            at=(At(FILE),),
            rehearsal=True,
        ),
        Example(
            "a file whose tensors are not known",
            {"config.json": dict(LLAMA), FILE: "version"},
            at=(At(FILE),),
            rehearsal=True,
        ),
        Example("no torch", repository(LLAMA, llama_tensors()), at=(At("."),), rehearsal=without_torch),
    )
    good = (
        Example("all of it", repository(LLAMA, llama_tensors()), rehearsal=True),
        Example(
            "a file of torch.save: its values can be looked at too",
            {"config.json": dict(LLAMA), "pytorch_model.bin": TorchZip(llama_tensors())},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "whole numbers: there is nothing to look for in them",
            {"config.json": {"model_type": "unheard-of"}, FILE: {"a.qweight": ("I32", [8, 8])}},
            near_miss=True,
            rehearsal=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.rehearsed is None:
            return
        for skip in facts.rehearsed.skipped:
            yield self.finding(
                At(skip.path or facts.folder or "."), f"not rehearsed: {skip.what}: {printable(skip.reason)}"
            )
        for file in facts.rehearsed.files:
            for reason, count in file.unscanned:
                tensors = f"the values of {count} tensors" if count else "the values"
                yield self.finding(At(file.path), f"not rehearsed: {tensors}: {printable(reason)}")
