"""A safetensors file ends before its tensors do.

## What it finds
Files named `.safetensors` that are shorter than their header says, one finding for each file. The header gives the
size of the file to the byte, so that nothing but the header has to be read.

## Why it matters
safetensors 0.8.0 opens no tensor of such a file: `incomplete metadata, file not fully covered`, or `invalid header
length` where the header itself was cut. Neither says which file, or how much of it is missing. Downloads that broke
off: https://github.com/lyogavin/airllm/issues/137 , https://github.com/invoke-ai/InvokeAI/issues/7009 . Weights of
somebody's own training that were shorter than their header: https://github.com/Comfy-Org/ComfyUI/issues/3225 .

## How to put it right
Download or copy the file again, and compare its size with the one that the message names. If the published file has the
same size, its author has to upload it again.
"""

from collections.abc import Iterator

from hfcheck.example import Cut
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])
INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


class SafetensorsTruncated(Rule):
    id = "FMT001"
    name = "safetensors-truncated"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Download or upload the file again."
    bad = (
        Example(
            "the last bytes are missing",
            {"model.safetensors": Cut({"a": F16}, 4)},
            at=(At("model.safetensors"),),
        ),
        Example(
            "cut within the header",
            {"model.safetensors": Cut({"a": F16}, 40)},
            at=(At("model.safetensors"),),
        ),
        Example(
            "two shards of one index, two files to fetch again",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: Cut({"a": F16}, 1),
                TWO: Cut({"b": F16}, 2),
            },
            at=(At(ONE), At(TWO)),
        ),
    )
    good = (
        Example("whole", {"model.safetensors": {"a": F16}}),
        Example(
            "a small shard among large ones",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"a": ("F16", [64, 64])},
                TWO: {"b": ("F16", [1])},
            },
            near_miss=True,
        ),
        Example("a tensor without elements needs no bytes", {"model.safetensors": {"a": ("F16", [0])}}, near_miss=True),
        Example(
            "an HTML page under this name is no safetensors file that was cut: FMT006",
            {"model.safetensors": "<!DOCTYPE html><html><body>Not found</body></html>"},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.TRUNCATED):
            at = At(reading.path, offset=error.offset)
            yield self.finding(at, f"the file was cut off: its header calls for {error.expected}")
