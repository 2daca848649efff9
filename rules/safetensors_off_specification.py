"""A safetensors header departs from the specification in a way that the library takes.

## What it finds
A header that begins with another character than `{`; a shape with an extent that no memory has; a key of `__metadata__`
that comes twice; a value of `__metadata__` of more than a million bytes.

## Why it matters
safetensors 0.8.0 opens the file, others need not: the specification has the brace as the first byte, and forbids a key
twice, of which the library takes the last. A shape like `[0, 9223372036854775808]` has no elements and passes; torch
2.13 then fails with `Overflow when unpacking long long`, numpy with `Maximum allowed dimension exceeded`, and a reader
in C may compute the wrong size. (https://github.com/huggingface/safetensors#format)

## How to put it right
Save the tensors again with the library. Keep large documents in a file of their own.
"""

from collections.abc import Iterator

from hfcheck.example import Header
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.rule import Example, Rule

MAX_EXTENT = 2**48
"""No address space is larger; with a tensor that has elements the size of the file sets a lower limit."""

MAX_VALUE = 1_000_000
"""Bytes of one value: training metadata of several hundred kilobytes is common."""

ENTRY = '{"a": {"dtype": "U8", "shape": %s, "data_offsets": [0, 0]}}'
F16 = ("F16", [2, 3])


class SafetensorsOffSpecification(Rule):
    id = "FMT012"
    name = "safetensors-off-specification"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Save the tensors again with the safetensors library."
    bad = (
        Example(
            "a space before the brace",
            {"model.safetensors": Header(" " + ENTRY % "[0]")},
            at=(At("model.safetensors"),),
        ),
        Example(
            "an extent that no memory has",
            {"model.safetensors": Header(ENTRY % "[0, 9223372036854775808]")},
            at=(At("model.safetensors", tensor="a"),),
        ),
        Example(
            "a key of the metadata twice",
            {"model.safetensors": Header('{"__metadata__": {"format": "pt", "format": "tf"}}')},
            at=(At("model.safetensors", "/__metadata__/format"),),
        ),
        Example(
            "a value as large as a model",
            {"model.safetensors": {"__metadata__": {"format": "pt", "blob": "x" * 1_000_001}, "a": F16}},
            at=(At("model.safetensors", "/__metadata__/blob"),),
        ),
    )
    good = (
        Example("by the book", {"model.safetensors": {"a": F16}}),
        Example(
            "spaces behind the JSON are the padding",
            {"model.safetensors": Header(ENTRY % "[0]" + "  ")},
            near_miss=True,
        ),
        Example("a tensor without elements", {"model.safetensors": {"a": ("F16", [0, 4096])}}, near_miss=True),
        Example(
            "JSON of several hundred kilobytes as a value",
            {"model.safetensors": {"__metadata__": {"format": "pt", "tags": '["%s"]' % ("x" * 900_000)}, "a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, header in facts.all_of(SafetensorsFacts):
            if header.leading_space:
                yield self.finding(
                    At(path, offset=8), "the header begins with white space: expected { as its first byte"
                )
            for name, tensor in header.tensors.items():
                if max(tensor.shape, default=0) > MAX_EXTENT:
                    yield self.finding(
                        At(path, tensor=name), f"the shape {list(tensor.shape)} is one that no memory has"
                    )
                    break  # one is enough: a file made so can have a million of them
            for key in header.shadowed_metadata[:1]:
                at = At(path, pointer("__metadata__", key))
                yield self.finding(at, f"the metadata has {quote(key)} more than once, and the last one counts")
            for key, value in (header.metadata or {}).items():
                if len(value) > MAX_VALUE:
                    at = At(path, pointer("__metadata__", key))
                    yield self.finding(at, f"the value is {len(value)} characters long: expected at most {MAX_VALUE}")
