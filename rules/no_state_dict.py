"""The loader finds no dictionary of tensors in the weight file, or an empty one.

## What it finds
A `.bin` that the loader opens whose tensors are in a dictionary inside it (`state_dict`, `model`, `module`: what
trainers save), or that holds no dictionary with tensors at all: a list, a single tensor, an empty dictionary, or one
whose keys are no strings.

## Why it matters
transformers 5.23.0 takes the keys of the outermost dictionary for names of parameters. Of a checkpoint of a trainer it
reports `state_dict` as unexpected and every parameter as missing, fills them with random numbers and exits with 0.
Where the config gives no dtype it raises `AttributeError: 'dict' object has no attribute 'is_floating_point'`. An
adapter that was saved from the wrong object is an empty dictionary in 443 bytes, and does nothing to the model:
https://github.com/tloen/alpaca-lora/issues/334 .

## How to put it right
Load the file where it was made, and save its inner dictionary by itself, best as safetensors.
"""

from collections.abc import Iterator

from hfcheck.example import TorchLegacy, TorchZip
from hfcheck.example_models import LLAMA, llama_tensors
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.torch_state import Root, StateDict
from hfcheck.pickle_judged import is_loaded
from hfcheck.rule import Example, Rule

BIN = "pytorch_model.bin"
F16 = ("F16", [2, 3])


class NoStateDict(Rule):
    id = "FMT017"
    name = "no-state-dict"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the state dict of the model by itself."
    bad = (
        Example(
            "what Lightning saves",
            {"config.json": LLAMA, BIN: TorchZip(llama_tensors(), inside=("state_dict",), beside={"epoch": 3})},
            at=(At(BIN, "/state_dict"),),
        ),
        Example(
            "two dictionaries deep, in the old format",
            {"config.json": LLAMA, BIN: TorchLegacy(llama_tensors(), inside=("state", "model"))},
            at=(At(BIN, "/state/model"),),
        ),
        Example(
            "an adapter that is empty",
            {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.bin": TorchZip({})},
            at=(At("adapter_model.bin"),),
        ),
    )
    good = (
        Example("a plain dictionary", {"config.json": LLAMA, BIN: TorchZip(llama_tensors())}),
        Example(
            "numbers beside the tensors: the loader reports them as unexpected, and no more",
            {"config.json": LLAMA, BIN: TorchZip(llama_tensors(), beside={"epoch": 3, "args": {"lr": 0.1}})},
            near_miss=True,
        ),
        Example(
            "a checkpoint beside the weights that the loader opens",
            {
                "config.json": LLAMA,
                "model.safetensors": llama_tensors(),
                "last.ckpt": TorchZip({"a": F16}, inside=("state_dict",)),
            },
            near_miss=True,
        ),
        Example(
            "a checkpoint of another library under this name: no config says that transformers loads it",
            {BIN: TorchZip({"a": F16}, inside=("state_dict",))},
            near_miss=True,
        ),
        Example(
            "a shard without tensors beside one that has them",
            {
                "config.json": LLAMA,
                "pytorch_model.bin.index.json": {
                    "metadata": {},
                    "weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"},
                },
                "pytorch_model-00001-of-00002.bin": TorchZip({"a": F16, "b": F16}),
                "pytorch_model-00002-of-00002.bin": TorchZip({}),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        paths = (path for path in facts.loaded if is_loaded(facts, path))
        states = {path: state for path in paths if (state := facts.torch_object(path)) is not None}
        is_empty = not any(state.stored for state in states.values())
        for path, state in states.items():
            if state.nested is not None:
                count = len(state.nested.stored)
                message = f"{count} tensors are in {quote(state.pointer)}, and the loader looks for them outside of it"
                yield self.finding(At(path, state.pointer), message)
            elif found := _fault(state, is_empty=is_empty):
                yield self.finding(At(path), found)


def _fault(state: StateDict, *, is_empty: bool) -> str:
    """What is in the place of a dictionary of tensors; a whole module is the business of another rule."""
    if state.module is not None:
        return ""
    if state.root is not Root.MAPPING:
        return f"the file holds {state.root.value}, and the loader looks for a dictionary of tensors"
    if state.nameless:
        return f"{state.nameless} keys of the dictionary are no strings, and the loader raises at the first"
    return "the dictionary in this file holds no tensor" if is_empty and not state.stored else ""
