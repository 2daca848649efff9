"""The model type is one that transformers does not know.

## What it finds
A `config.json` of transformers whose `model_type` is none of the 804 of release 5.23, and the same of a config inside
it whose type decides its class (`text_config`, `backbone_config`). It is an error where the name is almost that of a
known type, and inside another config, else a warning: a later release may know it, and other libraries have types of
their own. A repository that brings a config class (`auto_map`) needs no known type.

## Why it matters
The Auto classes choose by the type: `ValueError: The checkpoint you are trying to load has model type `lama` but
Transformers does not recognize this architecture`. It says the same of a typo and of a model that is newer than the
installed release.

## How to put it right
Correct the name, or say which release of transformers knows it.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.loading.config_faults import brings_config_class, is_known, similar_type
from hfcheck.loading.draft import About
from hfcheck.loading.resolve import auto_type
from hfcheck.rule import Example, Rule


class ModelTypeUnknown(Rule):
    id = "CFG006"
    name = "model-type-unknown"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Correct the name, or upload the config class with an auto_map."
    bad = (
        Example(
            "a typo",
            {"config.json": {"model_type": "lama", "architectures": ["LlamaForCausalLM"]}},
            at=(At("config.json", "/model_type"),),
        ),
        Example(
            "another spelling",
            {"config.json": {"model_type": "xlm_roberta", "architectures": ["XLMRobertaModel"]}},
            at=(At("config.json", "/model_type"),),
        ),
        Example(
            "a type that is not there yet: a warning",
            {"config.json": {"model_type": "qwen9", "architectures": ["Qwen9ForCausalLM"]}},
            at=(At("config.json", "/model_type"),),
        ),
        Example(
            "the type of a part",
            {"config.json": {"model_type": "llava", "text_config": {"model_type": "lama"}}},
            at=(At("config.json", "/text_config"),),
        ),
    )
    good = (
        Example("a known type", {"config.json": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}}),
        Example(
            "a config class of its own",
            {
                "config.json": {"model_type": "lama", "auto_map": {"AutoConfig": "c.C"}},
                "c.py": "class C: ...",
            },
            near_miss=True,
        ),
        Example("another library's", {"config.json": {"model_type": "lightgbm"}}, near_miss=True),
        Example(
            "the type of a part that has but one class",
            {"config.json": {"model_type": "siglip", "text_config": {"model_type": "nope"}}},
            near_miss=True,
        ),
        Example(
            "mistral with kinds of layers, which is loaded as ministral",
            {"config.json": {"model_type": "mistral", "num_hidden_layers": 1, "layer_types": ["full_attention"]}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        config = facts.config or {}
        if not facts.claims_transformers or brings_config_class(config):
            return
        path = facts.inside(layout.CONFIG)
        name = auto_type(config)
        if isinstance(name, str) and name and not is_known(name):
            if not isinstance(config.get("architectures"), list) and "transformers_version" not in config:
                return  # other libraries have a `model_type` too, and nothing says that transformers is meant
            similar = similar_type(name)
            message = f"transformers 5.23 has no model type {quote(name, 60)}"
            if similar is not None:
                yield self.finding(At(path, pointer("model_type")), f"{message}; did you mean {quote(similar)}?")
            else:
                yield self.finding(At(path, pointer("model_type")), message, severity=Severity.WARNING)
        for fault in facts.config_faults:
            if fault.about is About.TYPE:
                yield self.finding(At(path, fault.pointer), fault.message)
