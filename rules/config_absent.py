"""The weights and the tokenizer of a model of transformers are there, and its config is not.

## What it finds
`model.safetensors`, `pytorch_model.bin` or an index of either beside `generation_config.json` or
`tokenizer_config.json`, without `config.json`. It is a note where a Trainer may have saved a plain torch module.
Adapters, native layouts, components of a pipeline and folders with the config of another library are not meant.

## Why it matters
The config says which model the weights are. transformers 5.23.0: `ValueError: Unrecognized model in ... Should have a
`model_type` key in its config.json`. A class that is called directly is worse: it builds the model of its defaults, 7
billion parameters for Llama, and fills it with what fits. Uploads that lack it:
https://github.com/huggingface/autotrain-advanced/issues/166 , https://github.com/unslothai/unsloth/issues/421

## How to put it right
Upload the `config.json` that was saved with the weights; for a fine-tuned model that of the base model will often do.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])
WEIGHTS = tuple(name for single in layout.SINGLE_WEIGHTS for name in (single, f"{single}.index.json"))
OTHERS = frozenset({layout.ADAPTER_CONFIG, layout.MODEL_INDEX, layout.MODULES, "params.json"})
OTHER_SUFFIXES = (".yaml", ".yml", ".toml", ".py")
"""A library with a config or code of its own beside the weights also has its own way to load them."""


class ConfigAbsent(Rule):
    id = "REP010"
    name = "config-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Upload the config.json that was saved together with the weights."
    bad = (
        Example(
            "weights and tokenizer",
            {"model.safetensors": {"a": F16}, "tokenizer_config.json": {}, "tokenizer.json": {}},
            at=(At("model.safetensors"),),
        ),
        Example(
            "an index of torch files, and how to generate",
            {
                "generation_config.json": {"eos_token_id": 2},
                "pytorch_model.bin.index.json": {"metadata": {}, "weight_map": {"a": "a.bin"}},
                "a.bin": b"PK\x03\x04",
            },
            at=(At("pytorch_model.bin.index.json"),),
        ),
    )
    good = (
        Example("with config", {"config.json": {"model_type": "llama"}, "model.safetensors": {"a": F16}}),
        Example(
            "an adapter that was saved with the model's head",
            {"adapter_config.json": {}, "pytorch_model.bin": b"PK\x03\x04", "tokenizer_config.json": {}},
            near_miss=True,
        ),
        Example(
            "the config of another library",
            {"config.yaml": "a: 1\n", "model.safetensors": {"a": F16}, "tokenizer_config.json": {}},
            near_miss=True,
        ),
        Example(
            "the tokenizer is of OpenCLIP",
            {"open_clip_config.json": {}, "model.safetensors": {"a": F16}, "tokenizer_config.json": {}},
            near_miss=True,
        ),
        Example("weights alone", {"model.safetensors": {"a": F16}, "tokenizer.json": {}}, near_miss=True),
        Example("a tokenizer alone", {"tokenizer.json": {}, "tokenizer_config.json": {}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        weights = next((name for name in WEIGHTS if facts.has_file(facts.inside(name))), None)
        if weights is None or facts.entry(facts.inside(layout.CONFIG)) is not None:
            return
        names = {basename(entry.path) for entry in facts.direct()}
        certain = "generation_config.json" in names
        likely = "tokenizer_config.json" in names and not any(map(_is_of_another_library, names))
        if names & OTHERS or not (certain or likely):
            return
        # A Trainer leaves the same of a plain torch module, which only its author's code was ever meant to load.
        severity = Severity.NOTE if "training_args.bin" in names and not certain else Severity.ERROR
        message = f"there is no config.json beside {quote(weights)}, so no loader knows which model the weights are of"
        yield self.finding(At(facts.inside(weights)), message, severity=severity)


def _is_of_another_library(name: str) -> bool:
    if name.endswith(OTHER_SUFFIXES):
        return True
    return name.endswith("config.json") and name not in layout.READ_BY_LOADERS
