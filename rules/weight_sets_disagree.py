"""Two sets of weights in one folder are not the same model.

## What it finds
The weights that the loader opens, and others beside them that engines take by a pattern: `model.safetensors` and
numbered shards, with or without an index, or shards of two totals, and the same of `pytorch_model*.bin`. It compares
names, dtypes and shapes of their tensors. One finding, at the single file where there is one. A head that a tied model
need not store is no difference, and so are variants, `consolidated` files and files of other names.

## Why it matters
Each loader opens another model. transformers 5.23.0 takes `model.safetensors` and never looks at the index, diffusers
0.42 takes the index, vLLM the files of the index where there is one, and engines that list `model*.safetensors` merge
both: a stray file of 4-bit weights beside shards in bfloat16 gave a shape mismatch on load,
https://github.com/Blaizzy/mlx-vlm/pull/1464 .

## How to put it right
Keep one of the two and remove the other, with its index.
"""

from collections.abc import Iterator

from hfcheck.example import Pointer, TorchZip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.shards import WeightSet

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16, F32 = ("F16", [2, 3]), ("F32", [2, 3])
SHARDS = {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"a": F16}, TWO: {"b": F16}}


class WeightSetsDisagree(Rule):
    id = "IDX012"
    name = "weight-sets-disagree"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Keep one set of weights and remove the other, with its index."
    bad = (
        Example(
            "a stray file of another dtype beside the shards",
            {**SHARDS, "model.safetensors": {"a": F32, "b": F32}},
            at=(At("model.safetensors", tensor="a"),),
        ),
        Example(
            "a single file that lacks a tensor of the shards, which no index names",
            {"model.safetensors": {"a": F16}, ONE: {"a": F16}, TWO: {"b": F16}},
            at=(At("model.safetensors"),),
        ),
        Example(
            "a component of diffusers, which takes the shards",
            {
                "unet/config.json": {"_class_name": "UNet2DConditionModel"},
                "unet/diffusion_pytorch_model.safetensors.index.json": {
                    "metadata": {},
                    "weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"},
                },
                "unet/diffusion_pytorch_model-00001-of-00001.safetensors": {"a": F16},
                "unet/diffusion_pytorch_model.safetensors": {"a": ("F16", [4, 3])},
            },
            at=(At("unet/diffusion_pytorch_model.safetensors", tensor="a"),),
        ),
        Example(
            "a .bin beside shards",
            {
                "pytorch_model.bin": TorchZip({"a": F32}),
                "pytorch_model-00001-of-00001.bin": TorchZip({"a": F16}),
            },
            at=(At("pytorch_model.bin", tensor="a"),),
        ),
        Example(
            "shards that were left over from a save in four",
            {**SHARDS, "model-00003-of-00004.safetensors": {"b": F32}},
            at=(At("model-00003-of-00004.safetensors", tensor="b"),),
        ),
    )
    good = (
        Example("the same tensors twice", {**SHARDS, "model.safetensors": {"a": F16, "b": F16}}, near_miss=True),
        Example("a variant in another precision", {**SHARDS, "model.fp16.safetensors": {"a": F32}}, near_miss=True),
        Example("the original layout beside it", {**SHARDS, "consolidated.safetensors": {"tok": F32}}, near_miss=True),
        Example(
            "a head that one of the two leaves to the embedding",
            {
                "model.safetensors": {"model.embed_tokens.weight": F16},
                ONE: {"model.embed_tokens.weight": F16},
                TWO: {"lm_head.weight": F16},
            },
            near_miss=True,
        ),
        Example(
            "shards that were not fetched: what they store is not known",
            {**SHARDS, TWO: Pointer(4096), "model.safetensors": {"a": F32, "b": F32}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.disagreement is None or facts.opened is None:
            return
        loaded, other, tensors = facts.disagreement.loaded, facts.disagreement.other, facts.disagreement.tensors
        # At the single file if one of the two is: it is the one that was forgotten, as a rule.
        here, there = (loaded, other) if loaded.single else (other, loaded)
        tensor = tensors[0]
        path = next((path for path in here.paths if facts.stores(path, tensor)), here.paths[0])
        rival = next((path for path in there.paths if facts.stores(path, tensor)), there.paths[0])
        more = "" if len(tensors) == 1 else f", and {len(tensors) - 1} more differ"
        compared = f"{quote(tensor)} is {_described(here, tensor)} here and {_described(there, tensor)} there{more}"
        yield self.finding(
            At(path, tensor=tensor if facts.stores(path, tensor) else None),
            f"this file and {quote(rival)} are not of one model: {compared}; the loader opens {quote(facts.opened)}",
        )


def _described(weights: WeightSet, tensor: str) -> str:
    stored = (weights.tensors or {}).get(tensor)
    return stored.described if stored is not None else "absent"
