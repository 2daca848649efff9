"""Two tensors of a safetensors file share bytes.

## What it finds
Files named `.safetensors` with a tensor that begins before the one in front of it ends, and files with two tensors at
the same place.

## Why it matters
safetensors 0.8.0 refuses the file: ``invalid offset for tensor `b` ``. The format has no shared tensors: what a model
ties is stored once (https://github.com/huggingface/safetensors#format). In a reader that is less strict a header of a
few hundred bytes could ask for any amount of memory.

## How to put it right
Save the tensors again with the library. Tied tensors are either stored once, or cloned before they are saved, as
`safetensors.torch.save_model` does it.
"""

import json
from collections.abc import Iterator

from hfcheck.example import Header
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule


def header(data: int, places: dict[str, tuple[int, int]]) -> Header:
    """Tensors of bytes at these places, in this order, in front of `data` bytes."""
    entries = {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in places.items()
    }
    return Header(json.dumps(entries), data)


class SafetensorsOverlap(Rule):
    id = "FMT004"
    name = "safetensors-overlap"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensors again with the safetensors library, tied tensors once."
    bad = (
        Example(
            "the second begins within the first",
            {"model.safetensors": header(6, {"a": (0, 4), "b": (2, 6)})},
            at=(At("model.safetensors", tensor="b"),),
        ),
        Example(
            "tied tensors at one place",
            {"model.safetensors": header(4, {"a": (0, 4), "b": (0, 4)})},
            at=(At("model.safetensors", tensor="b"),),
        ),
    )
    good = (
        Example("one after the other", {"model.safetensors": {"a": ("U8", [4]), "b": ("U8", [4])}}),
        Example(
            "tensors without elements at one place",
            {"model.safetensors": {"a": ("U8", [0]), "b": ("U8", [0]), "c": ("U8", [4])}},
            near_miss=True,
        ),
        Example(
            "the same offsets in two files",
            {"model.safetensors": {"a": ("U8", [4])}, "other.safetensors": {"b": ("U8", [4])}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.OVERLAP):
            at = At(reading.path, tensor=error.tensor, offset=error.offset)
            yield self.finding(at, f"bytes of this tensor belong to another one too: expected {error.expected}")
