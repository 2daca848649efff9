"""A switch of the config gives the model parameters that the files lack, or takes away some that they hold.

## What it finds
Tensors that are missing or not used because of one true or false in the config, such as `attention_bias`: with the
other value, which is tried, they would fit. An error where parameters are missing, a warning where tensors are dropped.
One finding, at the switch, or at the first tensor where the config does not say it.

## Why it matters
transformers 5.23.0 fills what is missing with random numbers and drops what the class has no place for: a model that
was trained with biases computes without them. It says so in a report and exits with 0.

## How to put it right
Take the config that was saved together with the weights, or turn the switch.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

BIASES = {
    f"model.layers.{layer}.self_attn.{name}.bias": ("F32", [size])
    for layer in range(2)
    for name, size in (("q_proj", 8), ("k_proj", 4), ("v_proj", 4), ("o_proj", 8))
}


class ConfigSwitchWrong(Rule):
    id = "WGT018"
    name = "config-switch-wrong"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take the config that was saved together with the weights, or turn the switch."
    bad = (
        Example(
            "the config wants biases that are not there",
            repository(LLAMA, llama_tensors(), attention_bias=True),
            at=(At("config.json", "/attention_bias"),),
        ),
        Example(
            "there are biases, and the config does not want them: a warning",
            repository(LLAMA, {**llama_tensors(), **BIASES}, attention_bias=False),
            at=(At("config.json", "/attention_bias"),),
        ),
        Example(
            "the same, by default",
            repository(LLAMA, {**llama_tensors(), **BIASES}),
            at=(At("model.safetensors", tensor="model.layers.0.self_attn.k_proj.bias"),),
        ),
    )
    good = (
        Example("no biases, and none wanted", repository(LLAMA, llama_tensors(), attention_bias=False)),
        Example(
            "biases that the config wants",
            repository(LLAMA, {**llama_tensors(), **BIASES}, attention_bias=True),
            near_miss=True,
        ),
        Example(
            "a switch that no tensor depends on",
            repository(LLAMA, llama_tensors(), use_cache=False),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.SWITCH):
            yield self.finding(at, cause.message, hint=cause.hint, severity=None if cause.missing else Severity.WARNING)
