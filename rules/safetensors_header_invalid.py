"""The header of a safetensors file does not describe tensors.

## What it finds
Headers that are no JSON object, and tensors whose entry is wrong: without dtype, shape or offsets, of a dtype that the
library does not have, with a shape that does not fill the bytes between its offsets. At the tensor, where it is one.

## Why it matters
safetensors 0.8.0 opens no tensor of such a file: `invalid JSON in header: ...` or `invalid shape, data type, or offset
for tensor`, without the name of either. A file whose header was written as text, and where the text ended early:
https://github.com/safetensors/safetensors/issues/466 .

## How to put it right
Save the tensors again with the library. A quantised type of another format (`Q4_0` of GGUF) has no place in a
safetensors file: store its bytes as `U8`.
"""

from collections.abc import Iterator

from hfcheck.example import Header
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

ENTRY = '{"a": {"dtype": "%s", "shape": %s, "data_offsets": [0, 8]}}'


class SafetensorsHeaderInvalid(Rule):
    id = "FMT007"
    name = "safetensors-header-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tensors again with the safetensors library."
    bad = (
        Example(
            "text behind the end of the JSON",
            {"model.safetensors": Header('{},"__metadata__":{"format":"pt"}}')},
            at=(At("model.safetensors"),),
        ),
        Example(
            "a shape for other bytes",
            {"model.safetensors": Header(ENTRY % ("F32", "[3]"), data=8)},
            at=(At("model.safetensors", tensor="a"),),
        ),
        Example(
            "a dtype of another format",
            {"model.safetensors": Header(ENTRY % ("Q4_0", "[2]"), data=8)},
            at=(At("model.safetensors", tensor="a"),),
        ),
        Example(
            "a size that was computed as a float",
            {"model.safetensors": Header(ENTRY % ("F32", "[2.0]"), data=8)},
            at=(At("model.safetensors", tensor="a"),),
        ),
    )
    good = (
        Example("right", {"model.safetensors": Header(ENTRY % ("F32", "[2]"), data=8)}),
        Example("a scalar has an empty shape", {"model.safetensors": {"a": ("F32", [])}}, near_miss=True),
        Example(
            "a field that the library does not know, and skips",
            {"model.safetensors": Header('{"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8], "x": 1}}', 8)},
            near_miss=True,
        ),
        Example(
            "a header without tensors is FMT015",
            {"model.safetensors": Header('{"__metadata__": {"format": "pt"}}')},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.HEADER, Fault.TENSOR):
            at = At(reading.path, tensor=error.tensor, offset=error.offset)
            yield self.finding(at, f"the header is refused: expected {error.expected}")
