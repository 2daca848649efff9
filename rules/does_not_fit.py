"""A device has too little memory for what is placed on it.

## What it finds
A device of the target whose memory is smaller than what is known to the byte: weights, buffers, keys and values of the
context, the largest module that visits it from cpu or disk, and what one pass over the prompt must hold at least. Also
one that the device map names and nobody listed. One finding for each device, with all terms. Where a context was asked
for and a shorter one would fit, DEV005 says so instead.

## Why it matters
The load, or the first prompt, ends in `torch.OutOfMemoryError`. The planners of transformers 5.23.0 and accelerate
1.15.0 look at the weights alone: https://github.com/huggingface/accelerate/issues/608 . Sizes that are estimated from
the number of parameters are wrong by a factor of two: https://github.com/huggingface/accelerate/issues/3379 .

## How to put it right
Take a larger device or one more, a smaller type or batch, or let a part lie on cpu or disk.
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


class DoesNotFit(Rule):
    id = "DEV001"
    name = "does-not-fit"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take a larger device or one more, a smaller type or batch, or let a part lie on cpu or disk."
    bad = (
        Example(
            "a device of a thousand bytes",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1KB"]), explicit=EVERYTHING),
        ),
        Example(
            "the map names a device that nobody listed",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1GiB"]), explicit={"model": 0, "lm_head": 1}),
        ),
        Example(
            "the weights fit, and not the keys and values of so many sequences",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1GiB"]), explicit=EVERYTHING, batch=100_000),
        ),
    )
    good = (
        Example("a device of 1 GiB", MODEL, target=Target(devices(["0=1GiB"]))),
        Example(
            "disk has no size: it takes anything",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1GiB", "disk"]), explicit={"model": 0, "lm_head": "disk"}),
        ),
        Example(
            "it may be too small for what is estimated: DEV002 says so",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=10MiB"]), explicit=EVERYTHING),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or facts.opened is None:
            return
        for use in run.devices:
            if use.fit == "does-not-fit" and not run.is_too_long:
                yield self.finding(At(facts.opened), needs(use))
