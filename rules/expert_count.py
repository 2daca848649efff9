"""The files hold another number of experts than the config has.

## What it finds
A mixture of experts where the number of experts in the config does not fit the tensors, and another one does, the
router included. One finding, at the field. A single expert that is missing somewhere has a rule of its own.

## Why it matters
transformers 5.23.0 puts the experts of a layer together into one parameter and stops with `RuntimeError`, because its
shape is not that of the model. Where the experts are modules, those that are missing are filled with random numbers.
Whoever serves the model learns it there: https://github.com/ml-explore/mlx-examples/issues/464 .

## How to put it right
Set the number of experts to what the files hold, or upload all of them, with a router that has a row for each.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import QWEN3_MOE, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

FUSED = {
    "model.layers.0.mlp.experts.gate_up_proj": ("F32", [2, 12, 8]),
    "model.layers.0.mlp.experts.down_proj": ("F32", [2, 8, 6]),
}


class ExpertCount(Rule):
    id = "WGT009"
    name = "expert-count"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Set the number of experts to what the files hold, or upload all of them."
    bad = (
        Example(
            "four experts in the config, two in the files",
            repository(QWEN3_MOE, qwen3_moe_tensors(), num_experts=4),
            at=(At("config.json", "/num_experts"),),
        ),
        Example(
            "one in the config",
            repository(QWEN3_MOE, qwen3_moe_tensors(), num_experts=1),
            at=(At("config.json", "/num_experts"),),
        ),
    )
    good = (
        Example("two experts", repository(QWEN3_MOE, qwen3_moe_tensors())),
        Example(
            "the experts of a layer in one tensor",
            repository(
                QWEN3_MOE,
                {**{name: one for name, one in qwen3_moe_tensors().items() if ".experts." not in name}, **FUSED},
            ),
            near_miss=True,
        ),
        Example(
            "another number of experts for each token",
            repository(QWEN3_MOE, qwen3_moe_tensors(), num_experts_per_tok=2),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.EXPERTS):
            yield self.finding(at, cause.message, hint=cause.hint)
