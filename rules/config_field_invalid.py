"""A field of the config has a value of a type that its class in transformers does not take, or out of its limits.

## What it finds
Declared fields of the config class of a `config.json`, and of the configs inside it, whose value is of another Python
type than the class asks for, or outside the interval or the list of choices that it names. A number without decimal
point is an integer: where a class asks for `float`, 1 is refused, and where it asks for `int`, 4096.0 and true are.
Fields that the class does not declare may be anything, and so may what all classes inherit (`architectures`,
`id2label`). It is a warning where the repository brings a config class of its own, which a loader that trusts it uses.

## Why it matters
The config classes of transformers 5 are strict: `StrictDataclassFieldValidationError: Validation error for field
'hidden_size': TypeError: Field 'hidden_size' expected int, got str (value: '4096')`, before any weight is read. Version
4 took these values, so that repositories which used to load no longer do.

## How to put it right
Write the value in the type that the message names: `1.0` for a number with a decimal point, no quotes around a number.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.draft import About
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


class ConfigFieldInvalid(Rule):
    id = "CFG005"
    name = "config-field-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the value in the type that the config class asks for."
    bad = (
        Example(
            "a number in quotes",
            {"config.json": LLAMA | {"hidden_size": "4096"}},
            at=(At("config.json", "/hidden_size"),),
        ),
        Example(
            "two fields: an integer with a decimal point, and a number without one",
            {"config.json": LLAMA | {"num_hidden_layers": 32.0, "rms_norm_eps": 1}},
            at=(At("config.json", "/num_hidden_layers"), At("config.json", "/rms_norm_eps")),
        ),
        Example(
            "in the config of a part",
            {"config.json": {"model_type": "siglip", "text_config": {"hidden_size": None}}},
            at=(At("config.json", "/text_config/hidden_size"),),
        ),
        Example(
            "with a config class of its own: a warning",
            {
                "config.json": LLAMA | {"vocab_size": "8", "auto_map": {"AutoConfig": "c.C"}},
                "c.py": "class C: ...",
            },
            at=(At("config.json", "/vocab_size"),),
        ),
    )
    good = (
        Example("as saved", {"config.json": LLAMA | {"hidden_size": 4096, "rms_norm_eps": 1e-06}}),
        Example("an integer where both are taken", {"config.json": LLAMA | {"attention_dropout": 0}}, near_miss=True),
        Example("null where it is allowed", {"config.json": LLAMA | {"head_dim": None}}, near_miss=True),
        Example("a field that is not declared", {"config.json": LLAMA | {"rope_theta": 10000}}, near_miss=True),
        Example("inherited fields", {"config.json": LLAMA | {"architectures": "x", "dtype": None}}, near_miss=True),
        Example("a type that nobody knows", {"config.json": {"model_type": "my", "hidden_size": "8"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if brings_config_class(facts.config or {}) else Severity.ERROR
        for fault in facts.config_faults:
            if fault.about is About.FIELD:
                place = At(facts.inside(layout.CONFIG), fault.pointer)
                yield self.finding(place, fault.message, severity=severity)
