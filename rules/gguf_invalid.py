"""The header of a GGUF file is wrong.

## What it finds
Files named `.gguf`, or that begin as one, with a header that no reader takes: no GGUF at all, a version that is not
read any more, counts and sizes that no file of this length can hold, a type of value that the format does not have, a
key or a tensor that comes twice, tensors that do not follow each other. A warning for tensors of types that llama.cpp
has given up.

## Why it matters
Every number of the header is somebody's input to a parser in C: sums that overflow have been holes in llama.cpp
(https://nvd.nist.gov/vuln/detail/CVE-2025-53630 , https://nvd.nist.gov/vuln/detail/CVE-2026-33298). Current readers
refuse such a file, the package `gguf` 0.19 for instance with `Found duplicated tensor with name blk.0.attn_q.weight`
or `file appears to be version 9 which we cannot handle`.

## How to put it right
Convert the model again with a current version of the converter of llama.cpp. A header with impossible numbers comes
from no converter: do not use the file.
"""

from collections.abc import Iterator

from hfcheck.example import Cut, Gguf, Pointer, Replace
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats import gguf
from hfcheck.formats.gguf import Fault
from hfcheck.promises import broken_promise
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule

MODEL = Gguf({"blk.0.attn_q.weight": [4, 4], "blk.1.attn_q.weight": [4, 4]})
START = b"GGUF\x03\x00\x00\x00"


class GgufInvalid(Rule):
    id = "FMT041"
    name = "gguf-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Convert the model again with a current converter of llama.cpp."
    bad = (
        Example("something else", {"model.gguf": b"ggjt" + bytes(60)}, at=(At("model.gguf"),)),
        Example(
            "a version that nobody reads",
            {"model.gguf": Replace(MODEL, START, b"GGUF\x01\x00\x00\x00")},
            at=(At("model.gguf"),),
        ),
        Example(
            "more tensors than bytes",
            {"model.gguf": Replace(MODEL, START + b"\x02", START + b"\x02\x00\x00\x00\x00\x00\x00\x40")},
            at=(At("model.gguf"),),
        ),
        Example(
            "a tensor twice",
            {"model.gguf": Replace(MODEL, b"blk.1", b"blk.0")},
            at=(At("model.gguf", tensor="blk.0.attn_q.weight"),),
        ),
        Example(
            "two tensors at one place",
            {"model.gguf": Replace(MODEL, b"\x40\x00\x00\x00\x00\x00\x00\x00", bytes(8))},
            at=(At("model.gguf", tensor="blk.1.attn_q.weight"),),
        ),
    )
    good = (
        Example("right", {"model.gguf": MODEL}),
        Example("a Git LFS pointer", {"model.gguf": Pointer(4096)}, near_miss=True),
        Example("a file that was cut is FMT040", {"model.gguf": Cut(MODEL, 16)}, near_miss=True),
        Example("an HTML page is FMT014", {"model.gguf": "<!DOCTYPE html><html></html>"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused(facts, gguf.GgufInvalid):
            foreign = broken_promise(reading.path, reading.content) is not None
            if not foreign and error.fault is not Fault.TRUNCATED:
                at = At(reading.path, tensor=error.tensor, offset=error.offset)
                yield self.finding(at, f"the content is {error.fault.value}: expected {error.expected}")
        for path, header in facts.all_of(gguf.GgufFacts):
            for key in header.duplicate_keys[:1]:
                yield self.finding(At(path), f"the key {quote(key)} comes more than once, and readers refuse the file")
            for name in header.duplicate_tensors[:1]:
                at = At(path, tensor=name)
                yield self.finding(at, "a tensor of this name comes more than once, and readers refuse the file")
            for name in header.misplaced[:1]:
                at = At(path, tensor=name, offset=header.tensors[name].begin)
                yield self.finding(
                    at, "the tensor does not begin where the one before it ends: llama.cpp refuses the file"
                )
            removed = [name for name, tensor in header.tensors.items() if tensor.type in gguf.REMOVED]
            if removed:
                described = header.tensors[removed[0]].described
                message = f"the type of {len(removed)} tensors is one that llama.cpp has given up: {described}"
                yield self.finding(At(path, tensor=removed[0]), message, severity=Severity.WARNING)
