"""A safetensors file goes on behind its last tensor.

## What it finds
Files named `.safetensors` that are longer than their header says.

## Why it matters
safetensors 0.8.0 refuses them as it refuses a file that was cut, with the same `incomplete metadata, file not fully
covered`. The specification asks for it: bytes that no tensor owns could be anything, an archive or a program, and a
reader that is less strict would carry them along (https://github.com/huggingface/safetensors#format).

## How to put it right
Save the tensors again with the library, or fetch the file again: a download that was resumed at the wrong place, or a
file that was written over a longer one, ends like this.
"""

from collections.abc import Iterator

from hfcheck.example import Append
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])


class SafetensorsTrailingBytes(Rule):
    id = "FMT002"
    name = "safetensors-trailing-bytes"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensors again, or fetch the file again."
    bad = (
        Example(
            "something was appended",
            {"model.safetensors": Append({"a": F16}, b"MZ" + bytes(64))},
            at=(At("model.safetensors"),),
        ),
        Example(
            "one byte too many",
            {"model.safetensors": Append({"a": F16}, b"\n")},
            at=(At("model.safetensors"),),
        ),
    )
    good = (
        Example("whole", {"model.safetensors": {"a": F16}}),
        Example(
            "spaces behind the JSON of the header are the padding that the format asks for",
            {"model.safetensors": {"abc": ("U8", [1])}},
            near_miss=True,
        ),
        Example(
            "a text with a newline at its end beside it",
            {"model.safetensors": {"a": F16}, "README.md": "# A model\n"},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.TRAILING):
            at = At(reading.path, offset=error.offset)
            yield self.finding(at, f"bytes follow the last tensor: the header calls for {error.expected}")
