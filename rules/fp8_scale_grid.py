"""Scales do not divide their weight evenly, and the weights have to be dequantised here.

## What it finds
Weights of 8 bits with scales for blocks, on devices for which transformers dequantises them, whose last block is
smaller than the others. An error in both cases: where the number of rows or columns is no multiple of the number of
scales the load stops; where it is one, every block but the first gets rows of its neighbour.

## Why it matters
transformers 5.23.0 takes the size of a block from the number of scales (`Fp8Dequantize`): 192 rows with scales for 128
and 64 are read as twice 96. It stops with `Weight shape (320, 128) not divisible by scale grid (3, 1)`, and else loads
wrong numbers without a word. On an accelerator that computes in 8 bits neither happens.

## How to put it right
Run the model on a device with compute capability 8.9 or more, or take a checkpoint that is not quantised.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, fp8_config, fp8_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

CPU = Target(devices(["cpu=1GiB"]))


def blocks(edge: int) -> dict[str, object]:
    """LLAMA in 8 bits, in blocks of this edge."""
    return repository(LLAMA, fp8_tensors(edge), quantization_config=fp8_config(edge))


class Fp8ScaleGrid(Rule):
    id = "DEV034"
    name = "fp8-scale-grid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Run the model on a device with compute capability 8.9 or more."
    bad = (
        Example(
            "three scales for eight rows",
            blocks(3),
            at=(At("model.safetensors", tensor="model.layers.0.self_attn.q_proj.weight_scale_inv"),),
            target=CPU,
        ),
        Example(
            "two scales for twelve rows in blocks of eight: loaded, and wrong",
            blocks(8),
            at=(At("model.safetensors", tensor="model.layers.0.mlp.gate_proj.weight_scale_inv"),),
            target=CPU,
        ),
    )
    good = (
        Example("one block for each weight", blocks(128), target=CPU),
        Example("blocks that fit", blocks(4), near_miss=True, target=CPU),
        Example(
            "a device that computes in 8 bits",
            blocks(8),
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_90"])),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        checkpoint = run.checkpoint if run is not None else None
        if checkpoint is None or not checkpoint.treatment.is_dequantised:
            return
        uneven = list(checkpoint.uneven())
        for is_refused in (True, False):
            same = [one for one in uneven if one.is_refused is is_refused]
            if not same:
                continue
            first = same[0]
            verdict = "the load stops" if is_refused else "they are taken for blocks of another size: wrong numbers"
            message = (
                f"weights are dequantised here, and {list(first.weight)} has scales {list(first.scales)}: {verdict}"
            )
            if len(same) > 1:
                message += f"; {len(same) - 1} more are like it"
            yield self.finding(At(facts.loaded_tensors[first.name], tensor=first.name), message)
