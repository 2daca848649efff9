"""Quantised weights are dequantised on these devices, and need a multiple of their size.

## What it finds
A quantised checkpoint that transformers loads in full precision here: because no accelerator can compute with it, or
because the library behind the method decompresses the model in front of its first forward pass. The sizes of the dry
run are those after that.

## Why it matters
transformers 5.23.0 says so in a warning at most and goes on: gpt-oss-20b, 13 GiB in MXFP4, comes to 39 GiB. Packed
weights of compressed-tensors 0.20 are placed by their packed size, and the first prompt runs out of memory.

## How to put it right
Take a device of a higher compute capability, plan with the larger size, or take another checkpoint.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, fp8_config, fp8_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

BLOCKS = repository(LLAMA, fp8_tensors(128), quantization_config=fp8_config(128), dtype="bfloat16")


class DequantisedHere(Rule):
    id = "DEV031"
    name = "dequantised-here"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Take a device of a higher compute capability, or plan with the larger size."
    bad = (
        Example(
            "8 bits on a device that has 16",
            BLOCKS,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["0=1GiB:sm_80"])),
        ),
        Example(
            "8 bits without an accelerator",
            BLOCKS,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["cpu=1GiB"])),
        ),
    )
    good = (
        Example("8 bits on a device that has them", BLOCKS, target=Target(devices(["0=1GiB:sm_89"]))),
        Example("nobody says what the device can do", BLOCKS, near_miss=True, target=Target(devices(["0=1GiB"]))),
        Example(
            "the config asks for it",
            repository(LLAMA, fp8_tensors(128), quantization_config=fp8_config(128, dequantize=True)),
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_80"])),
        ),
        Example(
            "nothing is quantised",
            repository(LLAMA, llama_tensors()),
            near_miss=True,
            target=Target(devices(["cpu=1GiB"])),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        checkpoint = run.checkpoint if run is not None else None
        if run is None or run.model is None or checkpoint is None:
            return
        treatment, quantisation = checkpoint.treatment, checkpoint.quantisation
        if not (treatment.is_unpacked or (treatment.is_dequantised and not treatment.is_wanted)):
            return
        loaded = checkpoint.loaded(run.model)
        message = (
            f"weights in {quantisation.label} are dequantised to {run.model.dtype} here, because {treatment.why}: they"
            f" need {size(loaded)} and not the {size(checkpoint.nbytes)} of the files"
        )
        yield self.finding(At(facts.inside("config.json"), quantisation.pointer), message)
