"""A shard that the weight index names is there under another case.

## What it finds
The index that the loader opens names a file that differs from one in the repository in upper and lower case alone.
One finding for each shard, at the first tensor that needs it.

## Why it matters
The file systems of macOS and Windows take the one name for the other, so the author never sees a fault. On Linux, and
on the Hub, transformers 5.23.0 stops with `FileNotFoundError: No such file or directory:
.../Model-00001-of-00002.safetensors`.

## How to put it right
Rename the file, or write the index with the name that the file has. On a file system that does not tell the two
apart, `git mv --force` renames it.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexShardCase(Rule):
    id = "IDX004"
    name = "index-shard-case"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Rename the file, or write its name into the index as it is."
    bad = (
        Example(
            "the index says Model, the file is called model",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": "Model-00002-of-00002.safetensors"}},
                ONE: {"a": F16},
                TWO: {"b": F16},
            },
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example(
            "the folder of the shard is written otherwise",
            {INDEX: {"metadata": {}, "weight_map": {"a": "Part/a.safetensors"}}, "part/a.safetensors": {"a": F16}},
            at=(At(INDEX, "/weight_map/a"),),
        ),
    )
    good = (
        Example(
            "a name in capitals, and so is the file",
            {INDEX: {"metadata": {}, "weight_map": {"a": "MODEL.safetensors"}}, "MODEL.safetensors": {"a": F16}},
            near_miss=True,
        ),
        Example(
            "two files that differ in case, each named as it is",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": "a.safetensors", "b": "A.safetensors"}},
                "a.safetensors": {"a": F16},
                "A.safetensors": {"b": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.index is None:
            return
        for shard, tensors in facts.missing_shards(facts.index).items():
            there = facts.same_but_case(shard)
            if there is not None:
                yield self.finding(
                    At(facts.index.path, pointer("weight_map", tensors[0])),
                    f"the index names {quote(shard)}, and the file is called {quote(there)}",
                )
