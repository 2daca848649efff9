"""The size of a device is given in bits.

## What it finds
A size of `--device` that ends in `gb`, `mb` or `kb` with a `b` in lower case. One finding for each size.

## Why it matters
accelerate 1.15.0, whose function transformers uses too, reads `GB`, `GiB` and `gib` as bytes, but takes a `b` in lower
case behind a decimal unit for bits: `max_memory={0: "10gb"}` is 1.25e9 bytes, an eighth of what was meant, and most of
the model goes to CPU and disk.

## How to put it right
Write `GB` or `GiB`.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place
from hfcheck.placement.device import devices, is_in_bits
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors())
CONFIG = (At("config.json"),)
BITS = 8


class SizeUnitBits(Rule):
    id = "DEV020"
    name = "size-unit-bits"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the unit with a B in upper case (GB), or in powers of two (GiB)."
    bad = (
        Example("gb", MODEL, at=CONFIG, target=Target(devices(["0=10gb", "cpu=64GiB"]))),
        Example("Gb, for two devices", MODEL, at=CONFIG, target=Target(devices(["0-1=10Gb"]))),
        Example("two sizes", MODEL, at=CONFIG * 2, target=Target(devices(["0=10gb", "cpu=64000mb"]))),
    )
    good = (
        Example("GiB", MODEL, target=Target(devices(["0=10GiB"]))),
        Example("gib: a power of two has no bits", MODEL, near_miss=True, target=Target(devices(["0=10gib"]))),
        Example("GB", MODEL, near_miss=True, target=Target(devices(["0=10GB"]))),
        Example("gB", MODEL, near_miss=True, target=Target(devices(["0=10gB"]))),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.dry_run is None:
            return
        sizes = {device.given: device for device in facts.dry_run.target.devices if is_in_bits(device.given)}
        for given, device in sizes.items():
            nbytes = device.size or 0
            message = (
                f"the size {quote(given)} of device {device.key} is {size(nbytes)} to the loaders, which take the b for"
                f" bits; with a B it would be {size(nbytes * BITS)}"
            )
            yield self.finding(config_place(facts), message)
