"""A GGUF file ends before its tensors do.

## What it finds
Files in the GGUF format that are shorter than their header says, at the first tensor that is not whole, and files
that end within the header. Each part of a split model is a file of its own.

## Why it matters
llama.cpp says `tensor 'blk.3.attn_qkv.weight' data is not within the file bounds, model is corrupted or incomplete`,
the package `gguf` 0.19 `cannot reshape array of size 12 into shape (4,4)`, and programs built on them often only that
the model failed to load: https://github.com/moly-ai/moly-ai/issues/328 , https://github.com/janhq/jan/issues/3521 .

## How to put it right
Download the file again and compare its size with the one that the message names.
"""

from collections.abc import Iterator

from hfcheck.example import Cut, Gguf
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.gguf import Fault, GgufFacts, GgufInvalid
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule

MODEL = Gguf({"blk.0.attn_q.weight": [4, 4], "blk.1.attn_q.weight": [4, 4]})


class GgufTruncated(Rule):
    id = "FMT040"
    name = "gguf-truncated"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Download or upload the file again."
    bad = (
        Example(
            "the last tensor is not whole",
            {"model.gguf": Cut(MODEL, 16)},
            at=(At("model.gguf", tensor="blk.1.attn_q.weight"),),
        ),
        Example(
            "no tensor is whole",
            {"model.gguf": Cut(MODEL, 100)},
            at=(At("model.gguf", tensor="blk.0.attn_q.weight"),),
        ),
        Example("cut within the header", {"model.gguf": Cut(MODEL, 230)}, at=(At("model.gguf"),)),
    )
    good = (
        Example("whole", {"model.gguf": MODEL}),
        Example("metadata without tensors, as a vocabulary has it", {"vocab.gguf": Gguf({})}, near_miss=True),
        Example(
            "the padding behind the last tensor is missing",
            {"model.gguf": Cut(Gguf({"blk.0.attn_norm.weight": [4]}), 16)},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused(facts, GgufInvalid):
            if error.fault is Fault.TRUNCATED:
                at = At(reading.path, offset=error.offset)
                yield self.finding(at, f"the file was cut off within its header: expected {error.expected}")
        for path, header in facts.all_of(GgufFacts):
            if cut := header.cut:
                lost = f"{len(cut)} of {len(header.tensors)} tensors are not whole"
                message = f"the file was cut off: expected {header.expected_size} bytes, not {header.size}; {lost}"
                yield self.finding(At(path, tensor=cut[0], offset=header.size), message)
