"""A shard stores tensors that the weight index does not name.

## What it finds
Tensors in a listed shard that are not in the `weight_map`. One finding for all of them, at the first.

## Why it matters
Who opens the whole file, as transformers 5.23.0 does, loads them; who follows the map never sees them. diffusers 0.42
takes the names it expects from the map and reports them as missing. Superseded tensors that were left in a shard have
taken the place of the right ones: https://github.com/syv-ai/qwen38-27b-rtx3090/pull/123 .

## How to put it right
Name the tensors in the index if they belong to the model. If they do not, save the shard without them.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexTensorUnmapped(Rule):
    id = "IDX007"
    name = "index-tensor-unmapped"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Name the tensors in the index, or save the shard without them."
    bad = (
        Example(
            "an extra tensor in the second shard",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"a": F16},
                TWO: {"b": F16, "mtp.fc.weight": F16},
            },
            at=(At(TWO, tensor="mtp.fc.weight"),),
        ),
        Example(
            "extra tensors in both shards: one finding",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"a": F16, "old.a": F16},
                TWO: {"b": F16, "old.b": F16},
            },
            at=(At(ONE, tensor="old.a"),),
        ),
    )
    good = (
        Example(
            "a single file without an index",
            {"model.safetensors": {"a": F16, "b": F16}},
            near_miss=True,
        ),
        Example(
            "a tensor that is mapped to the other shard: IDX006 says so",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": ONE}}, ONE: {"a": F16, "b": F16}, TWO: {}},
            near_miss=True,
        ),
        Example(
            "the names in the index are those from before the model was quantised: IDX005 says so",
            {INDEX: {"metadata": {}, "weight_map": {"a.weight": ONE}}, ONE: {"a.weight_packed": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.comparison is None or not facts.comparison.unmapped:
            return
        unmapped = facts.comparison.unmapped
        path, tensor = unmapped[0]
        first = "" if len(unmapped) == 1 else f", the first of {len(unmapped)} that the shards store"
        yield self.finding(At(path, tensor=tensor), f"the index does not name the tensor {quote(tensor)}{first}")
