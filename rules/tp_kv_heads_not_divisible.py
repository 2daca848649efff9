"""The key-value heads are not divisible by the size of the tensor parallel group.

## What it finds
`--tp N` and a number of key-value heads that N does not divide, where the plan of the class cuts the projections of
keys and values. Where it does not, a number that is neither divided by N nor divides it is a warning: vLLM stops
there.

## Why it matters
transformers 5.23.0 repeats no heads: of a single key-value head each of two processes has one half, and the first
forward stops with `RuntimeError: shape '[1, 5, -1, 16]' is invalid for input of size 40`, after all weights are loaded.
vLLM repeats key-value heads where they divide N, so that a group that works there fails here. A class with latent
attention (DeepSeek) has no key-value heads of its own and is not concerned.

## How to put it right
Take a size that divides the key-value heads, or an engine that repeats them.
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
HEADS = At("config.json", pointer="/num_key_value_heads")


class TpKvHeadsNotDivisible(Rule):
    id = "DEV041"
    name = "tp-kv-heads-not-divisible"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take a tp that divides the heads and the key-value heads."
    bad = (
        Example("one key-value head for 2 processes", llama_of_heads(4, 1), at=(HEADS,), target=Target(GPUS, tp=2)),
        Example("2 for 4: vLLM repeats them", llama_of_heads(4, 2), at=(HEADS,), target=Target(GPUS, tp=4)),
        Example(
            "an unknown class with 3 for 2 processes: a warning",
            repository(
                {**LLAMA, "num_attention_heads": 6, "num_key_value_heads": 3},
                llama_tensors(),
                model_type="chatty",
                auto_map=CODE,
            ),
            at=(HEADS,),
            target=Target(GPUS, tp=2),
        ),
    )
    good = (
        Example("2 for 2 processes", llama_of_heads(4, 2), target=Target(GPUS, tp=2)),
        Example("one head, and stages of a pipeline", llama_of_heads(4, 1), near_miss=True, target=Target(GPUS, pp=2)),
        Example(
            "an unknown class with one head for 2 processes: engines repeat it",
            repository(LLAMA, llama_tensors(), model_type="chatty", auto_map=CODE),
            near_miss=True,
            target=Target(GPUS, tp=2),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "kv-heads"):
            yield self.finding(at, fault.message, hint=fault.hint, severity=severity(fault))
