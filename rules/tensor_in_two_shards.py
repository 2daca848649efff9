"""Two files that the loader opens store a tensor of the same name.

## What it finds
A name that is in two shards of the index that the loader opens. One finding for each file that stores
copies, at the first tensor: the file that the map does not name for it, or the later one.

## Why it matters
transformers 5.23.0 opens the shards in order of their names and merges what they store: the copy in the later file
wins, without a word and whatever the map says. Others win elsewhere. Superseded tensors in a shard that was kept have
loaded over the new ones: https://github.com/syv-ai/qwen38-27b-rtx3090/pull/123 .

## How to put it right
Save the shard without the tensors that are stored elsewhere, or save the model again.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.shards import copies

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class TensorInTwoShards(Rule):
    id = "IDX009"
    name = "tensor-in-two-shards"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the shard without the tensors that are stored elsewhere."
    bad = (
        Example(
            "the second shard stores a tensor that is mapped to the first, and wins",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"a": F16},
                TWO: {"a": F16, "b": F16},
            },
            at=(At(TWO, tensor="a"),),
        ),
        Example(
            "the first shard stores what is left of two tensors of the second",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO, "c": TWO}},
                ONE: {"a": F16, "b": ("I8", [6]), "c": ("I8", [6])},
                TWO: {"b": F16, "c": F16},
            },
            at=(At(ONE, tensor="b"),),
        ),
    )
    good = (
        Example(
            "the same name in a leftover that the index does not name",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}, "old.safetensors": {"a": F16}},
            near_miss=True,
        ),
        Example(
            "two entries lead to one file",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": f"./{ONE}"}}, ONE: {"a": F16, "b": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.index is None:
            return
        stray: dict[str, list[tuple[str, str]]] = {}
        for tensor, paths in copies(facts.loaded_headers).items():
            mapped = facts.index.shard_path(facts.index.facts.weight_map.get(tensor, ""))
            here = next(path for path in paths if path != mapped) if mapped in paths else paths[-1]
            stray.setdefault(here, []).append((tensor, paths[-1]))
        for path, tensors in stray.items():
            tensor, winner = tensors[0]
            first = "" if len(tensors) == 1 else f", the first of {len(tensors)},"
            wins = "this copy wins" if winner == path else f"the copy in {quote(winner)} wins"
            yield self.finding(
                At(path, tensor=tensor),
                f"the tensor {quote(tensor)}{first} is stored in two shards: in transformers {wins}",
            )
