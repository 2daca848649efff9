"""The fields of the config do not go together, and its class in transformers refuses it.

## What it finds
What the config classes of transformers 5.23 check once all fields are read: a hidden size that the heads do not divide,
stages of a backbone that it does not have, labels that are no object, a field that is computed and cannot be set.
Rotary parameters, kinds of layers and types of tensors have rules of their own. It is a warning where the repository
brings a config class of its own.

## Why it matters
Loading stops before any weight is read: `StrictDataclassClassValidationError: Class validation error for validator
'validate_architecture': ValueError: The hidden size (16) is not a multiple of the number of attention heads (3)`. Most
often a size was edited by hand, and its counterpart was not.

## How to put it right
Correct the field that was changed; the config of the base model says what it was.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.draft import About
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
VIT = {"model_type": "vit", "architectures": ["ViTForImageClassification"]}


class ConfigRefused(Rule):
    id = "CFG007"
    name = "config-refused"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Correct the field that was changed, as the config of the base model has it."
    bad = (
        Example(
            "heads that do not divide the hidden size",
            {"config.json": LLAMA | {"hidden_size": 16, "num_attention_heads": 3, "num_key_value_heads": 1}},
            at=(At("config.json", "/hidden_size"),),
        ),
        Example("labels as a list", {"config.json": VIT | {"id2label": ["cat"]}}, at=(At("config.json", "/id2label"),)),
        Example(
            "a count of labels that is null",
            {"config.json": VIT | {"num_labels": None}},
            at=(At("config.json", "/num_labels"),),
        ),
        Example(
            "one label of which one is to be chosen",
            {"config.json": VIT | {"id2label": {"0": "a"}, "problem_type": "single_label_classification"}},
            at=(At("config.json", "/problem_type"),),
        ),
        Example(
            "a field that the class computes",
            {"config.json": VIT | {"use_return_dict": True}},
            at=(At("config.json", "/use_return_dict"),),
        ),
    )
    good = (
        Example("heads that divide it", {"config.json": LLAMA | {"hidden_size": 16, "num_attention_heads": 4}}),
        Example("labels by number", {"config.json": VIT | {"id2label": {"0": "cat", "1": "dog"}}}),
        Example(
            "another count than the labels: a warning of transformers",
            {"config.json": VIT | {"id2label": {"0": "a"}, "num_labels": 3}},
            near_miss=True,
        ),
        Example("a token past the vocabulary", {"config.json": LLAMA | {"bos_token_id": 99999}}, near_miss=True),
        Example("a field of its own", {"config.json": VIT | {"my_field": {"a": [1]}}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if brings_config_class(facts.config or {}) else Severity.ERROR
        for fault in facts.config_faults:
            if fault.about is About.CLASS:
                place = At(facts.inside(layout.CONFIG), fault.pointer or None)
                yield self.finding(place, fault.message, severity=severity)
