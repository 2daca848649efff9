"""A quantiser takes no device map with the CPU or the disk in it.

## What it finds
A quantised checkpoint with a device map, computed or given, that its quantiser refuses: bitsandbytes, HQQ, quanto,
EETQ, HIGGS, BitNet, FP-Quant and SINQ in part or altogether for modules on the CPU, these and torchao for the disk.

## Why it matters
transformers 5.23.0 makes the map first and then stops: `ValueError: Some modules are dispatched on the CPU or the
disk`. So a model of four bits that almost fits on the accelerator does not load at all.

## How to put it right
Give the accelerators enough memory for all of it. bitsandbytes also takes `llm_int8_enable_fp32_cpu_offload=True` with
a map of one's own; the modules on the CPU are not quantised then.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, Tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule


def int8_tensors() -> Tensors:
    """LLAMA as bitsandbytes stores it in 8 bits."""
    found: Tensors = {}
    for name, (dtype, shape) in llama_tensors().items():
        found[name] = ("I8" if "_proj" in name else dtype, shape)
        if "_proj" in name:
            found[name.replace("weight", "SCB")] = ("F32", shape[:1])
            found[name.replace("weight", "weight_format")] = ("U8", [])
    return found


INT8 = {"quant_method": "bitsandbytes", "load_in_8bit": True}
MODEL = repository(LLAMA, int8_tensors(), quantization_config=INT8)
SPLIT = {"model": 0, "lm_head": "cpu"}


class OffloadRefused(Rule):
    id = "DEV033"
    name = "offload-refused"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give the accelerators enough memory for all of the model."
    bad = (
        Example(
            "eight bits, and the head on the CPU",
            MODEL,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["0=1GiB", "cpu=1GiB"]), explicit=SPLIT),
        ),
        Example(
            "the accelerator is too small",
            MODEL,
            at=(At("config.json", "/quantization_config"),),
            target=Target(devices(["0=2KB", "cpu=1GiB"])),
        ),
    )
    good = (
        Example("all of it on the accelerator", MODEL, target=Target(devices(["0=1GiB", "cpu=1GiB"]))),
        Example("all of it on the CPU", MODEL, near_miss=True, target=Target(devices(["cpu=1GiB"]))),
        Example(
            "the config allows it",
            repository(LLAMA, int8_tensors(), quantization_config={**INT8, "llm_int8_enable_fp32_cpu_offload": True}),
            near_miss=True,
            target=Target(devices(["0=1GiB", "cpu=1GiB"]), explicit=SPLIT),
        ),
        Example(
            "nothing is quantised",
            repository(LLAMA, llama_tensors()),
            near_miss=True,
            target=Target(devices(["0=1GiB", "cpu=1GiB"]), explicit=SPLIT),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        checkpoint = run.checkpoint if run is not None else None
        if run is None or run.plan is None or checkpoint is None or not run.abilities.refusal:
            return
        values = [str(key) for key in dict.fromkeys(run.plan.device_map.values())]
        message = (
            f"{checkpoint.quantisation.label} does not take this device map: it puts modules on {' and '.join(values)},"
            f" and transformers stops with a {run.abilities.refusal}"
        )
        yield self.finding(At(facts.inside("config.json"), checkpoint.quantisation.pointer), message)
