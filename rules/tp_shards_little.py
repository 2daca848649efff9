"""The parallel plan of the class divides less than half of the weights.

## What it finds
`--tp` or `--ep` for a class whose plan leaves most of the bytes whole on every rank.

## Why it matters
A group of processes is asked for because a model is too large for one device, and here it hardly gets smaller. The plan
of `GptOssForCausalLM` in transformers 5.23.0 names `lm_head` alone: with `--tp 8` every process holds all experts, and
runs out of memory where a plan by layers would have fitted. Nothing warns of it but a list of layers in the log.

## How to put it right
Add the expert parallel plan where there is one (`--tp 8 --ep 8`), or load with a device map.
"""

from collections.abc import Iterator

from hfcheck.example_models import (
    GPT_OSS,
    QWEN3_MOE,
    gpt_oss_tensors,
    llama_of_heads,
    qwen3_moe_tensors,
    repository,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

GPUS = devices(["0-1=80GiB"])
MODEL = repository(GPT_OSS, gpt_oss_tensors())


class TpShardsLittle(Rule):
    id = "DEV043"
    name = "tp-shards-little"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Load it with a device map instead."
    bad = (Example("gpt-oss: the head alone", MODEL, at=(At("config.json"),), target=Target(GPUS, tp=2)),)
    good = (
        Example("all of Llama but its norms", llama_of_heads(4, 2), target=Target(GPUS, tp=2)),
        Example("gpt-oss with its experts divided", MODEL, near_miss=True, target=Target(GPUS, tp=2, ep=2)),
        Example(
            "experts that the tensor parallel plan cuts",
            repository(QWEN3_MOE, qwen3_moe_tensors()),
            near_miss=True,
            target=Target(GPUS, tp=2),
        ),
        Example("gpt-oss in stages", MODEL, near_miss=True, target=Target(GPUS, pp=2)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "shards-little"):
            yield self.finding(at, fault.message, hint=fault.hint)
