"""Bytes of a safetensors file belong to no tensor.

## What it finds
Files named `.safetensors` with a gap before a tensor: at the tensor that begins later than the one before it ends. The
first tensor has to begin at byte 0 of the data.

## Why it matters
safetensors 0.8.0 refuses the file: ``invalid offset for tensor `b` ``. The format allows no holes, so that nothing can
be hidden between the tensors (https://github.com/huggingface/safetensors#format). Writers of their own that align each
tensor make such files.

## How to put it right
Save the tensors again with the library: it aligns the header and puts the tensors one after the other.
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


class SafetensorsHole(Rule):
    id = "FMT003"
    name = "safetensors-hole"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensors again with the safetensors library."
    bad = (
        Example(
            "each tensor was aligned to eight bytes",
            {"model.safetensors": header(12, {"a": (0, 4), "b": (8, 12)})},
            at=(At("model.safetensors", tensor="b"),),
        ),
        Example(
            "the data begins with bytes of no tensor",
            {"model.safetensors": header(8, {"b": (4, 8)})},
            at=(At("model.safetensors", tensor="b"),),
        ),
    )
    good = (
        Example("one after the other", {"model.safetensors": {"a": ("U8", [4]), "b": ("U8", [4])}}),
        Example(
            "the header names the tensors in another order than the data has them",
            {"model.safetensors": header(8, {"b": (4, 8), "a": (0, 4)})},
            near_miss=True,
        ),
        Example(
            "a tensor without elements between two others",
            {"model.safetensors": header(8, {"a": (0, 4), "e": (4, 4), "b": (4, 8)})},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.HOLE):
            at = At(reading.path, tensor=error.tensor, offset=error.offset)
            yield self.finding(at, f"bytes before this tensor belong to none: expected {error.expected}")
