"""The config asks for an attention that a device has not got.

## What it finds
`attn_implementation` in `config.json` with a FlashAttention that needs another kind of device, or a higher compute
capability, than the target has: 8.0 for the second and third, 9.0 for the fourth.

## Why it matters
transformers 5.23.0 takes the field from the file and stops with an `ImportError` when it builds the model. Of the
second it does not ask the capability: its kernels do, in the first forward pass.

## How to put it right
Remove the field: who loads the model chooses with `attn_implementation=`.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

TENSORS = llama_tensors()
FLASH_2 = repository(LLAMA, TENSORS, attn_implementation="flash_attention_2")
FLASH_4 = repository(LLAMA, TENSORS, attn_implementation={"": "flash_attention_4"})


class AttentionNeedsCapability(Rule):
    id = "DEV035"
    name = "attention-needs-capability"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Remove the field: who loads the model chooses with attn_implementation=."
    bad = (
        Example(
            "on the CPU",
            FLASH_2,
            at=(At("config.json", "/attn_implementation"),),
            target=Target(devices(["cpu=1GiB"])),
        ),
        Example(
            "on a device that is too old for it",
            FLASH_4,
            at=(At("config.json", "/attn_implementation/"),),
            target=Target(devices(["0=1GiB:sm_80"])),
        ),
    )
    good = (
        Example("on a device that has it", FLASH_2, target=Target(devices(["0=1GiB:sm_80"]))),
        Example("nobody says what the device can do", FLASH_4, near_miss=True, target=Target(devices(["0=1GiB"]))),
        Example(
            "the attention of torch runs anywhere",
            repository(LLAMA, TENSORS, attn_implementation="sdpa"),
            near_miss=True,
            target=Target(devices(["cpu=1GiB"])),
        ),
        Example(
            "a field that transformers does not take from a file",
            repository(LLAMA, TENSORS, _attn_implementation_internal="flash_attention_2"),
            near_miss=True,
            target=Target(devices(["cpu=1GiB"])),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        asked = run.abilities.attention if run is not None else None
        if asked is not None:
            message = f"the config asks for {asked.name}, and {asked.why}: the model cannot run so"
            yield self.finding(At(facts.inside("config.json"), asked.pointer), message)
