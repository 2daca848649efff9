"""The weights fit on a device, and what is needed to make them does not.

## What it finds
A device whose memory is enough for its weights and not for these and the temporary tensors of the load: transformers
stacks the experts of a layer into one tensor, so that both are there for a moment; accelerate keeps all tensors of a
shard until its last one is in the model, also those that it casts to another type. The figure is an upper bound: it
takes all other weights for loaded already.

## Why it matters
The load ends in `torch.OutOfMemoryError` though the map says that the weights fit. For the experts of one layer 4.22
GiB were missing: https://github.com/huggingface/transformers/issues/48756 .

## How to put it right
Leave that much free on the device: give it a smaller share with `max_memory`, or move modules to another one.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, QWEN3_MOE, llama_tensors, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MOE = repository(QWEN3_MOE, qwen3_moe_tensors())
DENSE = repository(LLAMA, llama_tensors())
EVERYTHING = {"": 0}


class ConversionPeak(Rule):
    id = "DEV006"
    name = "conversion-peak"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Leave that much free on the device: give it a smaller share with max_memory."
    bad = (
        Example(
            "the experts of a layer are stacked on a device that is almost full",
            MOE,
            at=(At("model.safetensors", tensor="model.layers.0.mlp.experts.0.gate_proj.weight"),),
            target=Target(devices(["0=3.5KB"]), explicit=EVERYTHING),
        ),
        Example(
            "accelerate keeps a whole shard beside the weights that it casts",
            DENSE,
            at=(At("model.safetensors"),),
            target=Target(devices(["0=4KB"]), explicit=EVERYTHING, dialect="accelerate", dtype="float16"),
        ),
    )
    good = (
        Example("room enough", MOE, target=Target(devices(["0=1GiB"]), explicit=EVERYTHING)),
        Example(
            "the weights alone do not fit: DEV001 says so",
            MOE,
            near_miss=True,
            target=Target(devices(["0=1KB"]), explicit=EVERYTHING),
        ),
        Example(
            "dense weights are only renamed",
            DENSE,
            near_miss=True,
            target=Target(devices(["0=5.1KB"]), explicit=EVERYTHING),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or run.model is None:
            return
        for use in run.devices:
            peak, total = run.peaks.get(use.device.key), use.device.size
            lasting = use.weights + use.buffers
            if peak is None or total is None or not lasting <= total < lasting + peak.nbytes:
                continue
            weight = run.model.weights.get(peak.cause)
            source = weight.sources[0] if weight is not None and weight.sources else None
            at = At(peak.cause) if source is None else At(facts.loaded_tensors[source], tensor=source)
            made = "the tensors that it casts" if weight is None else f"making {quote(peak.cause)}"
            yield self.finding(
                at,
                f"{made} takes up to {size(peak.nbytes)} on device {use.device.key} beside {size(lasting)} of weights"
                f" and buffers, and it has {size(total)}",
            )
