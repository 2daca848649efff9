"""The modules of the model are guessed from the names of its tensors.

## What it finds
A dry run of a model whose class is code of the repository, or one of which hfcheck has no certain data. Modules, their
order and the blocks that are not split are then taken from the names of the tensors. Ties, buffers and modules without
tensors are not known.

## Why it matters
A loader places modules in the order of the class, which no weight file tells: the map that is shown is near to the real
one, and not one to copy. The bytes of each device are nearly right.

## How to put it right
Nothing is wrong with the model. Take the totals for each device, leave some room, and let the loader make the map.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

TARGET = Target(devices(["0=1GiB", "cpu=1GiB"]))


class ApproximateTree(Rule):
    id = "DEV050"
    name = "approximate-tree"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Take the totals for each device, leave some room, and let the loader make the map."
    bad = (
        Example(
            "the class is code of the repository",
            repository(
                LLAMA,
                llama_tensors(),
                model_type="own",
                architectures=["OwnForCausalLM"],
                auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
            ),
            at=(At("config.json"),),
            target=TARGET,
        ),
        Example(
            "a class that is not certified",
            repository(
                {"model_type": "recurrent_gemma", "architectures": ["RecurrentGemmaForCausalLM"], "dtype": "bfloat16"},
                llama_tensors(),
            ),
            at=(At("config.json"),),
            target=TARGET,
        ),
    )
    good = (
        Example("a class of the atlas", repository(LLAMA, llama_tensors()), target=TARGET),
        Example(
            "a known type with code beside it, which no loader runs without being told to",
            repository(LLAMA, llama_tensors(), auto_map={"AutoModelForCausalLM": "own.OwnForCausalLM"}),
            near_miss=True,
            target=TARGET,
        ),
        Example(
            "an encoder with another order than its names",
            repository(BERT, bert_tensors()),
            near_miss=True,
            target=TARGET,
        ),
        Example("nobody asked for devices", repository(LLAMA, llama_tensors(), model_type="own"), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is not None and run.model is not None and not run.model.exact:
            yield self.finding(At(facts.inside(layout.CONFIG)), run.model.inexact)
