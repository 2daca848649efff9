"""Rotary parameters that transformers refuses: a key is missing, or there is no such type.

## What it finds
`rope_parameters`, or `rope_scaling` as version 4 wrote it, without a key that their type requires (`factor` and the
rest), with a null or a string where two numbers are compared, or of a type for which the model has no function
(`ntk`, `su`, `mrope` outside the models that know them); and a `head_dim` that is odd.

## Why it matters
`KeyError: "Missing required keys in `rope_parameters` for 'rope_type'='llama3': {'low_freq_factor'}"` when the config
is read, `KeyError: 'ntk'` when the model is built. What else may be wrong with the values (a factor below 1, a key too
many) transformers only warns of, and hfcheck does not repeat it. Each generation of transformers had another form, and
refused those of the others: https://github.com/meta-llama/llama3/issues/299 ,
https://github.com/huggingface/transformers/issues/32167

## How to put it right
Add the keys of that type, as the config of the base model has them, or use a type that transformers has: `linear`,
`dynamic`, `yarn`, `longrope`, `llama3`, `proportional`.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.draft import About
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


class RopeParametersInvalid(Rule):
    id = "CFG008"
    name = "rope-parameters-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Add what is missing, as the config of the base model has it, or use a type that transformers has."
    bad = (
        Example(
            "no factor",
            {"config.json": LLAMA | {"rope_scaling": {"type": "linear"}}},
            at=(At("config.json", "/rope_scaling"),),
        ),
        Example(
            "a null among the numbers of llama3",
            {"config.json": LLAMA | {"rope_parameters": LLAMA3 | {"high_freq_factor": None}}},
            at=(At("config.json", "/rope_parameters"),),
        ),
        Example(
            "a type of another library",
            {"config.json": LLAMA | {"rope_scaling": {"type": "ntk", "factor": 2.0}}},
            at=(At("config.json", "/rope_scaling"),),
        ),
        Example("an odd head", {"config.json": LLAMA | {"head_dim": 7}}, at=(At("config.json", "/head_dim"),)),
    )
    good = (
        Example("as version 4 wrote it", {"config.json": LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}}}),
        Example("as version 5 does", {"config.json": LLAMA | {"rope_parameters": LLAMA3 | {"rope_theta": 5e5}}}),
        Example("null", {"config.json": LLAMA | {"rope_scaling": None, "rope_theta": 10000}}, near_miss=True),
        Example(
            "a factor without a type, which is then not used",
            {"config.json": LLAMA | {"rope_scaling": {"factor": 2.0}}},
            near_miss=True,
        ),
        Example(
            "a length that is taken from max_position_embeddings",
            {"config.json": LLAMA | {"rope_scaling": {"type": "yarn", "factor": 4.0}}},
            near_miss=True,
        ),
        Example("an odd head of a test model", {"config.json": LLAMA | {"head_dim": 3}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if brings_config_class(facts.config or {}) else Severity.ERROR
        for fault in facts.config_faults:
            if fault.about is About.ROPE:
                place = At(facts.inside(layout.CONFIG), fault.pointer or None)
                yield self.finding(place, fault.message, severity=severity)
