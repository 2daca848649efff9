"""The context that was asked for is too long: for the memory, or for the model.

## What it finds
A context of so many tokens that a device has too little memory for it, where a shorter one would fit: with the keys and
values that it needs there, and the longest context that fits. As a warning, a context of more tokens than the model has
positions for (`max_position_embeddings`).

## Why it matters
Keys and values grow with each token of each sequence. With transformers 5.23.0 even a layer with a window holds those
of the whole prompt, if it is read in one pass: for 32,768 tokens Gemma 3 27B needs 15.5 GiB after it and 2.9 GiB
while it generates. Beyond its positions a model writes nonsense, or stops with an index out of range.

## How to put it right
Ask for fewer tokens or sequences, read the prompt in parts (`prefill_chunk_size`), or take a larger device.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

if TYPE_CHECKING:
    from hfcheck.placement.result import DeviceUse, DryRun

MODEL = repository(LLAMA, llama_tensors(), max_position_embeddings=2**24)
SHORT = repository(LLAMA, llama_tensors(), max_position_embeddings=64)
EVERYTHING = {"": 0}


class ContextTooLong(Rule):
    id = "DEV005"
    name = "context-too-long"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Ask for fewer tokens or sequences, read the prompt in parts, or take a larger device."
    bad = (
        Example(
            "keys and values of sixteen million tokens",
            MODEL,
            at=(At("config.json"),),
            target=Target(devices(["0=1GiB"]), explicit=EVERYTHING, context=2**24),
        ),
        Example(
            "more tokens than positions: a warning",
            SHORT,
            at=(At("config.json", "/max_position_embeddings"),),
            target=Target(devices(["0=2GiB"]), explicit=EVERYTHING, context=65),
        ),
    )
    good = (
        Example("it fits", MODEL, target=Target(devices(["0=2GiB"]), explicit=EVERYTHING, context=4096)),
        Example(
            "as many tokens as positions",
            SHORT,
            near_miss=True,
            target=Target(devices(["0=2GiB"]), explicit=EVERYTHING, context=64),
        ),
        Example(
            "no context would fit: DEV001 says so",
            MODEL,
            near_miss=True,
            target=Target(devices(["0=1KB"]), explicit=EVERYTHING, context=16),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run, path = facts.dry_run, facts.inside("config.json")
        if run is None or run.target.context is None:
            return
        if run.is_too_long:
            for use in run.devices:
                if use.fit == "does-not-fit":
                    yield self.finding(At(path), _message(run, use))
        if run.positions is not None and run.target.context > run.positions:
            message = f"a context of {run.target.context} tokens, and the model has positions for {run.positions}"
            config = facts.config or {}
            given = "max_position_embeddings" in config
            at = At(path, "/max_position_embeddings") if given else At(path)
            yield self.finding(at, message, severity=Severity.WARNING)


def _message(run: "DryRun", use: "DeviceUse") -> str:
    kept = max(use.prompt_peak, use.kv_cache + use.states)
    largest = run.largest_context
    fitting = f"; at most {largest.perhaps} tokens fit, surely {largest.surely}" if largest is not None else ""
    sequences = f"{run.target.batch} sequences of " if run.target.batch > 1 else ""
    return (
        f"{sequences}{run.target.context} tokens need {size(kept)} for keys and values on device {use.device.key}, "
        f"at least {size(use.low)} in all, and it has {size(use.device.size or 0)}{fitting}"
    )
