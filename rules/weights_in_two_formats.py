"""The weights are here as safetensors and as `.bin`, and the loader takes the safetensors.

## What it finds
`pytorch_model.bin` or its shards beside `model.safetensors` or its index, and the same of diffusers and of adapters.
One finding, at the first file that is never opened, with what tells the two apart: names, dtypes and shapes of tensors.
The numbers in them were not compared.

## Why it matters
transformers 5.23.0, diffusers 0.42 and peft 0.21 look for safetensors first. A model that was trained further and
saved with `safe_serialization=False` into the folder of its ancestor loads as the ancestor, without a word:
https://github.com/huggingface/diffusers/issues/14769 . Mostly the two are equal, and cost the room twice.

## How to put it right
Remove the `.bin` files. If they are the newer ones, save them as safetensors first.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.tensor import Tensor, tensors_of
from hfcheck.layout import ADAPTER_WEIGHTS, DIFFUSERS_WEIGHTS, SINGLE_WEIGHTS
from hfcheck.rule import Example, Rule

INDEX, BIN_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"
ONE, BIN_ONE = "model-00001-of-00001.safetensors", "pytorch_model-00001-of-00001.bin"
F16 = ("F16", [2, 3])
PICKLE = b"\x80\x02}q\x00."


class WeightsInTwoFormats(Rule):
    id = "IDX013"
    name = "weights-in-two-formats"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Remove the `.bin` files, or save them as safetensors if they are the newer ones."
    bad = (
        Example(
            "two single files",
            {"model.safetensors": {"a": F16}, "pytorch_model.bin": PICKLE},
            at=(At("pytorch_model.bin"),),
        ),
        Example(
            "shards beside shards",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE}},
                ONE: {"a": F16},
                BIN_INDEX: {"metadata": {}, "weight_map": {"a": BIN_ONE}},
                BIN_ONE: PICKLE,
            },
            at=(At(BIN_INDEX),),
        ),
        Example(
            "an adapter",
            {
                "adapter_config.json": {"peft_type": "LORA"},
                "adapter_model.bin": PICKLE,
                "adapter_model.safetensors": {"a": F16},
            },
            at=(At("adapter_model.bin"),),
        ),
    )
    good = (
        Example("one format", {"pytorch_model.bin": PICKLE}),
        Example(
            "a .bin that is no copy of the model",
            {"model.safetensors": {"a": F16}, "training_args.bin": PICKLE, "mm_projector.bin": PICKLE},
            near_miss=True,
        ),
        Example(
            "an index of .bin files without its shards: IDX014 says so",
            {"model.safetensors": {"a": F16}, BIN_INDEX: {"metadata": {}, "weight_map": {"a": BIN_ONE}}},
            near_miss=True,
        ),
        Example(
            "a model and the adapter in another folder",
            {"model.safetensors": {"a": F16}, "adapter/adapter_config.json": {}, "adapter/adapter_model.bin": PICKLE},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for safe, pickled in (SINGLE_WEIGHTS, DIFFUSERS_WEIGHTS, ADAPTER_WEIGHTS):
            taken = next(filter(facts.has_file, _places(facts, safe)), None)
            idle = next((path for path in _places(facts, pickled) if _is_here(facts, path)), None)
            if taken is not None and idle is not None:
                message = f"the loader takes {quote(taken)} and never opens this file; {_compared(facts, taken, idle)}"
                yield self.finding(At(idle), message)


def _places(facts: Facts, single: str) -> tuple[str, str]:
    return facts.inside(single), facts.inside(f"{single}.index.json")


def _compared(facts: Facts, taken: str, idle: str) -> str:
    """What tells the tensors of two files or indexes apart, as a sentence."""
    mine, theirs = _tensors(facts, taken), _tensors(facts, idle)
    if mine is None or theirs is None:
        return "what is in them was not compared"
    differing = [
        name
        for name in dict.fromkeys((*theirs, *mine))
        if name not in mine or name not in theirs or _told(mine[name]) != _told(theirs[name])
    ]
    if not differing:
        return "their tensors have the same names, dtypes and shapes"
    first = differing[0]
    here, there = (found[first].described if first in found else "absent" for found in (theirs, mine))
    more = f", and {len(differing) - 1} more differ" if len(differing) > 1 else ""
    return f"{quote(first)} is {here} here and {there} there{more}"


def _told(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return tensor.dtype, tensor.shape


def _tensors(facts: Facts, path: str) -> dict[str, Tensor] | None:
    """The tensors of a file, or of all shards of an index; None where one of them is not known."""
    index = next((index for index in facts.indexes if index.path == path), None)
    if index is not None:
        headers = facts.shard_headers(index)
        if headers is None:
            return None
        return tensors_of(headers)
    header = facts.header(path)
    return dict(header.tensors) if header is not None else None


def _is_here(facts: Facts, path: str) -> bool:
    """Whether a file is there, and if it is an index, all of its shards."""
    index = next((index for index in facts.indexes if index.path == path), None)
    return facts.has_file(path) and (index is None or not facts.missing_shards(index))
