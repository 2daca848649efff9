"""A device cannot run what the checkpoint is quantised with.

## What it finds
A quantised checkpoint whose method transformers refuses on the devices given: there is no accelerator of the kind that
it needs, or the compute capability of the first one is too low. Without a tag such as `sm_80` nothing is said about the
capability.

## Why it matters
transformers 5.23.0 asks before it reads any weight and stops: `ValueError: FP8 quantized models is only supported on
GPUs with compute capability >= 9.0`, `RuntimeError: GPU is required to run SpQR quantized model`.

## How to put it right
Take a device that has what is needed, or another checkpoint of the model.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, fp8_config, fp8_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

FBGEMM = {name.replace("_scale_inv", "_scale"): tensor for name, tensor in fp8_tensors(128).items()}
ROWS = repository(LLAMA, FBGEMM, quantization_config={"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0})
BLOCKS = repository(LLAMA, fp8_tensors(128), quantization_config=fp8_config(128))


class CapabilityTooLow(Rule):
    id = "DEV030"
    name = "capability-too-low"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take a device that has what is needed, or another checkpoint of the model."
    bad = (
        Example(
            "the kernels of FBGEMM need 9.0",
            ROWS,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["0=1GiB:sm_89"])),
        ),
        Example(
            "and they do not run without an accelerator",
            ROWS,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["cpu=1GiB"])),
        ),
    )
    good = (
        Example("9.0", ROWS, target=Target(devices(["0=1GiB:sm_90"]))),
        Example("nobody says what the device can do", ROWS, near_miss=True, target=Target(devices(["0=1GiB"]))),
        Example(
            "blocks of 8 bits are dequantised where the device is too old: DEV031 says so",
            BLOCKS,
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_80"])),
        ),
        Example(
            "an old device, and nothing quantised",
            repository(LLAMA, llama_tensors()),
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_70"])),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        checkpoint = run.checkpoint if run is not None else None
        if checkpoint is None or not checkpoint.treatment.is_refused:
            return
        treatment, quantisation = checkpoint.treatment, checkpoint.quantisation
        message = f"transformers refuses {quantisation.label} here ({treatment.error}): {treatment.why}"
        yield self.finding(At(facts.inside("config.json"), quantisation.pointer), message)
