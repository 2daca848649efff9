"""The header of a safetensors file is longer than the library reads.

## What it finds
Files named `.safetensors` whose first eight bytes announce a header of more than 100,000,000 bytes.

## Why it matters
safetensors 0.8.0 stops with `header too large`. No model needs such a header: 45,000 tensors take 5 MB. So either the
header carries a data set as metadata, or the first eight bytes are not the length that they should be.

## How to put it right
Save the tensors again with the library, and keep large documents in a file of their own instead of `__metadata__`.
"""

from collections.abc import Iterator

from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])


class SafetensorsHeaderTooLarge(Rule):
    id = "FMT005"
    name = "safetensors-header-too-large"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensors again with the safetensors library, and keep large documents out of the metadata."
    bad = (
        Example(
            "one byte more than the library takes",
            {"model.safetensors": (100_000_001).to_bytes(8, "little") + b'{"a": 1}'},
            at=(At("model.safetensors"),),
        ),
        Example(
            "the length was written with its bytes in the other order",
            {"model.safetensors": (64).to_bytes(8, "big") + b"{" + b" " * 62 + b"}"},
            at=(At("model.safetensors"),),
        ),
    )
    good = (
        Example(
            "training metadata of several hundred kilobytes",
            {"model.safetensors": {"__metadata__": {"format": "pt", "tags": "x" * 300_000}, "a": F16}},
        ),
        Example(
            "a Git LFS pointer reads like a header of many digits",
            {"model.safetensors": Pointer(9)},
            near_miss=True,
        ),
        Example(
            "a text reads like one too, and is no safetensors file: FMT006",
            {"model.safetensors": "version {unknown}, see the card of this model"},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.HEADER_TOO_LARGE):
            at = At(reading.path, offset=error.offset)
            yield self.finding(at, f"the first eight bytes are no length of a header: expected {error.expected}")
