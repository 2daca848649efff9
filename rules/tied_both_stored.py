"""Tied parameters are both stored, so that the plan may have counted one too few.

## What it finds
Two parameters that the class ties into one, with a tensor for each in the files. transformers plans with one of them.
One note for each pair, with the bytes that come on top if the tensors differ; those that are one storage of a torch
file are left out.

## Why it matters
transformers 5.23.0 compares the two when all is loaded. If they differ it does not tie them, says so in a warning, and
keeps both: the device needs more than the plan has counted. Where both lie on disk it ties them without looking.

## How to put it right
If the two are equal, leave one of them out: `save_pretrained` does. If not, set `tie_word_embeddings` to false.
"""

from collections.abc import Iterator

from hfcheck.example import TorchZip
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

TARGET = Target(devices(["0=1GiB"]))
TIED = {**LLAMA, "tie_word_embeddings": True}
HEADLESS = without(llama_tensors(), "lm_head")


class TiedBothStored(Rule):
    id = "DEV019"
    name = "tied-both-stored"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Leave one of them out if they are equal; else set tie_word_embeddings to false."
    bad = (
        Example(
            "an embedding and its head",
            repository(TIED, llama_tensors()),
            at=(At("model.safetensors", tensor="lm_head.weight"),),
            target=TARGET,
        ),
    )
    good = (
        Example("the head is the embedding", repository(TIED, HEADLESS), target=TARGET),
        Example("two tensors that nothing ties", repository(LLAMA, llama_tensors()), near_miss=True, target=TARGET),
        Example(
            "two names for one storage",
            {
                "config.json": TIED,
                "pytorch_model.bin": TorchZip(HEADLESS, tied={"lm_head.weight": "model.embed_tokens.weight"}),
            },
            near_miss=True,
            target=TARGET,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or run.model is None or run.plan is None or run.target.dialect != "transformers":
            return
        weights = run.model.weights
        for target, source in run.model.ties.items():
            if target not in weights or source not in weights:
                continue
            twin, kept = weights[target], weights[source]
            stored = {facts.shared_tensors.get(name, name) for name in (*twin.sources[:1], *kept.sources[:1])}
            if not twin.sources or len(stored) < 2:  # noqa: PLR2004 - one for each
                continue
            device = run.placed.get(target)
            if device == "disk" and run.placed.get(source) == "disk":
                consequence = "both lie on disk, so that transformers ties them without a look at their values"
            else:
                consequence = f"if they differ device {device} needs {size(twin.nbytes)} more than is planned"
            message = f"{quote(target)} is tied to {quote(source)}, and both are stored: {consequence}"
            yield self.finding(At(facts.loaded_tensors[twin.sources[0]], tensor=twin.sources[0]), message)
