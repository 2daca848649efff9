"""A key of the device map is taken for modules that it does not name.

## What it finds
Tensors that transformers places by a key that they do not lie under, and keys that it cannot use. It joins all keys to
one regular expression, escapes nothing and leaves it open at the end: `layers.1` also matches the beginning of
`layers.10`, and a dot any character. One finding for each key, at the first tensor that it catches.

## Why it matters
transformers 5.23.0 puts `layers.10` on the device of `layers.1` where `layers.10` has no key of its own, and says
nothing. Where the text that was matched is no key, it stops with `KeyError: 'lm_head'`, and with `re.error` where the
keys are no regular expression. accelerate 1.15.0 compares whole names.

## How to put it right
Give every layer its own key, or none of them, and use nothing in keys but the paths of modules.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_layer, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.map_places import config_place, map_of, names, tensor_place
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.lookup import Lookup, Trap

MODEL = repository(LLAMA, llama_tensors())
TALL = repository(
    LLAMA,
    {**llama_tensors(), **{name: shape for number in range(2, 12) for name, shape in llama_layer(number).items()}},
    num_hidden_layers=12,
)
TWO = devices(["0-1=1GiB", "cpu=1GiB"])
TENTH = At("model.safetensors", tensor="model.layers.10.input_layernorm.weight")
MOST = 10


class MapPrefixTrap(Rule):
    id = "DEV012"
    name = "map-prefix-trap"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give every module that is named here a key of its own."
    bad = (
        Example(
            "layer 10 goes where layer 1 goes",
            TALL,
            at=(TENTH,),
            target=Target(TWO, explicit={"model.layers.1": 0, "": 1}),
        ),
        Example(
            "a dot matches an underscore, and lm_head is no key: KeyError",
            MODEL,
            at=(At("model.safetensors", tensor="lm_head.weight"),),
            target=Target(TWO, explicit={"lm.head": 0, "model": 1}),
        ),
        Example(
            "a key that is no regular expression",
            MODEL,
            at=(At("config.json"),),
            target=Target(TWO, explicit={"model.layers[0": 0, "": 1}),
        ),
        Example(
            "a key that is one",
            MODEL,
            at=(At("config.json"),),
            target=Target(TWO, explicit={"model.layers.[0-9]+": 0, "": 1}),
        ),
    )
    good = (
        Example("keys of whole modules", TALL, target=Target(TWO, explicit={"model": 0, "lm_head": 1})),
        Example(
            "layer 10 has a key of its own, which is longer and goes first",
            TALL,
            near_miss=True,
            target=Target(TWO, explicit={"model.layers.1": 0, "model.layers.10": 1, "model.layers.11": 1, "": 1}),
        ),
        Example(
            "layers 1 and 10 share a device anyway",
            TALL,
            near_miss=True,
            target=Target(TWO, explicit={"model.layers.1": 0, "": 0}),
        ),
        Example(
            "accelerate compares whole names",
            TALL,
            near_miss=True,
            target=Target(TWO, explicit={"model.layers.1": 0, "": 1}, dialect="accelerate"),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None:
            return
        if lookup.syntax:
            yield self.finding(config_place(facts), _syntax(lookup), hint="Use the paths of modules as keys.")
        for trap in lookup.traps[:MOST]:
            weights = [lookup.model.weights[name] for name in trap.names]
            yield self.finding(tensor_place(facts, weights), _trapped(lookup, trap))


def _syntax(lookup: "Lookup") -> str:
    joined = f"transformers makes one regular expression of all keys of the device map, and {names(lookup.syntax)}"
    if lookup.invalid is not None:
        return f"{joined} makes none: it stops with re.error, {quote(lookup.invalid)}"
    return f"{joined} matches other names there than its own"


def _trapped(lookup: "Lookup", trap: "Trap") -> str:
    caught = f"the key {quote(trap.key)} of the device map also matches {names(trap.modules)}"
    if trap.raises:
        return f"{caught}, as {quote(trap.matched)}, which is no key: transformers stops with KeyError"
    device = lookup.device_map.get(trap.key, "that it names")
    owner = lookup.owners[trap.names[0]]
    meant = "which lies under no key" if owner is None else f"which is for device {lookup.device_map.get(owner)}"
    return f"{caught}, {meant}: transformers puts it on device {device}"
