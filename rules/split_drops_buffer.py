"""The computed device map does not cover a buffer.

## What it finds
Buffers that lie under no key of the device map that the planner computes. One finding for the map. Buffers that are in
no file are a warning.

## Why it matters
Where a module does not fit on a device as a whole, the planners of both libraries go on with its parameters and its
children. Its own buffers are forgotten. transformers 5.23.0 and accelerate 1.15.0 load all weights and stop then:
`ValueError: The device_map provided does not give any device for the following parameters: embeddings.position_ids`. In
the wild, a `layer_scalar`: https://github.com/huggingface/accelerate/issues/4014 . A buffer that is in no file stays on
the CPU, and the module that needs it elsewhere may stop at it.

## How to put it right
Give the devices the room that keeps the module whole, or take the map, add the buffer, and pass it.
"""

from collections.abc import Iterator

from hfcheck.example_models import BERT, bert_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.map_places import config_place, map_of, names, tensor_place
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

CLAP = repository(
    {**BERT, "architectures": ["ClapTextModel"], "model_type": "clap_text_model", "type_vocab_size": 2},
    {
        **renamed(without(bert_tensors(), "classifier"), "bert.", ""),
        "embeddings.position_ids": ("I64", [1, 10]),
        "embeddings.token_type_ids": ("I64", [1, 10]),
    },
)
SMALL = devices(["0=1.2KB", "1=1GiB"])
POSITIONS = At("model.safetensors", tensor="embeddings.position_ids")


class SplitDropsBuffer(Rule):
    id = "DEV016"
    name = "split-drops-buffer"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Add a key for the buffer to the computed map and pass that, or give the devices more room."
    bad = (
        Example(
            "the embeddings are split, and the positions among them are forgotten",
            CLAP,
            at=(POSITIONS,),
            target=Target(SMALL, mode="sequential"),
        ),
        Example(
            "the same under accelerate",
            CLAP,
            at=(POSITIONS,),
            target=Target(SMALL, mode="sequential", dialect="accelerate"),
        ),
    )
    good = (
        Example("room for all of it", CLAP, target=Target(devices(["0=1GiB"]))),
        Example(
            "room for the embeddings as a whole",
            CLAP,
            near_miss=True,
            target=Target(devices(["0=2KB", "1=1GiB"]), mode="sequential"),
        ),
        Example(
            "embeddings of a class that never splits them",
            repository(BERT, bert_tensors()),
            near_miss=True,
            target=Target(SMALL, mode="sequential"),
        ),
        Example(
            "a map by hand without the buffer is another fault",
            CLAP,
            near_miss=True,
            target=Target(SMALL, explicit={"encoder": 1, "pooler": 1}),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        lookup = map_of(facts)
        if lookup is None or not lookup.is_computed or lookup.model.no_placement:
            return
        library = lookup.target.dialect
        if lookup.uncovered:
            buffers = names([weight.name for weight in lookup.uncovered])
            message = (
                f"the device map that {library} computes has no key for {buffers}: a module was split, and its buffers"
                " were forgotten, so that the load stops with ValueError at its end"
            )
            yield self.finding(tensor_place(facts, lookup.uncovered), message)
        if lookup.dropped:
            buffers = names([weight.name for weight in lookup.dropped])
            message = (
                f"the device map that {library} computes has no key for {buffers}: a module was split, and its buffers,"
                " which are in no file, stay on the CPU"
            )
            yield self.finding(config_place(facts), message, severity=Severity.WARNING)
