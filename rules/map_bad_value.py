"""A value of the device map names no device, or one that is not there.

## What it finds
Values of a device map that was written by hand: negative numbers, words that are no device, values that are neither
number nor text, and devices that were not given with `--device`. The number of a device as text (`"0"`) is a note. One
finding for each kind.

## Why it matters
transformers 5.23.0 hands every value to torch, after the model was built: `RuntimeError: Device index must not be
negative`, `RuntimeError: Invalid device string: '0'`, `TypeError: device() received an invalid combination of
arguments`. accelerate 1.15.0 hands it to safetensors: `SafetensorError: device gpu is invalid`. Maps that went through
other tools may have lost their numbers to text: hfcheck takes `"0"` for 0, the loaders do not.

## How to put it right
Write the number of an accelerator, `"cpu"` or `"disk"`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place, map_of
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.lookup import Lookup

MODEL = repository(LLAMA, llama_tensors())
TWO = devices(["0-1=1GiB", "cpu=1GiB"])
CONFIG = (At("config.json"),)


class MapBadValue(Rule):
    id = "DEV015"
    name = "map-bad-value"
    severity = Severity.ERROR
    since = "0.1"
    hint = 'Write the number of an accelerator, "cpu" or "disk".'
    bad = (
        Example("a negative number", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": -1})),
        Example("a word", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": "gpu"})),
        Example("null", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": None})),
        Example("true is no 1", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": True})),
        Example(
            "an accelerator that nobody gave", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": 2})
        ),
        Example(
            "a disk that nobody gave", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_head": "disk"})
        ),
        Example(
            "numbers as text: a note", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": "0", "lm_head": "1"})
        ),
    )
    good = (
        Example("numbers", MODEL, target=Target(TWO, explicit={"model": 0, "lm_head": 1})),
        Example(
            "torch's names of devices",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": "cuda:0", "lm_head": "cpu"}),
        ),
        Example(
            "cuda without a number is the current one", MODEL, near_miss=True, target=Target(TWO, explicit={"": "cuda"})
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None:
            return
        kinds: dict[str, list[str]] = {}
        for key, value in lookup.values.items():
            if value.fault:
                kinds.setdefault(value.fault, []).append(key)
        for fault, keys in kinds.items():
            severity = Severity.NOTE if fault == "text" else None
            hint = "Give the device with --device, or put another one into the map." if fault == "unlisted" else None
            yield self.finding(config_place(facts), _message(lookup, fault, keys), hint=hint, severity=severity)


def _message(lookup: "Lookup", fault: str, keys: list[str]) -> str:
    key = keys[0]
    more = f"; and {len(keys) - 1} more" if len(keys) > 1 else ""
    given = f"the device map gives {quote(key)} the value {lookup.shown(key)}"
    if fault == "text":
        return f"{given}, a number as text, which is taken for {lookup.device_map[key]} here and by no loader{more}"
    if fault == "unlisted":
        return f"{given}, and no such device is given{more}"
    value = lookup.values[key]
    return f"{given}, which names no device: the load stops with {lookup.error_of(value)}{more}"
