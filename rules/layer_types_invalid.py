"""The list of the kinds of layers has another length than there are layers, or a kind that nobody knows.

## What it finds
`layer_types` whose length is not `num_hidden_layers`, or with a name that is none of the 14 of transformers 5.23; the
same of `mlp_layer_types` where `layer_types` is there too. The older names `mamba`, `attention`,
`deepseek_sparse_attention` and `qwen_sparse_attention` are known.

## Why it matters
Loading stops: `ValueError: `num_hidden_layers` (3) must be equal to the number of `layer_types` (2)`. Version 5 writes
the list into every config of a model that has it, so whoever changes the number of layers must change the list as well.

## How to put it right
Give the list one entry for each layer, or remove it: the class then makes its own.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.draft import About
from hfcheck.rule import Example, Rule

QWEN = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 2}


class LayerTypesInvalid(Rule):
    id = "CFG010"
    name = "layer-types-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give the list one known kind for each layer, or remove it."
    bad = (
        Example(
            "a layer was added, and not its kind",
            {"config.json": QWEN | {"layer_types": ["full_attention"]}},
            at=(At("config.json", "/layer_types"),),
        ),
        Example(
            "a kind that nobody knows",
            {"config.json": QWEN | {"layer_types": ["full_attention", "local"]}},
            at=(At("config.json", "/layer_types"),),
        ),
    )
    good = (
        Example("one for each", {"config.json": QWEN | {"layer_types": ["full_attention", "sliding_attention"]}}),
        Example("null", {"config.json": QWEN | {"layer_types": None}}, near_miss=True),
        Example("older names", {"config.json": QWEN | {"layer_types": ["attention", "mamba"]}}, near_miss=True),
        Example(
            "of the other list where this one is missing",
            {"config.json": {"model_type": "bert", "mlp_layer_types": ["x"]}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if brings_config_class(facts.config or {}) else Severity.ERROR
        for fault in facts.config_faults:
            if fault.about is About.LAYERS:
                place = At(facts.inside(layout.CONFIG), fault.pointer or None)
                yield self.finding(place, fault.message, severity=severity)
