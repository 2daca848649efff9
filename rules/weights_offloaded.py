"""Weights wait on the CPU or on the disk.

## What it finds
Bytes of weights that the device map puts on `cpu` or `disk` although there is an accelerator, with the modules that
they belong to. A map of the CPU alone is no such case: there the model runs where it lies.

## Why it matters
Both libraries copy such a module to the accelerator for each pass and throw the copy away. A token then costs the time
in which these bytes cross the bus, or are read from the disk: seconds instead of milliseconds. Nothing is said but a
line in a log; people find out from the speed, or from an error about a missing folder:
https://github.com/huggingface/accelerate/issues/1281 .

## How to put it right
Give the accelerators more memory, add one, load in a smaller type, or accept it. The dry run says which single change
was found to help.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors())
NAMED = 2
"""Modules that a message names."""


class WeightsOffloaded(Rule):
    id = "DEV003"
    name = "weights-offloaded"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Give the accelerators more memory, or load in a smaller type."
    bad = (
        Example(
            "an accelerator too small for all layers",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=2KB", "cpu=1GiB"]), mode="sequential"),
        ),
        Example(
            "what nothing takes goes to the disk",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=2KB", "cpu=1KB", "disk"]), mode="sequential"),
        ),
    )
    good = (
        Example("all on one accelerator", MODEL, target=Target(devices(["0=1GiB", "cpu=1GiB"]))),
        Example("on the CPU alone: it runs there", MODEL, near_miss=True, target=Target(devices(["cpu=1GiB"]))),
        Example(
            "two small accelerators are enough",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=5KB", "1=5KB", "cpu=1GiB"]), mode="sequential"),
        ),
        Example("nobody asked about devices", MODEL, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or facts.opened is None or not any(use.device.is_accelerator for use in run.devices):
            return
        away = [use for use in run.devices if not use.device.is_accelerator and use.weights]
        if not away:
            return
        whole = sum(use.weights for use in run.devices)
        told = [f"{size(use.weights)} on {use.device.key}{_modules(use.modules)}" for use in away]
        message = f"of {size(whole)} of weights, {' and '.join(told)} cross to an accelerator in every pass"
        hint = f"{run.changes[0].words} would do." if run.changes else None
        yield self.finding(At(facts.opened), message, hint=hint)


def _modules(modules: tuple[str, ...]) -> str:
    if not modules:
        return " (what no key of the map covers)"
    if modules == ("",):
        return ""
    named = ", ".join(quote(module) for module in modules[:NAMED])
    return f" ({named} and {len(modules) - NAMED} more)" if len(modules) > NAMED else f" ({named})"
