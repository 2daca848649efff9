"""There is something in the folder that is no file: a named pipe, a socket or a device.

## What it finds
Named pipes, sockets and devices, and links inside the repository that lead to one.

## Why it matters
A loader that opens a named pipe waits until somebody writes into it, which is for ever: transformers 5.23.0 does so
where a weight index names one, without a message or a time limit. Of the names that it looks for itself it says, with
the pipe before its eyes, `Error no file named model.safetensors`. Git and the Hub do not keep such things, so it is
left over from a program on this machine, or came out of an archive that somebody made.

## How to put it right
Delete it.
"""

from collections.abc import Iterator

from hfcheck.example import Link, Pipe
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.repository import SPECIAL
from hfcheck.rule import Example, Rule


class SpecialFile(Rule):
    id = "REP007"
    name = "special-file"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Delete it: no model needs one, and no upload takes it along."
    bad = (
        Example("a named pipe instead of the weights", {"model.safetensors": Pipe()}, at=(At("model.safetensors"),)),
        Example(
            "a link to a named pipe",
            {"a/pipe": Pipe(), "vocab.txt": Link("a/pipe")},
            at=(At("a/pipe"), At("vocab.txt")),
        ),
    )
    good = (
        Example("an empty file", {"model.lock": ""}, near_miss=True),
        Example("a file called pipe", {"pipe": "x", "null": "x", "dev/zero": "x"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for entry in facts.files:
            if entry.form in SPECIAL:
                yield self.finding(
                    At(entry.path), f"this is {entry.form.value}: a loader that opens it may wait for ever"
                )
