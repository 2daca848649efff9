"""A key of the device map lies under another one, on another device.

## What it finds
Keys of a device map that was written by hand, one a module and one inside it, with two devices. A note for the map
where the load succeeds, an error where it does not: where one of the two is offloaded and the other is not. A module
is offloaded on the disk, and on the CPU if the map has an accelerator.

## Why it matters
The inner key wins. But hooks are put on modules from the outermost inwards, by accelerate 1.15.0 for both libraries.
The hook of an outer module that stays on its device puts all that is inside there first, for which there has to be
room, and cannot do so with what is on the disk. The hook of one that is offloaded takes all that is inside away, and
nothing is left for the inner key. Both end, when all weights are read, in `ValueError: weight is on the meta device,
we need a value to put in on 0.` So it is with the key `""` for all the rest: `{"": 0, "lm_head": "disk"}` and
`{"": "cpu", "lm_head": 0}` cannot be loaded.

## How to put it right
Name the parts of the outer module one by one, so that no key lies under another.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place, map_of
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.hooks import Nested
    from hfcheck.placement.lookup import Lookup

MODEL = repository(LLAMA, llama_tensors())
TWO = devices(["0-1=1GiB", "cpu=1GiB", "disk"])
CONFIG = (At("config.json"),)


class MapNestedKeys(Rule):
    id = "DEV014"
    name = "map-nested-keys"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Name the parts of the outer module one by one, so that no key lies under another."
    bad = (
        Example(
            "a layer of a module",
            MODEL,
            at=CONFIG,
            target=Target(TWO, explicit={"model": 0, "model.layers.1": 1, "lm_head": 1}),
        ),
        Example(
            "a part of a module on the disk is an error",
            MODEL,
            at=CONFIG,
            target=Target(TWO, explicit={"model": 0, "model.norm": "disk", "lm_head": 1}),
        ),
        Example(
            "all the rest on the CPU is one too",
            MODEL,
            at=CONFIG,
            target=Target(TWO, explicit={"": "cpu", "lm_head": 0}),
        ),
        Example(
            "the same under accelerate",
            MODEL,
            at=CONFIG,
            target=Target(TWO, explicit={"model": 0, "model.layers.1": 1, "lm_head": 1}, dialect="accelerate"),
        ),
    )
    good = (
        Example("side by side", MODEL, target=Target(TWO, explicit={"model": 0, "lm_head": 1})),
        Example("one device", MODEL, near_miss=True, target=Target(TWO, explicit={"model": 0, "model.norm": 0, "": 1})),
        Example("a key for the rest", MODEL, near_miss=True, target=Target(TWO, explicit={"": 0, "lm_head": 1})),
        Example(
            "a head that is offloaded to the CPU, and a key for the rest",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"": 0, "lm_head": "cpu"}),
        ),
        Example(
            "CPU and disk, side by side",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": "cpu", "lm_head": "disk"}),
        ),
        Example(
            "the beginning of a name, and no module around it",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": 0, "lm_head": 1, "lm_head.weight": 1}),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None or lookup.is_computed:
            return
        for is_error in (True, False):
            pairs = [pair for pair in lookup.nested if pair.raises is is_error]
            if pairs:
                message, severity = _message(lookup, pairs), Severity.ERROR if is_error else None
                yield self.finding(config_place(facts), message, severity=severity)


def _message(lookup: "Lookup", pairs: "list[Nested]") -> str:
    pair = pairs[0]
    outer, inner = lookup.device_map[pair.outer], lookup.device_map[pair.inner]
    more = f"; there are {len(pairs) - 1} more such keys" if len(pairs) > 1 else ""
    nested = f"the device map has {quote(pair.inner)} on {inner} under {quote(pair.outer)} on {outer}"
    if pair.raises:
        return f"{nested}: one of them is offloaded and the other is not, and the load stops with ValueError{more}"
    return f"{nested}: before its {size(pair.nbytes)} come to rest on {inner}, they pass through {outer}{more}"
