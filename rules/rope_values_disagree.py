"""The config gives its rotary parameters twice, in the forms of version 4 and 5, with different values.

## What it finds
`rope_theta` or `partial_rotary_factor` beside `rope_parameters` that say another number, and `rope_scaling` beside
`rope_parameters` of another type or factor; in the config and in `text_config`.

## Why it matters
The two generations read different ones. transformers 5.23 takes `rope_parameters` where it can and ignores the number
beside it; `rope_scaling`, however, replaces them. Version 4 and most engines read the older fields. So the same weights
compute something else here and there, and nothing says so. What becomes of a model that is run with 10000 instead of
500000: https://github.com/vllm-project/vllm/pull/42624

## How to put it right
Keep `rope_parameters` and remove the older fields, or make them say the same.
"""

from collections.abc import Iterator
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.fields import shown
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}
NUMBERS = ("rope_theta", "partial_rotary_factor")


class RopeValuesDisagree(Rule):
    id = "CFG011"
    name = "rope-values-disagree"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Keep rope_parameters and remove the older field, or make them say the same."
    bad = (
        Example(
            "two thetas",
            {"config.json": LLAMA | {"rope_theta": 500000.0, "rope_parameters": DEFAULT}},
            at=(At("config.json", "/rope_theta"),),
        ),
        Example(
            "two scalings",
            {
                "config.json": LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_parameters": DEFAULT},
            },
            at=(At("config.json", "/rope_scaling"),),
        ),
        Example(
            "in the config of the language model",
            {
                "config.json": {
                    "model_type": "llava",
                    "text_config": {"model_type": "llama", "rope_theta": 5.0, "rope_parameters": DEFAULT},
                },
            },
            at=(At("config.json", "/text_config/rope_theta"),),
        ),
    )
    good = (
        Example("the newer form", {"config.json": LLAMA | {"rope_parameters": DEFAULT}}),
        Example("the older form", {"config.json": LLAMA | {"rope_theta": 500000.0, "rope_scaling": None}}),
        Example(
            "both, and the same",
            {"config.json": LLAMA | {"rope_theta": 10000, "rope_scaling": None, "rope_parameters": DEFAULT}},
            near_miss=True,
        ),
        Example(
            "parameters for each kind of layer",
            {
                "config.json": {
                    "model_type": "gemma3_text",
                    "rope_theta": 1.0,
                    "rope_parameters": {"full_attention": DEFAULT, "sliding_attention": DEFAULT},
                },
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        config = facts.config or {}
        if not facts.claims_transformers or facts.config_faults or brings_config_class(config):
            return
        for prefix, part in (((), config), (("text_config",), config.get("text_config"))):
            if isinstance(part, dict) and isinstance(part.get("rope_parameters"), dict):
                for name, message in _disagreements(part, part["rope_parameters"]):
                    yield self.finding(At(facts.inside(layout.CONFIG), pointer(*prefix, name)), message)


def _disagreements(config: dict[str, Any], parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in NUMBERS:
        old, new = config.get(name), parameters.get(name)
        if old is not None and new is not None and old != new:
            yield name, f"{name} is {shown(old)} here and {shown(new)} in rope_parameters"
    scaling = config.get("rope_scaling")
    if not isinstance(scaling, dict) or not scaling:
        return
    for name in ("type", "factor"):
        old, new = _scaling(scaling, name), _scaling(parameters, name)
        if old != new:
            yield "rope_scaling", f"{name} is {shown(old)} here and {shown(new)} in rope_parameters"
            return


def _scaling(parameters: dict[str, Any], name: str) -> object:
    return parameters.get("rope_type", parameters.get("type", "default")) if name == "type" else parameters.get(name)
