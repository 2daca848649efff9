"""A weight index that the loader does not open is left in the folder.

## What it finds
An index beside the single file or the other format that the loader takes, and an index of a variant, whose shards are
not all there. One finding for each, at the first tensor of a missing shard. Where an index stands beside the single
file and all of its shards are there, they are a second copy of the model: a note, unless IDX012 says that they
differ.

## Why it matters
transformers 5.23.0 takes `model.safetensors` and never opens the index, so the model loads. Engines that look for the
index first want the shards: diffusers stops with `FileNotFoundError` where an old index survived a save,
https://github.com/huggingface/diffusers/issues/14769 . The index of a variant is opened for `variant="fp16"` alone,
and then its shards are missing.

## How to put it right
Remove the index, or upload its shards.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule
from hfcheck.weights import Index

INDEX, BIN_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"
FP16_INDEX = "model.safetensors.index.fp16.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])
MAP = {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}


class IndexLeftover(Rule):
    id = "IDX014"
    name = "index-leftover"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Remove the index, or upload the shards that it names."
    bad = (
        Example(
            "an index beside the single file",
            {"model.safetensors": {"a": F16, "b": F16}, INDEX: MAP, ONE: {"a": F16}},
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example(
            "an index of .bin files beside safetensors",
            {
                "model.safetensors": {"a": F16},
                BIN_INDEX: {"metadata": {}, "weight_map": {"a": "pytorch_model-00001-of-00001.bin"}},
            },
            at=(At(BIN_INDEX, "/weight_map/a"),),
        ),
        Example(
            "the index of a variant that was not uploaded",
            {"model.safetensors": {"a": F16}, FP16_INDEX: MAP},
            at=(At(FP16_INDEX, "/weight_map/a"),),
        ),
        Example(
            "a second copy of the model, as shards: a note",
            {"model.safetensors": {"a": F16, "b": F16}, INDEX: MAP, ONE: {"a": F16}, TWO: {"b": F16}},
            at=(At(INDEX),),
        ),
    )
    good = (
        Example(
            "the index of a single file, as mlx writes it",
            {"model.safetensors": {"a": F16}, INDEX: {"metadata": {}, "weight_map": {"a": "model.safetensors"}}},
            near_miss=True,
        ),
        Example("an index that the loader opens", {INDEX: MAP, ONE: {"a": F16}}, near_miss=True),
        Example(
            "the index of a variant with its shards",
            {"model.safetensors": {"a": F16}, FP16_INDEX: MAP, ONE: {"a": F16}, TWO: Pointer(4096)},
            near_miss=True,
        ),
        Example(
            "an index that another library looks for",
            {"model.safetensors": {"a": F16}, "unet.safetensors.index.json": MAP},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for index in facts.indexes:
            if index.path == facts.opened or index.name.stem not in layout.LOADED_STEMS:
                continue
            missing = facts.missing_shards(index)
            if missing:
                shard, tensors = next(iter(missing.items()))
                first = "" if len(missing) == 1 else f", the first of {len(missing)},"
                message = f"{_reason(facts, index)}, and its shard {quote(shard)}{first} is missing"
                yield self.finding(At(index.path, pointer("weight_map", tensors[0])), message)
            elif _copies(facts, index):
                message = f"{_reason(facts, index)}; its shards are a second copy, and the bytes were not compared"
                yield self.finding(At(index.path), message, severity=Severity.NOTE, hint="Keep one of the two copies.")


def _copies(facts: Facts, index: Index) -> bool:
    """Whether the shards of an index are what the single file beside it is, as far as their headers tell."""
    shards = index.tensors_by_shard()
    beside = facts.opened == facts.inside(index.name.single)
    # mlx writes an index for a single file too, whose only shard is that file.
    return beside and shards.keys() - {facts.opened} != set() and index.followed and facts.disagreement is None


def _reason(facts: Facts, index: Index) -> str:
    if index.name.variant is not None:
        return "this index is opened only by who asks for the variant " + quote(index.name.variant)
    if facts.opened is None:
        return "this index has a name that no loader looks for"
    return f"the loader takes {quote(facts.opened)} and never opens this index"
