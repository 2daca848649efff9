"""Keys of the device map are no modules of the model.

## What it finds
Keys of a device map that was written by hand that are neither the path of a module nor the name of a tensor, with the
path that seems to be meant; and names of parameters whose module has no device, or another one. One finding for each of
the two.

## Why it matters
Nothing lies under such a key, so what it was meant for goes elsewhere, or nowhere. Both libraries warn at most, and
after the load: `UserWarning: The following device_map keys do not match any submodules in the model` of accelerate
1.15.0. Keys are paths of *modules*. A parameter that is named gets its device, and no hook brings inputs there. And
transformers 5.23.0 renames tensors when it reads them: what a file has as `language_model.model.layers.0` is the module
`model.language_model.layers.0`. A map that was written from the names in the files, or for an older release, misses all
of it.

## How to put it right
Take the paths of the modules, as `model.named_modules()` lists them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, QWEN3_MOE, llama_tensors, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place, map_of, names
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.lookup import Lookup

MODEL = repository(LLAMA, llama_tensors())
EXPERTS = repository(QWEN3_MOE, qwen3_moe_tensors())
TWO = devices(["0-1=1GiB", "cpu=1GiB"])
CONFIG = (At("config.json"),)
SHOWN = 3


class MapUnknownKey(Rule):
    id = "DEV011"
    name = "map-unknown-key"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Take the paths of modules as keys, as model.named_modules() lists them."
    bad = (
        Example(
            "a parameter on another device than all the rest: no hook is put on a parameter",
            MODEL,
            at=CONFIG,
            target=Target(TWO, explicit={"model": 0, "lm_head.weight": 1}),
        ),
        Example(
            "the prefix is missing", MODEL, at=CONFIG, target=Target(TWO, explicit={"layers.0": 0, "norm": 1, "": 1})
        ),
        Example("a prefix too many", MODEL, at=CONFIG, target=Target(TWO, explicit={"model.lm_head": 0, "": 1})),
        Example("a letter is missing", MODEL, at=CONFIG, target=Target(TWO, explicit={"model": 0, "lm_hed": 1, "": 1})),
        Example(
            "an expert as the file names it: in memory all experts of a layer are one tensor",
            EXPERTS,
            at=CONFIG,
            target=Target(TWO, explicit={"model.layers.0.mlp.experts.1": 1, "": 0}),
        ),
    )
    good = (
        Example("paths of modules", MODEL, target=Target(TWO, explicit={"model": 0, "lm_head": 1})),
        Example(
            "a module without tensors, as computed maps have it",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model.layers.0.mlp.act_fn": 0, "": 1}),
        ),
        Example(
            "a parameter where its module is",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": 0, "lm_head.weight": 1, "lm_head": 1}),
        ),
        Example(
            "a parameter, and all on one device",
            MODEL,
            near_miss=True,
            target=Target(TWO, explicit={"model": 0, "lm_head.weight": 0}),
        ),
        Example("the empty key", MODEL, near_miss=True, target=Target(TWO, explicit={"": 1})),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None or lookup.is_computed:
            return
        if lookup.unhooked:
            several = "is a parameter" if len(lookup.unhooked) == 1 else "are parameters"
            message = (
                f"in the device map {names(lookup.unhooked)} {several}, and the hooks that move inputs and weights are"
                " put on modules alone: the forward may stop there, or give wrong results"
            )
            yield self.finding(config_place(facts), message, hint="Take the path of the module as a key.")
        if not lookup.unknown:
            return
        shown = ", ".join(_with_meaning(lookup, key) for key in lookup.unknown[:SHOWN])
        more = len(lookup.unknown) - SHOWN
        rest = f" and {more} more" if more > 0 else ""
        keys = "a key that is no module" if len(lookup.unknown) == 1 else "keys that are no modules"
        yield self.finding(config_place(facts), f"the device map has {keys} of the model: {shown}{rest}")


def _with_meaning(lookup: "Lookup", key: str) -> str:
    meaning = lookup.meant(key)
    return f"{quote(key, 60)} (the model has {quote(meaning, 60)})" if meaning else quote(key, 60)
