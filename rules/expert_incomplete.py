"""The loader cannot put a parameter together: an expert or a part of one is missing, or does not fit the others.

## What it finds
Stored tensors that transformers joins into one parameter, such as the experts of a layer, where one is missing, one is
too many or one has another shape. One finding for all experts with parts missing, one for each other reason.

## Why it matters
transformers 5.23.0 stops with `RuntimeError: We encountered some issues during automatic conversion of the weights.` A
converter that lost experts on the way, without any error: https://github.com/NVIDIA/Megatron-LM/issues/5844 .

## How to put it right
Save the model again from a process that holds all experts; with expert parallelism, gather them first.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import QWEN3_MOE, qwen3_moe_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

EXPERT = "model.layers.0.mlp.experts.1."
UP = f"{EXPERT}up_proj.weight"


class ExpertIncomplete(Rule):
    id = "WGT010"
    name = "expert-incomplete"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the model again from a process that holds all experts."
    bad = (
        Example(
            "one matrix of an expert is missing",
            repository(QWEN3_MOE, without(qwen3_moe_tensors(), UP)),
            at=(At("model.safetensors", tensor=UP),),
        ),
        Example(
            "the last expert is missing, and the router has a row for it",
            repository(QWEN3_MOE, without(qwen3_moe_tensors(), EXPERT)),
            at=(At("model.safetensors", tensor=f"{EXPERT}down_proj.weight"),),
        ),
        Example(
            "a name was misspelt",
            repository(QWEN3_MOE, renamed(qwen3_moe_tensors(), UP, f"{EXPERT}up_prj.weight")),
            at=(At("model.safetensors", tensor=f"{EXPERT}up_prj.weight"),),
        ),
        Example(
            "one matrix is transposed",
            repository(QWEN3_MOE, {**qwen3_moe_tensors(), UP: ("F32", [8, 6])}),
            at=(At("model.safetensors", tensor="model.layers.0.mlp.experts.0.gate_proj.weight"),),
        ),
    )
    good = (
        Example("whole experts", repository(QWEN3_MOE, qwen3_moe_tensors())),
        Example(
            "a layer without experts, as the config says",
            repository(
                QWEN3_MOE,
                {
                    **without(qwen3_moe_tensors(), "mlp.experts", "mlp.gate."),
                    "model.layers.0.mlp.gate_proj.weight": ("F32", [12, 8]),
                    "model.layers.0.mlp.up_proj.weight": ("F32", [12, 8]),
                    "model.layers.0.mlp.down_proj.weight": ("F32", [8, 12]),
                },
                mlp_only_layers=[0],
            ),
            near_miss=True,
        ),
        Example(
            "no base prefix before the names: the loader adds it",
            repository(QWEN3_MOE, renamed(qwen3_moe_tensors(), "model.layers", "layers")),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.EXPERT_PART, Kind.CONVERSION):
            yield self.finding(at, cause.message, hint=cause.hint)
