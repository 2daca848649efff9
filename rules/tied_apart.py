"""Tied parameters are on different devices.

## What it finds
Parameters that are one tensor, such as the embeddings and the head of a tied model, and that the device map sends to
two devices, be it computed or written by hand. One finding for each tensor.

## Why it matters
Apart, the tensor needs room on both devices: the hooks of accelerate 1.15.0 put a copy on each (`tied_params_map` in
`dispatch_model`). It only logs `Tied parameters are on different devices: {...}. Please modify your custom device map
or set device_map='auto'.`, and transformers 5.23.0 does not look at a map that it is given.

## How to put it right
Give both modules the same device.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.map_places import map_of, names, tensor_place
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

UNTIED = repository(LLAMA, llama_tensors())
TIED = repository(LLAMA, without(llama_tensors(), "lm_head"), tie_word_embeddings=True)
TWO = devices(["0-1=1GiB", "cpu=1GiB", "disk"])
EMBEDDING = At("model.safetensors", tensor="model.embed_tokens.weight")


class TiedApart(Rule):
    id = "DEV013"
    name = "tied-apart"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Give the modules of both the same device."
    bad = (
        Example(
            "embeddings and head of a tied model",
            TIED,
            at=(EMBEDDING,),
            target=Target(TWO, explicit={"model": 0, "lm_head": 1}),
        ),
        Example(
            "the head of a tied model on the CPU, under accelerate",
            TIED,
            at=(EMBEDDING,),
            target=Target(TWO, explicit={"": 0, "lm_head": "cpu"}, dialect="accelerate"),
        ),
    )
    good = (
        Example("together", TIED, target=Target(TWO, explicit={"": 0})),
        Example(
            "together, with the layers between them elsewhere",
            TIED,
            near_miss=True,
            target=Target(TWO, explicit={"model.embed_tokens": 0, "model": 1, "lm_head": 0}),
        ),
        Example(
            "a model that is not tied",
            UNTIED,
            near_miss=True,
            target=Target(TWO, explicit={"model": 0, "lm_head": 1}),
        ),
        Example("as it is planned", TIED, near_miss=True, target=Target(TWO)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        for group in lookup.apart if lookup is not None else ():
            places = ", ".join(f"{names([name])} on {lookup.devices[name]}" for name in group[:3]) if lookup else ""
            weights = [lookup.model.weights[name] for name in group] if lookup else []
            message = f"the device map parts tied parameters, which are one tensor: {places}"
            yield self.finding(tensor_place(facts, weights), message)
