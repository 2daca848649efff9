"""The config names an architecture of transformers and no model type.

## What it finds
A `config.json` with `architectures` like `BertForMaskedLM` whose `model_type` is missing, null, empty or no string.
Configs of other libraries, of diffusers and timm, and those whose `auto_map` names a config class of their own, need
none.

## Why it matters
The Auto classes choose by `model_type` alone. transformers 5.23.0: `ValueError: Unrecognized model in ... Should have a
`model_type` key in its config.json`, or, where it is null, `has model type `None` but Transformers does not recognize
this architecture`. Configs of transformers 2 had none, and were not wrong then:
https://github.com/thu-coai/SentiLARE/issues/11 . A class that is called directly still loads them.

## How to put it right
Add the `model_type` of the architecture, `"bert"` for `BertForMaskedLM`: it stands in the config of any model of the
same family.
"""

import re
from collections.abc import Iterator
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.json_ import type_of
from hfcheck.rule import Example, Rule

CLASS = re.compile(r"[A-Z]\w{0,99}(?:For[A-Z]\w{1,99}|LMHeadModel|LMHead|DoubleHeadsModel)")
"""How transformers calls its classes with a head, and nobody else does."""


class ModelTypeAbsent(Rule):
    id = "CFG002"
    name = "model-type-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Add the model_type of the architecture, as the config of another model of the family has it."
    bad = (
        Example(
            "a config of transformers 2",
            {"config.json": {"architectures": ["BertForMaskedLM"], "vocab_size": 30522}},
            at=(At("config.json", "/architectures"),),
        ),
        Example(
            "a null",
            {"config.json": {"architectures": ["LlamaForCausalLM"], "model_type": None}},
            at=(At("config.json", "/model_type"),),
        ),
        Example(
            "a class without head, and the version that wrote it",
            {"config.json": {"architectures": ["LlamaModel"], "transformers_version": "4.40.0"}},
            at=(At("config.json", "/architectures"),),
        ),
    )
    good = (
        Example("with model type", {"config.json": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}}),
        Example(
            "a config class of its own",
            {
                "config.json": {"architectures": ["XForCausalLM"], "auto_map": {"AutoConfig": "c.C"}},
                "c.py": "class C: ...",
            },
            near_miss=True,
        ),
        Example("another library", {"config.json": {"architectures": ["StyleTTS"], "n_mels": 80}}, near_miss=True),
        Example("diffusers", {"config.json": {"_class_name": "XForY", "architectures": ["XForY"]}}, near_miss=True),
        Example("timm", {"config.json": {"architecture": "vit_base", "pretrained_cfg": {}}}, near_miss=True),
        Example("no architectures", {"config.json": {"hidden_size": 8, "architectures": None}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        config = facts.config
        if config is None or (isinstance(config.get("model_type"), str) and config["model_type"]):
            return
        name = _class_of_transformers(config)
        if name is None or "_class_name" in config or _has_config_class(config.get("auto_map")):
            return
        if "model_type" not in config:
            place, what = "architectures", "it has no model_type"
        else:
            value = config["model_type"]
            place, what = "model_type", f"its model_type is {'empty' if value == '' else type_of(value)}"
        yield self.finding(
            At(facts.inside(layout.CONFIG), pointer(place)), f"the config names {quote(name, 60)}, and {what}"
        )


def _class_of_transformers(config: dict[str, Any]) -> str | None:
    """The first of the architectures that is a class of transformers, by its name or by who wrote the config."""
    names = config.get("architectures")
    strings = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if "transformers_version" in config:
        return next(iter(strings), None)
    return next((name for name in strings if CLASS.fullmatch(name)), None)


def _has_config_class(auto_map: object) -> bool:
    return isinstance(auto_map, dict) and "AutoConfig" in auto_map
