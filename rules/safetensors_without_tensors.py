"""A safetensors file holds no tensors.

## What it finds
Files named `.safetensors` whose header is right and names no tensor. An error where a loader opens the file as the
weights of the folder, a warning elsewhere. A shard that stores nothing of what the index maps to it is IDX005's.

## Why it matters
transformers 5.23.0 loads a folder with an empty `model.safetensors` and leaves all weights random: the load report
lists them as newly initialised, and nothing fails. Adapters of 443 bytes come about the same way, when the trainer
saved the state of a model that was wrapped or sharded. Older libraries could not even read what they wrote then:
https://github.com/safetensors/safetensors/issues/466 .

## How to put it right
Save the weights again, from the process that holds them. Delete the file if it is left over.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
INDEX = "model.safetensors.index.json"
F16 = ("F16", [2, 3])
HAVE_A_LOADER = frozenset({Kind.TRANSFORMERS, Kind.PEFT, Kind.DIFFUSERS, Kind.SENTENCE_TRANSFORMERS})


class SafetensorsWithoutTensors(Rule):
    id = "FMT015"
    name = "safetensors-without-tensors"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Save the weights again from the process that holds them, or delete the file."
    bad = (
        Example(
            "the weights of a model",
            {"config.json": CONFIG, "model.safetensors": {}},
            at=(At("model.safetensors"),),
        ),
        Example(
            "an adapter that was saved without its state",
            {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.safetensors": {}},
            at=(At("adapter_model.safetensors"),),
        ),
        Example(
            "a file beside the weights",
            {"config.json": CONFIG, "model.safetensors": {"a": F16}, "extra.safetensors": {"__metadata__": None}},
            at=(At("extra.safetensors"),),
        ),
    )
    good = (
        Example("one tensor", {"config.json": CONFIG, "model.safetensors": {"a": F16}}),
        Example(
            "a tensor without elements is a tensor",
            {"config.json": CONFIG, "model.safetensors": {"a": ("F16", [0])}},
            near_miss=True,
        ),
        Example(
            "a shard that lacks what the index maps to it",
            {
                "config.json": CONFIG,
                INDEX: {"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}},
                "one.safetensors": {"a": F16},
                "two.safetensors": {},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        mapped = facts.index.tensors_by_shard() if facts.index else {}
        for path, header in facts.all_of(SafetensorsFacts):
            if header.tensors or path in mapped or not path.lower().endswith(".safetensors"):
                continue
            if path in facts.loaded and facts.kind in HAVE_A_LOADER:
                message = "the file holds no tensors: the loader leaves every weight as it was initialised"
                yield self.finding(At(path), message, severity=Severity.ERROR)
            else:
                yield self.finding(At(path), "the file holds no tensors")
