"""The experts, as a rank holds them, have rows that the kernel for grouped products does not take.

## What it finds
`--tp N` for a mixture of experts whose intermediate size, divided by N, is no multiple of 16 bytes: 8 numbers in
bfloat16, 4 in float32.

## Why it matters
transformers 5.23.0 multiplies experts with `torch.nn.functional.grouped_mm`, which stops in the first forward with
`RuntimeError: strides should be multiple of 16 bytes`. The model loads, and may run on one device.

## How to put it right
Take another size, or `--ep` in its place: experts are whole there. `experts_implementation="eager"` does without the
kernel, and is slow.
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
SIZE = At("config.json", pointer="/moe_intermediate_size")
MODEL = repository(QWEN3_MOE, qwen3_moe_tensors())
WIDE = repository(
    QWEN3_MOE,
    {
        name: (dtype, [8 if size == 6 else size for size in shape])  # noqa: PLR2004 - the size of an expert
        for name, (dtype, shape) in qwen3_moe_tensors().items()
    },
    moe_intermediate_size=8,
)


class ExpertAlignment(Rule):
    id = "DEV046"
    name = "expert-alignment"
    severity = Severity.WARNING
    since = "0.1"
    hint = 'Take another tp, or load with experts_implementation="eager".'
    bad = (
        Example("rows of 3 numbers", MODEL, at=(SIZE,), target=Target(GPUS, tp=2)),
        Example("8 in bfloat16, divided by 2", WIDE, at=(SIZE,), target=Target(GPUS, tp=2, dtype="bfloat16")),
    )
    good = (
        Example("rows of 4 numbers in float32", WIDE, target=Target(GPUS, tp=2)),
        Example("whole experts on each rank", WIDE, near_miss=True, target=Target(GPUS, tp=2, ep=2)),
        Example("in stages", MODEL, near_miss=True, target=Target(GPUS, pp=2)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "alignment"):
            yield self.finding(at, fault.message, hint=fault.hint)
