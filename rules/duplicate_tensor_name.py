"""A header names two tensors the same.

## What it finds
safetensors files in which a name comes more than once. One finding for each file, at the first such name.

## Why it matters
The specification forbids it and safetensors 0.8.0 takes it: the last entry wins, even with another dtype or shape. A
reader that keeps the first one, or that walks the entries in order, sees another model in the same bytes: what was
looked at and what is loaded are two things (https://github.com/huggingface/safetensors#format).

## How to put it right
Find out which of the tensors is meant and save the file again with the library. A file that no tool of yours wrote like
this should not be trusted.
"""

from collections.abc import Iterator

from hfcheck.example import Header
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.rule import Example, Rule

TWICE = (
    '{"w": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]},'
    ' "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
)


class DuplicateTensorName(Rule):
    id = "FMT010"
    name = "duplicate-tensor-name"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Find out which tensor is meant, and save the file again with the safetensors library."
    bad = (
        Example(
            "two dtypes for the same bytes",
            {"model.safetensors": Header(TWICE, data=8)},
            at=(At("model.safetensors", tensor="w"),),
        ),
        Example(
            "the name is written in two ways",
            {"model.safetensors": Header(TWICE.replace('"w"', '"\\u0077"', 1), data=8)},
            at=(At("model.safetensors", tensor="w"),),
        ),
    )
    good = (
        Example("each name once", {"model.safetensors": {"w": ("F32", [2]), "v": ("F32", [2])}}),
        Example(
            "names that differ by case",
            {"model.safetensors": {"w": ("F32", [2]), "W": ("F32", [2])}},
            near_miss=True,
        ),
        Example(
            "the same name once for a tensor and once in the metadata",
            {"model.safetensors": {"__metadata__": {"w": "1"}, "w": ("F32", [2])}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, header in facts.all_of(SafetensorsFacts):
            names = list(dict.fromkeys(name for name, _ in header.shadowed))
            if not names:
                continue
            hidden = next(tensor for name, tensor in header.shadowed if name == names[0])
            kept = header.tensors[names[0]]
            others = f" (the first of {len(names)} such names)" if len(names) > 1 else ""
            message = (
                f"this name comes more than once{others}: the library takes {kept.described}, not {hidden.described}"
            )
            yield self.finding(At(path, tensor=names[0]), message)
