"""Tensors of the model lie under no key of the device map.

## What it finds
A device map that was written by hand and that gives no device to some parameters or buffers: no key is their name or a
module around them, and there is no key `""`. One finding for the map, at the first of these tensors. Buffers that are
in no file are a warning of their own.

## Why it matters
accelerate 1.15.0 reads shard after shard until it meets such a tensor and stops: `ValueError: lm_head.weight doesn't
have any device set.` transformers 5.23.0 puts it on the CPU. With two devices in the map, or a disk, it reads all
weights first and stops then: `ValueError: The device_map provided does not give any device for the following
parameters: lm_head.weight`. With one device it says nothing, and what is on the CPU comes to light later, if at all:
https://github.com/huggingface/accelerate/issues/4014 .

## How to put it right
Add a key for each module that is named, or a key `""` for all the rest.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place, map_of, names, tensor_place
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.lookup import Lookup

MODEL = repository(LLAMA, llama_tensors())
TWO = devices(["0-1=1GiB", "cpu=1GiB"])
HEAD = At("model.safetensors", tensor="lm_head.weight")
WHOLE = {"model": 0, "lm_head": 1}
PARTS = {"model.embed_tokens": 0, "model.layers": 0, "model.norm": 1, "lm_head": 1}


class MapUncovered(Rule):
    id = "DEV010"
    name = "map-uncovered"
    severity = Severity.ERROR
    since = "0.1"
    hint = 'Add a key for each of them to the device map, or a key "" for all the rest.'
    bad = (
        Example(
            "the head is forgotten, and transformers leaves it on the CPU without a word",
            MODEL,
            at=(HEAD,),
            target=Target(TWO, explicit={"model": 0}),
        ),
        Example(
            "two devices and no key for the head: transformers stops when all is read",
            MODEL,
            at=(HEAD,),
            target=Target(TWO, explicit={"model.embed_tokens": 0, "model.layers": 1, "model.norm": 1, "model": 1}),
        ),
        Example(
            "accelerate stops at the shard of the head",
            MODEL,
            at=(HEAD,),
            target=Target(TWO, explicit={"model": 0}, dialect="accelerate"),
        ),
        Example(
            "layers 0 to 1 of 2, one by one, but neither norm nor embeddings",
            MODEL,
            at=(At("model.safetensors", tensor="model.embed_tokens.weight"), At("config.json")),
            target=Target(TWO, explicit={"model.layers.0": 0, "model.layers.1": 1, "lm_head": 1}),
        ),
        Example(
            "every tensor of the files has a device, and a buffer that is in none of them has not: a warning",
            MODEL,
            at=(At("config.json"),),
            target=Target(TWO, explicit=PARTS),
        ),
    )
    good = (
        Example("two keys for everything", MODEL, target=Target(TWO, explicit=WHOLE)),
        Example("a key for the rest", MODEL, near_miss=True, target=Target(TWO, explicit={"lm_head": 0, "": 1})),
        Example(
            "keys that are names of parameters: the loader warns, and they count",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": 0, "lm_head.weight": 1}),
        ),
        Example(
            "the head of a tied model has no key: it is no module without one",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"": 0}, dialect="accelerate"),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None or lookup.is_computed:
            return
        if lookup.gaps:
            message = (
                f"the device map has no key for {names(lookup.gaps)}, {len(lookup.uncovered)} of"
                f" {len(lookup.owners)} tensors: {_outcome(lookup)}"
            )
            severity = None if lookup.model.exact else Severity.WARNING
            hint = f'Add a key for {quote(lookup.gaps[0])} to the device map, or a key "" for all the rest.'
            yield self.finding(tensor_place(facts, lookup.uncovered), message, hint=hint, severity=severity)
        if lookup.dropped:
            buffers = names([weight.name for weight in lookup.dropped])
            message = (
                f"the device map has no key for {buffers}, buffers that are in no file: they stay on the CPU, and a"
                " module that runs elsewhere may stop at them"
            )
            yield self.finding(config_place(facts), message, severity=Severity.WARNING)


def _outcome(lookup: "Lookup") -> str:
    if lookup.target.dialect == "accelerate":
        return "accelerate stops with ValueError when it comes to the file of the first one"
    if lookup.stops:
        return "transformers reads all weights and stops with ValueError then"
    return "transformers puts them on the CPU without a word"
