"""Weights that transformers opens do not say which framework wrote them.

## What it finds
safetensors files whose `__metadata__` is absent or has no `format`, where the config says that transformers loads the
folder. One note for all of them, at the first.

## Why it matters
transformers 5 does not look at it. transformers 4 did: up to 4.47 a file without `__metadata__` ended in
`AttributeError: 'NoneType' object has no attribute 'get'`, and up to 4.57 one with a `__metadata__` that has no
`format` in `OSError: The safetensors archive passed at ... does not contain the valid metadata`. Writers other than
the library leave it out: https://github.com/ml-explore/mlx/issues/743 ,
https://github.com/hiyouga/LlamaFactory/issues/1988 , https://github.com/huggingface/diffusers/issues/10863 . An empty
`__metadata__` has stopped another loader: https://github.com/foundation-model-stack/fastsafetensors/issues/88 .

## How to put it right
Save the weights with `metadata={"format": "pt"}`. Nothing has to be done where all readers have transformers 5.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class SafetensorsFormatMissing(Rule):
    id = "FMT009"
    name = "safetensors-format-missing"
    severity = Severity.NOTE
    since = "0.1"
    hint = 'Save the weights with metadata={"format": "pt"} if readers with transformers 4 matter.'
    bad = (
        Example(
            "no metadata",
            {"config.json": CONFIG, "model.safetensors": {"__metadata__": None, "a": F16}},
            at=(At("model.safetensors"),),
        ),
        Example(
            "metadata without a format, in all shards: one note",
            {
                "config.json": CONFIG,
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: {"__metadata__": {}, "a": F16},
                TWO: {"__metadata__": {}, "b": F16},
            },
            at=(At(ONE),),
        ),
    )
    good = (
        Example("as transformers writes it", {"config.json": CONFIG, "model.safetensors": {"a": F16}}),
        Example(
            "the format of another framework",
            {"config.json": CONFIG, "model.safetensors": {"__metadata__": {"format": "mlx"}, "a": F16}},
            near_miss=True,
        ),
        Example(
            "a file that transformers does not open",
            {
                "config.json": CONFIG,
                "model.safetensors": {"a": F16},
                "voice.safetensors": {"__metadata__": None, "a": F16},
            },
            near_miss=True,
        ),
        Example(
            "the file of a library that has its own loader",
            {"config.json": {"sample_rate": 16000}, "model.safetensors": {"__metadata__": None, "a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if not facts.claims_transformers:
            return
        headers = [(path, header) for path in facts.loaded if (header := facts.safetensors(path)) is not None]
        lacking = [(path, header) for path, header in headers if "format" not in (header.metadata or {})]
        if not lacking:
            return
        if all(header.metadata is None for _, header in lacking):
            what, version = "the header has no __metadata__", "4.47"
        else:
            what, version = "the __metadata__ has no format", "4.57"
        others = f", as in {len(lacking)} of {len(headers)} shards" if len(headers) > 1 else ""
        yield self.finding(At(lacking[0][0]), f"{what}{others}: transformers up to {version} does not load the model")
