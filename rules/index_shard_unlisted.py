"""A shard of the set is here, and the weight index maps nothing to it.

## What it finds
A file that is numbered into the same set as those the index names, `model-00002-of-00002.safetensors` beside a map
that speaks of the first alone. One finding for all such files, at the first. It is a warning where all its tensors
are in the listed shards too, and nothing where it stores none.

## Why it matters
transformers 5.23.0 opens the files that the index names and no others. The tensors of this one are initialised at
random, with a report and exit code 0, while the model looks complete: https://github.com/unslothai/unsloth/pull/7375
.

## How to put it right
Replace the index with the one that was saved together with the shards, or write it again from the names in them. If
the file does not belong to the model, take it away.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexShardUnlisted(Rule):
    id = "IDX008"
    name = "index-shard-unlisted"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the index again from the names in all shards, or take the file away if it is no part of the model."
    bad = (
        Example(
            "the second of two shards",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}, TWO: {"b": F16}},
            at=(At(TWO),),
        ),
        Example(
            "two of three, whatever they hold",
            {
                "pytorch_model.bin.index.json": {
                    "metadata": {},
                    "weight_map": {"a": "pytorch_model-00002-of-00003.bin"},
                },
                **{f"pytorch_model-0000{number}-of-00003.bin": b"\x80\x02}" for number in (1, 2, 3)},
            },
            at=(At("pytorch_model-00001-of-00003.bin"),),
        ),
        Example(
            "all its tensors are in the listed shard too: a warning",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}, TWO: {"a": F16}},
            at=(At(TWO),),
        ),
    )
    good = (
        Example(
            "a shard without tensors",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}, TWO: {}},
            near_miss=True,
        ),
        Example(
            "a shard of another set",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE}},
                ONE: {"a": F16},
                "consolidated-00002-of-00002.safetensors": {"b": F16},
            },
            near_miss=True,
        ),
        Example(
            "the index writes the number with fewer zeros: IDX001 says so",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": "model-2-of-2.safetensors"}},
                ONE: {"a": F16},
                TWO: {"b": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if not facts.unlisted_shards or facts.index is None:
            return
        listed = {tensor for header in facts.loaded_headers.values() for tensor in header.tensors}
        if facts.comparison is None:  # what a pointer stores is not known, and taken to be what the map says
            listed.update(facts.index.facts.weight_map)
        headers = ((path, facts.header(path)) for path in facts.unlisted_shards)
        unlisted = [(path, header) for path, header in headers if header is None or header.tensors]
        if not unlisted:
            return
        lost = [path for path, header in unlisted if header is None or header.tensors.keys() - listed]
        path = (lost or [path for path, _ in unlisted])[0]
        first = "" if len(unlisted) == 1 else f", the first of {len(unlisted)}"
        reason = "so that no loader opens it" if lost else "and the others store all that is in it"
        yield self.finding(
            At(path),
            f"the index maps nothing to this shard{first}, {reason}",
            severity=None if lost else Severity.WARNING,
        )
