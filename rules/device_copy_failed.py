"""Tensors could not be copied to the device that the plan has for them.

## What it finds
Devices of a dry run that are on this machine, and to which a rehearsal (`hfcheck dry-run --rehearse`) could not copy a
tensor: its memory was not enough for this one tensor, the driver gave an error, or the process that copies was ended.
One finding for each device and file.

## Why it matters
A rehearsal holds one tensor at a time. Where that does not go, the load does not go either: it needs the room of all of
them at once, on a device that others may be using.

## How to put it right
Free the device (`nvidia-smi` shows who uses it), or give it less: a smaller size for `--device`, or another device.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, printable, quote
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.device import Key
    from hfcheck.placement.rehearsed import CopyFailure, Rehearsed

FILE = "model.safetensors"
HEAD = "lm_head.weight"


def full() -> "Rehearsed":
    """A device that is full of something else."""
    from hfcheck.placement.rehearsed import CopyFailure, Rehearsed  # noqa: PLC0415 - no plain check needs it

    reason = "OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB."
    names = (HEAD, "model.embed_tokens.weight")
    return Rehearsed((), failures=tuple(CopyFailure(0, "cuda:0", FILE, name, reason) for name in names))


def died() -> "Rehearsed":
    """A process that the system ended."""
    from hfcheck.placement.rehearsed import CopyFailure, Rehearsed  # noqa: PLC0415 - as above

    reason = "the process that copies was ended by SIGKILL"
    return Rehearsed((), failures=(CopyFailure("cpu", "cpu", FILE, HEAD, reason, is_fatal=True),))


def absent() -> "Rehearsed":
    """A device that this machine does not have."""
    from hfcheck.placement.rehearsed import Copied, Rehearsed, Skip  # noqa: PLC0415 - as above

    return Rehearsed((), copied=(Copied(0, "meta", 2, 1024),), skipped=(Skip("the copies to device 0", "it is away"),))


class DeviceCopyFailed(Rule):
    id = "DEV063"
    name = "device-copy-failed"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Free the device, or give it less: a smaller size for `--device`, or another device."
    bad = (
        Example(
            "a device that is full: one finding",
            repository(LLAMA, llama_tensors()),
            at=(At(FILE, tensor=HEAD),),
            rehearsal=full,
        ),
        Example(
            "the end of the process",
            repository(LLAMA, llama_tensors()),
            at=(At(FILE, tensor=HEAD),),
            rehearsal=died,
        ),
    )
    good = (
        Example("nobody asked for copies", repository(LLAMA, llama_tensors()), rehearsal=True, near_miss=True),
        Example(
            "a device that is not here: DEV064 says so",
            repository(LLAMA, llama_tensors()),
            near_miss=True,
            rehearsal=absent,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        groups: dict[tuple[Key, str], list[CopyFailure]] = {}
        for failure in facts.rehearsed.failures if facts.rehearsed is not None else ():
            groups.setdefault((failure.device, failure.path), []).append(failure)
        for (device, path), failures in groups.items():
            first = failures[0]
            more = f", and so it was with {len(failures) - 1} more of this file" if len(failures) > 1 else ""
            rest = "; nothing behind it was copied" if any(failure.is_fatal for failure in failures) else ""
            what = f"{quote(first.tensor)} was not copied to device {device} ({first.on})"
            message = f"{what}: {printable(first.reason)}{more}{rest}"
            yield self.finding(At(path, tensor=first.tensor), message)
