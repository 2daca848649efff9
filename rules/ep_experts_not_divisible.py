"""The experts are not divisible by the size of the expert parallel group.

## What it finds
`--ep N` and a layer whose number of experts N does not divide.

## Why it matters
transformers 5.23.0 gives each rank the same number of experts, and stops before it reads a weight:
`ValueError: Cannot evenly shard 6 experts across 4 expert-parallel ranks.`

## How to put it right
Take a size that divides the number of experts.
"""

from collections.abc import Iterator

from hfcheck.example_models import QWEN3_MOE, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

GPUS = devices(["0-7=80GiB"])
MODEL = repository(QWEN3_MOE, qwen3_moe_tensors(), num_key_value_heads=1)


class EpExpertsNotDivisible(Rule):
    id = "DEV045"
    name = "ep-experts-not-divisible"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take a size that divides the number of experts."
    bad = (
        Example(
            "2 experts for 4 processes",
            MODEL,
            at=(At("config.json", pointer="/num_experts"),),
            target=Target(GPUS, tp=4, ep=4),
        ),
        Example(
            "2 experts for 3 processes",
            MODEL,
            at=(At("config.json", pointer="/num_experts"),),
            target=Target(GPUS, tp=3, ep=3),
        ),
    )
    good = (
        Example("2 experts for 2 processes", MODEL, target=Target(GPUS, tp=2, ep=2)),
        Example("each of 3 processes has a part of every expert", MODEL, near_miss=True, target=Target(GPUS, tp=3)),
        Example("one of the two is in each stage of a pipeline", MODEL, near_miss=True, target=Target(GPUS, pp=2)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "experts"):
            yield self.finding(at, fault.message, hint=fault.hint)
