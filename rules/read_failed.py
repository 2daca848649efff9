"""A weight file could not be read to its end.

## What it finds
Weight files at which a rehearsal (`hfcheck dry-run --rehearse`) was stopped: by the disk, by a file that was replaced,
grew or shrank meanwhile, or by the end of the process that reads.

## Why it matters
All other rules go by headers, which are the first bytes of a file. The load reads the rest. transformers 5.23.0 maps
the files, and where the disk or the network gives an error, its process is ended by SIGBUS without a message:
https://github.com/sgl-project/sglang/issues/6083 , https://github.com/NVIDIA/TensorRT-LLM/pull/17368 . So it is where a
file was cut short after its header was read.

## How to put it right
Download or copy the file again to a sound disk, and wait for whoever writes it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, printable
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.rehearsed import Rehearsed

FILE = "model.safetensors"


def broken() -> "Rehearsed":
    """A disk that gives an error half way."""
    from hfcheck.placement.rehearsed import FileRead, Rehearsed  # noqa: PLC0415 - no plain check needs it

    return Rehearsed((FileRead(FILE, 8000, read=4096, failed="Input/output error"),))


class ReadFailed(Rule):
    id = "DEV061"
    name = "read-failed"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Download or copy the file again to a sound disk, and let nobody write to it meanwhile."
    bad = (Example("a broken disk", repository(LLAMA, llama_tensors()), at=(At(FILE),), rehearsal=broken),)
    good = (
        Example("read to its end", repository(LLAMA, llama_tensors()), rehearsal=True),
        Example(
            "a file without tensors",
            {"config.json": {"model_type": "unheard-of"}, FILE: {}},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "no safetensors: FMT rules say so, and the bytes can be read",
            {"config.json": {"model_type": "unheard-of"}, FILE: "version"},
            near_miss=True,
            rehearsal=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for file in facts.rehearsed.files if facts.rehearsed is not None else ():
            if file.failed:
                at = At(file.path, offset=file.read)
                yield self.finding(at, f"the read stopped at byte {file.read} of {file.size}: {printable(file.failed)}")
