"""No load has groups of these sizes.

## What it finds
Sizes of `--tp`, `--ep` and `--pp` that transformers refuses, or that end its load or its first forward: an expert
parallel group that is no multiple of the tensor parallel one or does not divide the processes; tensor parallelism with
a device map, or on `mps`; tensor and pipeline parallelism together; more processes than accelerators; a pipeline for a
class whose layers it does not find, with more stages than layers, or with a norm that every stage would apply.

## Why it matters
All of them pass the command line and fail in every process: with `ValueError`, with `KeyError` on the name of a layer
of another stage, with `AttributeError`, or not at all: the pipeline of transformers 5.23.0 knows the names
`embed_tokens`, `layers`, `norm` and `lm_head` and applies anything else in each stage. Phi and GPT-NeoX, whose last
norm has another name, compute wrong logits in two stages without a word.

## How to put it right
The message says which size does not go with which.
"""

from collections.abc import Iterator

from hfcheck.example_models import BERT, QWEN3_MOE, bert_tensors, llama_of_heads, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

GPUS = devices(["0-3=80GiB"])
LLAMA = llama_of_heads(4, 4)
EXPERTS = repository(QWEN3_MOE, qwen3_moe_tensors())
CONFIG = At("config.json")


class ParallelSizesImpossible(Rule):
    id = "DEV047"
    name = "parallel-sizes-impossible"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take other sizes."
    bad = (
        Example("a group of experts beside no other", EXPERTS, at=(CONFIG,), target=Target(GPUS, ep=2)),
        Example("2 is no multiple of 4", EXPERTS, at=(CONFIG,), target=Target(GPUS, tp=4, ep=2)),
        Example("with a map", LLAMA, at=(CONFIG,), target=Target(GPUS, explicit={"": 0}, tp=2)),
        Example("8 processes, 4 devices", LLAMA, at=(CONFIG,), target=Target(GPUS, tp=8)),
        Example("rows and stages", LLAMA, at=(CONFIG,), target=Target(GPUS, tp=2, pp=2)),
        Example("2 layers in 3 stages", LLAMA, at=(CONFIG,), target=Target(GPUS, pp=3)),
        Example(
            "BERT keeps its layers elsewhere", repository(BERT, bert_tensors()), at=(CONFIG,), target=Target(GPUS, pp=2)
        ),
        Example("on a Mac", LLAMA, at=(CONFIG,), target=Target(devices(["mps=32GiB"]), tp=1, pp=2)),
    )
    good = (
        Example("tp and ep alike", EXPERTS, target=Target(GPUS, tp=2, ep=2)),
        Example("as many stages as layers", LLAMA, near_miss=True, target=Target(GPUS, pp=2)),
        Example("devices to spare", LLAMA, near_miss=True, target=Target(GPUS, tp=2)),
        Example("two processes on a CPU", LLAMA, near_miss=True, target=Target(devices(["cpu=64GiB"]), tp=2)),
        Example("a map alone", LLAMA, near_miss=True, target=Target(GPUS, explicit={"": 0})),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "sizes"):
            yield self.finding(at, fault.message, hint=fault.hint)
