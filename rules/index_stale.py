"""The weight index is left over from another save: it names a set of shards of another size.

## What it finds
The index that the loader opens names shards `-of-00004` that do not exist, while the folder holds shards of the same
name `-of-00002`. One finding, at the first entry: what is wrong is the index, and not each of the shards.

## Why it matters
transformers 5.23.0 opens what the index names and stops with `FileNotFoundError: No such file or directory:
.../model-00001-of-00004.safetensors`, and the user looks for a download that failed. An index of 30 shards beside 15:
https://github.com/Neph0s/CoSER/issues/3 . Repositories that were quantised again under an old index:
https://github.com/Blaizzy/mlx-vlm/pull/1827 .

## How to put it right
Replace the index with the one that was saved together with these shards; `save_pretrained` writes both.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexStale(Rule):
    id = "IDX003"
    name = "index-stale"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Replace the index with the one that was saved together with these shards."
    bad = (
        Example(
            "an index of four shards beside two",
            {
                INDEX: {
                    "metadata": {},
                    "weight_map": {
                        "a": "model-00001-of-00004.safetensors",
                        "b": "model-00003-of-00004.safetensors",
                    },
                },
                ONE: {"a": F16},
                TWO: {"b": F16},
            },
            at=(At(INDEX, "/weight_map/a"),),
        ),
        Example(
            "the same of shards that are no safetensors",
            {
                "pytorch_model.bin.index.json": {
                    "metadata": {},
                    "weight_map": {"a": "pytorch_model-00001-of-00003.bin"},
                },
                "pytorch_model-00001-of-00002.bin": b"\x80\x02}",
            },
            at=(At("pytorch_model.bin.index.json", "/weight_map/a"),),
        ),
    )
    good = (
        Example(
            "a shard of the set that is here was lost: IDX001 says so",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"a": F16}},
            near_miss=True,
        ),
        Example(
            "numbers and total count from zero",
            {
                INDEX: {
                    "metadata": {},
                    "weight_map": {
                        "a": "model-00000-of-00001.safetensors",
                        "b": "model-00001-of-00001.safetensors",
                    },
                },
                "model-00000-of-00001.safetensors": {"a": F16},
                "model-00001-of-00001.safetensors": {"b": F16},
            },
            near_miss=True,
        ),
        Example(
            "shards of another total were left behind, the index is new",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE}},
                ONE: {"a": F16},
                "model-00001-of-00004.safetensors": {"a": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.index is None:
            return
        missing = facts.missing_shards(facts.index)
        stale = [shard for shard in missing if not facts.same_but_case(shard) and facts.other_shard_set(shard)]
        if not stale:
            return
        name = layout.shard_name(stale[0])
        own = (name.stem, name.suffix) if name is not None else ("", "")
        totals = sorted(total for stem, total, suffix in facts.shard_sets if (stem, suffix) == own)
        here = " and ".join(f"`-of-{total:05}`" for total in totals[:3])
        more = "" if len(stale) == 1 else f" and {len(stale) - 1} more of its set"
        yield self.finding(
            At(facts.index.path, pointer("weight_map", missing[stale[0]][0])),
            f"the index names {quote(stale[0])}{more}, and the shards in this folder are {here}",
        )
