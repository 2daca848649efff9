"""An ONNX model was cut off.

## What it finds
Files named `.onnx` that end within a field of the model, most often within the graph. The graph is not read: its
length stands in front of it.

## Why it matters
onnx 1.23 says `Error parsing message with type 'onnx.ModelProto'`, ONNX Runtime `Protobuf parsing failed`: neither
names the cause. Models of more than two gigabytes keep their weights in other files, and are whole without them.

## How to put it right
Download or upload the file again.
"""

from collections.abc import Iterator

from hfcheck.example import Cut
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.onnx import Fault, OnnxInvalid
from hfcheck.promises import broken_promise
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule

MODEL = b"\x08\x08" + b"\x3a\x40" + b"\x12\x3e" + b"x" * 62 + b"\x42\x02\x10\x11"
"""Version 8 of the format, a graph that is only a name, operator set 17."""


class OnnxTruncated(Rule):
    id = "FMT042"
    name = "onnx-truncated"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Download or upload the file again."
    bad = (
        Example("cut within the graph", {"model.onnx": Cut(MODEL, 20)}, at=(At("model.onnx"),)),
        Example("the last byte is missing", {"onnx/model.onnx": Cut(MODEL, 1)}, at=(At("onnx/model.onnx"),)),
    )
    good = (
        Example("whole", {"model.onnx": MODEL}),
        Example("weights kept in another file", {"model.onnx": MODEL, "model.onnx_data": bytes(64)}, near_miss=True),
        Example("a graph without nodes", {"model.onnx": b"\x08\x08\x3a\x00"}, near_miss=True),
        Example("something else under this name is FMT014", {"model.onnx": "not found"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused(facts, OnnxInvalid):
            if error.fault is Fault.TRUNCATED and broken_promise(reading.path, reading.content) is None:
                at = At(reading.path, offset=error.offset)
                yield self.finding(at, f"the file was cut off: expected {error.expected}")
