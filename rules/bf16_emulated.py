"""A device computes bfloat16 by way of single precision.

## What it finds
A model that is loaded in bfloat16 on a CUDA device below compute capability 8.0. One note for the devices.

## Why it matters
torch 2.13 does not refuse it: `torch.cuda.is_bf16_supported()` counts emulation in. It is slow, and serving engines
stop: `Bfloat16 is only supported on GPUs with compute capability of at least 8.0`.

## How to put it right
Load the model with `dtype="float16"` there, if its activations stay in the range of that.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

MODEL = repository(LLAMA, llama_tensors(), dtype="bfloat16")


class Bf16Emulated(Rule):
    id = "DEV032"
    name = "bf16-emulated"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Load the model in float16 there, if its activations stay in range."
    bad = (
        Example(
            "the config asks for it",
            MODEL,
            at=(At("config.json", "/dtype"),),
            target=Target(devices(["0=1GiB:sm_75"])),
        ),
        Example(
            "the caller asks for it",
            repository(LLAMA, llama_tensors()),
            at=(At("config.json"),),
            target=Target(devices(["0=1GiB:sm_70"]), dtype="bfloat16"),
        ),
    )
    good = (
        Example("8.0 has it", MODEL, target=Target(devices(["0=1GiB:sm_80"]))),
        Example("nobody says what the device can do", MODEL, near_miss=True, target=Target(devices(["0=1GiB"]))),
        Example(
            "the old device is left out of the map",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_80", "1=1GiB:sm_75"]), explicit={"": 0}),
        ),
        Example(
            "half precision instead",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1GiB:sm_75"]), dtype="float16"),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or not run.abilities.emulated:
            return
        fields = [name for name in ("dtype", "torch_dtype") if isinstance((facts.config or {}).get(name), str)]
        is_asked = run.target.dtype == "auto" and fields
        at = At(facts.inside("config.json"), pointer(fields[0]) if is_asked else None)
        keys = [str(device.key) for device in run.abilities.emulated]
        which = f"device {keys[0]} is" if len(keys) == 1 else f"devices {', '.join(keys)} are"
        yield self.finding(
            at, f"{which} below compute capability 8.0, where torch computes bfloat16 in single precision"
        )
