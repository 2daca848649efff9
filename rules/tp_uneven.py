"""The shares of a tensor parallel load are not all of the same size.

## What it finds
A vocabulary, an intermediate size or another width that the size of the group does not divide. Heads are the business
of DEV040 and DEV041.

## Why it matters
transformers 5.23.0 gives the first ranks one row or column more and computes correctly: an intermediate size of 65 is
33 and 32. So the first device needs a little more than the total divided by their number. Other engines refuse: vLLM
pads a vocabulary, and stops at any other width that is not divisible.

## How to put it right
Nothing is wrong for transformers: size each device for the first rank. Resize the embedding to a multiple of the group
(`resize_token_embeddings(pad_to_multiple_of=...)`) where all have to be alike.
"""

from collections.abc import Iterator

from hfcheck.example_models import llama_of_heads
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

GPUS = devices(["0-7=80GiB"])


class TpUneven(Rule):
    id = "DEV044"
    name = "tp-uneven"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Size each device for the first rank."
    bad = (
        Example(
            "a vocabulary of 16 and an intermediate size of 12 for 5 processes",
            llama_of_heads(5, 5),
            at=(At("config.json", pointer="/vocab_size"), At("config.json", pointer="/intermediate_size")),
            target=Target(GPUS, tp=5),
        ),
    )
    good = (
        Example("even", llama_of_heads(4, 4), target=Target(GPUS, tp=4)),
        Example(
            "3 heads for 2 processes are another fault", llama_of_heads(3, 3), near_miss=True, target=Target(GPUS, tp=2)
        ),
        Example("in stages no width is divided", llama_of_heads(5, 5), near_miss=True, target=Target(GPUS, pp=2)),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "uneven"):
            yield self.finding(at, fault.message, hint=fault.hint)
