"""An accelerator stays empty.

## What it finds
An accelerator of the target on which nothing is placed, with the reason: the first module that would have gone there
did not fit beside what is kept free for the largest layer, or everything had found its place before.

## Why it matters
The planners fill devices one after the other, keep room on the first one for the largest layer that may have to visit
it, and never come back to a device. So a large embedding can leave the first accelerator empty while others overflow:
https://github.com/huggingface/accelerate/issues/3041 .

## How to put it right
Give the device at least the bytes that the message names, take it out of the map, or write the map by hand.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.placement.device import Key, devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.result import DeviceUse, DryRun

MODEL = repository(LLAMA, llama_tensors())


class DeviceLeftEmpty(Rule):
    id = "DEV004"
    name = "device-left-empty"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Give the device more memory, or take it out of the target."
    bad = (
        Example(
            "the first accelerator keeps all of its memory free for the largest layer",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1KB", "1=1GiB", "cpu=1GiB"]), mode="sequential"),
        ),
        Example(
            "the first one takes all",
            MODEL,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=1GiB", "1=1GiB"]), mode="sequential"),
        ),
    )
    good = (
        Example("one accelerator with everything", MODEL, target=Target(devices(["0=1GiB"]))),
        Example(
            "cpu and disk are there to stay empty",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1GiB", "cpu=1GiB", "disk"])),
        ),
        Example(
            "both have a part of it", MODEL, near_miss=True, target=Target(devices(["0=1GiB", "1=1GiB"]), mode="auto")
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or run.plan is None or facts.opened is None or run.parallel is not None:
            return
        for use in run.devices:
            if use.device.is_accelerator and use.is_listed and not use.weights and not use.modules:
                yield self.finding(At(facts.opened), f"nothing is placed on device {use.device.key}: {_why(run, use)}")


def _why(run: "DryRun", use: "DeviceUse") -> str:
    if run.target.explicit is not None:
        return "no key of the device map names it"
    stop = next((stop for stop in (run.plan.stops if run.plan else ()) if stop.device == use.device.key), None)
    if stop is None:
        return f"{_others(run, use.device.key)} before it took all"
    kept = f", of which {size(stop.reserve)} are kept free for {quote(stop.reserve_for)}" if stop.reserve else ""
    least = f"; {size(use.minimum)} would have been enough" if use.minimum else ""
    return f"{quote(stop.module)} needs {size(stop.needs)} and it has {size(stop.budget)}{kept}{least}"


def _others(run: "DryRun", key: Key) -> str:
    before = [use.device.key for use in run.devices if use.modules and use.device.key != key]
    return "the device" if len(before) == 1 else "the devices"
