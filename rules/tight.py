"""A device may have too little memory: it depends on what is estimated.

## What it finds
A device whose memory is enough for all that is known to the byte, and not for the high end of what is estimated beside
it: the activations of one pass over the prompt, logits, masks, a copy of keys and values while they grow, what the
driver takes for itself, and the rounding of the allocator. One finding for each device, with all terms.

## Why it matters
The model loads, and a long prompt ends in `torch.OutOfMemoryError`, or not: it depends on kernels and versions. Such a
load works on one machine and fails on the next: https://github.com/huggingface/accelerate/issues/608 .

## How to put it right
Leave more room, or make sure by a test with the longest prompt and the largest batch that are meant to work.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.memory_wording import needs
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors())
EVERYTHING = {"": 0}


class Tight(Rule):
    id = "DEV002"
    name = "tight"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Leave more room, or test it with the longest prompt and the largest batch that are meant to work."
    bad = (
        Example(
            "no room for the driver",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=10MiB"]), explicit=EVERYTHING),
        ),
        Example(
            "no room for a mask",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1GiB"]), explicit=EVERYTHING, batch=400),
        ),
    )
    good = (
        Example("room for everything", MODEL, target=Target(devices(["0=2GiB"]), explicit=EVERYTHING)),
        Example(
            "too small in any case: DEV001 says so",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1KB"]), explicit=EVERYTHING),
        ),
        Example(
            "nothing is computed on the device",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=2GiB", "cpu=1MiB"]), explicit={"model": 0, "lm_head": "cpu"}),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or facts.opened is None:
            return
        for use in run.devices:
            if use.fit == "tight":
                yield self.finding(At(facts.opened), needs(use))
