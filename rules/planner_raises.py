"""The planner of the library stops with an exception.

## What it finds
A device map that cannot be computed for these devices and this mode: what the planner raises, and why. And one with
which accelerate reads no file.

## Why it matters
The exceptions say little of their cause. Both libraries raise `KeyError: 0` for balanced_low_0 without accelerators 0
to n-1, and `IndexError: list index out of range` for a parameter that is tied to one that has found its place before:
so it is with the head of `BertForMaskedLM`, whose bias is tied, if a device ends between its parts. accelerate 1.15.0
raises `RuntimeError: Expected one of cpu, cuda, ... device type at start of device string: disk` for a size of the
disk, transformers 5.23.0 `ValueError: max() iterable argument is empty` for a class that names modules which are never
split and has none. Where all of a model goes to the disk, accelerate stops at the first file with `SafetensorError:
device disk is invalid`.

## How to put it right
The message says what to change: the numbers of the accelerators, the mode, or a map by hand.
"""

from collections.abc import Iterator

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.map_places import config_place
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors())
HEAD = {
    "cls.predictions.bias": ("F32", [16]),
    "cls.predictions.transform.dense.weight": ("F32", [8, 8]),
    "cls.predictions.transform.dense.bias": ("F32", [8]),
    "cls.predictions.transform.LayerNorm.weight": ("F32", [8]),
    "cls.predictions.transform.LayerNorm.bias": ("F32", [8]),
}
MASKED = repository(
    BERT, {**without(bert_tensors(), "classifier", "pooler"), **HEAD}, architectures=["BertForMaskedLM"]
)
CONFIG = (At("config.json"),)
LATER = devices(["1-2=1GiB", "cpu=1GiB"])
SAFETENSORS = (".safetensors", ".safetensors.index.json")
SIZED_DISK = devices(["0-1=1GiB", "cpu=1GiB", "disk=100GiB"])


class PlannerRaises(Rule):
    id = "DEV017"
    name = "planner-raises"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Change the numbers of the accelerators or the mode, as the message says, or write the device map by hand."
    bad = (
        Example(
            "balanced_low_0 without an accelerator 0",
            MODEL,
            at=CONFIG,
            target=Target(LATER, mode="balanced_low_0"),
        ),
        Example(
            "the same under accelerate",
            MODEL,
            at=CONFIG,
            target=Target(LATER, mode="balanced_low_0", dialect="accelerate"),
        ),
        Example(
            "a size of the disk in a balanced mode of accelerate",
            MODEL,
            at=CONFIG,
            target=Target(SIZED_DISK, dialect="accelerate"),
        ),
        Example(
            "a device that ends in the head of BERT, whose bias is tied",
            MASKED,
            at=CONFIG,
            target=Target(devices(["0=3.5KB", "1=1GiB"]), mode="sequential"),
        ),
        Example(
            "nothing fits anywhere, and accelerate puts all of it on the disk",
            MODEL,
            at=CONFIG,
            target=Target(devices(["0=1KB", "cpu=1KB"]), mode="sequential", dialect="accelerate"),
        ),
    )
    good = (
        Example("numbered from 0", MODEL, target=Target(devices(["0-1=1GiB"]), mode="balanced_low_0")),
        Example("accelerators 1 and 2, balanced", MODEL, near_miss=True, target=Target(LATER, mode="balanced")),
        Example("a size of the disk in transformers", MODEL, near_miss=True, target=Target(SIZED_DISK)),
        Example(
            "a size of the disk in sequential mode",
            MODEL,
            near_miss=True,
            target=Target(SIZED_DISK, mode="sequential", dialect="accelerate"),
        ),
        Example(
            "a device that ends behind the head of BERT",
            MASKED,
            near_miss=True,
            target=Target(devices(["0=4KB", "1=1GiB"]), mode="sequential"),
        ),
        Example(
            "one accelerator, number 1: low_0 is ignored then",
            MODEL,
            near_miss=True,
            target=Target(devices(["1=1GiB"]), mode="balanced_low_0"),
        ),
        Example(
            "all of it on the disk in transformers",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1KB", "cpu=1KB"]), mode="sequential"),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or run.target.explicit is not None:
            return
        library = run.target.dialect
        if run.plan is None and run.raises is not None:
            stops = f"{library} computes no device map and stops with {run.raises.error}"
            yield self.finding(config_place(facts), f"{stops}: {run.raises.reason}")
        elif run.lookup is not None and run.lookup.is_all_on_disk and (facts.opened or "").endswith(SAFETENSORS):
            message = (
                f"{library} computes a device map with the disk alone and stops with SafetensorError: it hands the only"
                " device of a map to safetensors, which knows none by this name"
            )
            yield self.finding(config_place(facts), message, hint="Give a device that takes a part of the model.")
