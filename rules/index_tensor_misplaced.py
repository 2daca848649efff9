"""The weight index maps a tensor to one shard, and another of its shards stores it.

## What it finds
Tensors of the `weight_map` that are not in the file it names, and are in another one of the same index. One finding
for all of them, at the first.

## Why it matters
transformers 5.23.0 opens all shards and takes the names from them, so it loads. Whoever looks a tensor up
does not find it: with a layer on disk (`device_map={..., "lm_head": "disk"}`) the first forward pass ends in
`SafetensorError: File does not contain tensor lm_head.weight`. So it goes for everybody who reads single tensors by
the map.

## How to put it right
Write the index again from the names in the shards; `save_pretrained` writes both.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexTensorMisplaced(Rule):
    id = "IDX006"
    name = "index-tensor-misplaced"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the index again from the names in the shards."
    bad = (
        Example(
            "a tensor is in the first shard and mapped to the second",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO, "c": TWO}},
                ONE: {"a": F16, "b": F16},
                TWO: {"c": F16},
            },
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example(
            "two shards were exchanged: one finding",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"b": F16}, TWO: {"a": F16}},
            at=(At(INDEX, "/weight_map/a"),),
        ),
    )
    good = (
        Example(
            "the order of the map is not the order of the files",
            {INDEX: {"metadata": {}, "weight_map": {"b": TWO, "a": ONE}}, ONE: {"a": F16}, TWO: {"b": F16}},
            near_miss=True,
        ),
        Example(
            "a tensor is where the map says and in another shard as well: IDX009 says so",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"a": F16, "b": F16},
                TWO: {"b": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.index is None or facts.comparison is None or not facts.comparison.misplaced:
            return
        misplaced = facts.comparison.misplaced
        tensor, shard = misplaced[0]
        first = "" if len(misplaced) == 1 else f", the first of {len(misplaced)},"
        yield self.finding(
            At(facts.index.path, pointer("weight_map", tensor)),
            f"the tensor {quote(tensor)}{first} is in {quote(shard)} and not in the shard named here",
        )
