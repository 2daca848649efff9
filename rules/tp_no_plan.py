"""The class has no plan for the parallel load that is asked for, or one that does not work.

## What it finds
`--tp` for a class without a tensor parallel plan, `--ep` for one without an expert parallel plan; a plan that names a
list of modules as if it were one linear layer; a head that is tied to an embedding which the plan does not cut; classes
whose plan was tried and fails at every size.

## Why it matters
transformers 5.23.0 builds the model and stops with ``ValueError: `tp_size=2` was requested, but `BertModel` has no
`tp_plan` `` in every process. A class can have a plan while its siblings have none: that of `GptOssForCausalLM` is for
its head alone, and `GptOssModel` has none. Where only the head is cut and it is tied (LFM2), the load ties it to the
whole embedding afterwards: the first forward stops with `RuntimeError: narrow unexpectedly changed concrete size`, and
with a vocabulary that is not divisible it goes through and every logit is wrong.

## How to put it right
Load the model with a device map, or write a plan: `DistributedConfig(tp_size=2, tp_plan={...})`.
"""

from collections.abc import Iterator

from hfcheck.example_models import (
    BERT,
    GPT_OSS,
    LLAMA,
    QWEN3_MOE,
    bert_tensors,
    gpt_oss_tensors,
    llama_of_heads,
    llama_tensors,
    qwen3_moe_tensors,
    repository,
    without,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.parallel_faults import parallel_faults
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

CODE = {"AutoConfig": "chatty.ChattyConfig", "AutoModelForCausalLM": "chatty.ChattyForCausalLM"}
GPUS = devices(["0-1=80GiB"])


class TpNoPlan(Rule):
    id = "DEV042"
    name = "tp-no-plan"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Load it with a device map."
    bad = (
        Example("BERT", repository(BERT, bert_tensors()), at=(At("config.json"),), target=Target(GPUS, tp=2)),
        Example(
            "no experts in Llama",
            repository(LLAMA, llama_tensors()),
            at=(At("config.json"),),
            target=Target(GPUS, tp=2, ep=2),
        ),
        Example(
            "a head that is cut, tied to an embedding that is not",
            repository(GPT_OSS, without(gpt_oss_tensors(), "lm_head"), tie_word_embeddings=True),
            at=(At("config.json"),),
            target=Target(GPUS, tp=2),
        ),
    )
    good = (
        Example("Llama has a plan", llama_of_heads(4, 2), target=Target(GPUS, tp=2)),
        Example(
            "experts with a plan",
            repository(QWEN3_MOE, qwen3_moe_tensors()),
            near_miss=True,
            target=Target(GPUS, tp=2, ep=2),
        ),
        Example(
            "BERT, on one device after the other", repository(BERT, bert_tensors()), near_miss=True, target=Target(GPUS)
        ),
        Example(
            "a class that hfcheck does not know may have one",
            repository(LLAMA, llama_tensors(), model_type="chatty", auto_map=CODE),
            near_miss=True,
            target=Target(GPUS, tp=2),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for fault, at in parallel_faults(facts, "no-plan"):
            yield self.finding(at, fault.message, hint=fault.hint)
