"""The attention heads are not divisible by the size of the tensor parallel group.

## What it finds
`--tp N` and a number of attention heads that N does not divide: of a model whose plan cuts the projections of its
queries, or of any model for engines that divide all heads. A vision tower or an audio encoder is judged by its own plan
and its own heads.

## Why it matters
transformers 5.23.0 cuts a projection into N equal shares of rows and loads. The first forward reads a share as whole
heads and stops with `RuntimeError: shape '[1, 5, -1, 16]' is invalid for input of size 120`. vLLM stops at start with
`ValueError: Total number of attention heads (52) must be divisible by tensor parallel size (8)`:
https://github.com/vllm-project/vllm/issues/2652 , https://github.com/vllm-project/vllm/issues/11797 . Schedulers have
planned such groups: https://github.com/gpustack/gpustack/issues/885 . Where the plan of the class gathers the whole
output (phi3, olmo2) or does not cut attention (gpt_oss), transformers computes, and the finding is a warning.

## How to put it right
Take a size that divides the heads and the key-value heads, or divide the layers between stages instead (`--pp`).
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_of_heads, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults, severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

CODE = {"AutoConfig": "chatty.ChattyConfig", "AutoModelForCausalLM": "chatty.ChattyForCausalLM"}
GPUS = devices(["0-7=80GiB"])
POINTER = "/num_attention_heads"
HEADS = At("config.json", pointer=POINTER)


class TpHeadsNotDivisible(Rule):
    id = "DEV040"
    name = "tp-heads-not-divisible"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take a tp that divides the heads and the key-value heads."
    bad = (
        Example("28 heads for 8 processes", llama_of_heads(28, 28), at=(HEADS,), target=Target(GPUS, tp=8)),
        Example("3 heads for 2 processes", llama_of_heads(3, 3), at=(HEADS,), target=Target(GPUS, tp=2)),
        Example(
            "a class that hfcheck does not know, and vLLM would refuse: a warning",
            repository(LLAMA, llama_tensors(), model_type="chatty", auto_map=CODE),
            at=(HEADS,),
            target=Target(GPUS, tp=4),
        ),
    )
    good = (
        Example("4 heads for 2 processes", llama_of_heads(4, 4), target=Target(GPUS, tp=2)),
        Example("28 heads for 4", llama_of_heads(28, 28), near_miss=True, target=Target(GPUS, tp=4)),
        Example("28 heads for 7", llama_of_heads(28, 28), near_miss=True, target=Target(GPUS, tp=7)),
        Example("3 heads, and 2 stages of a pipeline", llama_of_heads(3, 3), near_miss=True, target=Target(GPUS, pp=2)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "heads"):
            yield self.finding(at, fault.message, hint=fault.hint, severity=severity(fault))
