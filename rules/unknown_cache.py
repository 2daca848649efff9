"""It is not known what some layers of the model keep while it generates.

## What it finds
Layers for which the data of hfcheck has no rule, or a model whose class is not known: what they keep of each token, or
as a state, is not among the exact figures. The high end of the memory is reckoned as if each of them kept keys and
values of the whole width.

## Why it matters
Of the figures of a dry run the cache is then an estimate, and so are the largest context and batch. One formula for all
models is wrong by up to eight times: https://github.com/unslothai/unsloth/pull/4757 .

## How to put it right
Nothing is wrong with the model. Run it once with the context that is needed, and look at the memory that it takes.
"""

from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

TARGET = Target(devices(["0=2GiB"]))
XLSTM = {
    "architectures": ["xLSTMForCausalLM"],
    "model_type": "xlstm",
    "vocab_size": 16,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_heads": 2,
}


class UnknownCache(Rule):
    id = "DEV051"
    name = "unknown-cache"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Run it once with the context that is needed, and look at the memory that it takes."
    bad = (
        Example(
            "the class is code of the repository",
            repository(
                LLAMA,
                llama_tensors(),
                model_type="own",
                auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
            ),
            at=(At("config.json"),),
            target=TARGET,
        ),
        Example(
            "layers of a kind for which there is no rule",
            repository(XLSTM, {"lm_head.weight": ("F32", [16, 8])}),
            at=(At("config.json"),),
            target=TARGET,
        ),
    )
    good = (
        Example("all is known of it", repository(LLAMA, llama_tensors()), target=TARGET),
        Example(
            "a class that does not generate",
            repository(LLAMA, llama_tensors(), architectures=["LlamaModel"]),
            near_miss=True,
            target=TARGET,
        ),
        Example("nobody asked for devices", repository(LLAMA, llama_tensors(), model_type="own"), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        if run is None or run.cache is None:
            return
        for phrase in run.cache.unknown:
            message = f"it is not known what the model keeps while it generates in {phrase}"
            yield self.finding(At(facts.inside("config.json")), message)
