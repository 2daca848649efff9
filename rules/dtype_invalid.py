"""The config names a type of tensors that torch does not have, or in which no model can be built.

## What it finds
`dtype` or `torch_dtype` of a `config.json` that is no name of a type of torch (`bf16`, `torch.float16`, `auto`), at any
level; and at the top, where no `quantization_config` says otherwise, a type that is not floating or has 8 bits.

## Why it matters
`AttributeError: module 'torch' has no attribute 'bf16'` when the config is read; `ValueError: LlamaForCausalLM cannot
be instantiated under `dtype=torch.int8` as it's not a floating-point dtype` when the model is built. Version 4 built a
model in float32 unless it was told to look at the config, so that nobody saw the latter.

## How to put it right
Write `bfloat16`, `float16` or `float32`: the type of the stored tensors.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.config_faults import brings_config_class
from hfcheck.loading.draft import About
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


class DtypeInvalid(Rule):
    id = "CFG009"
    name = "dtype-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the type of the stored tensors: bfloat16, float16 or float32."
    bad = (
        Example(
            "a nickname", {"config.json": LLAMA | {"torch_dtype": "bf16"}}, at=(At("config.json", "/torch_dtype"),)
        ),
        Example(
            "the module too", {"config.json": LLAMA | {"dtype": "torch.float16"}}, at=(At("config.json", "/dtype"),)
        ),
        Example("integers", {"config.json": LLAMA | {"dtype": "int8"}}, at=(At("config.json", "/dtype"),)),
        Example(
            "in a part",
            {"config.json": {"model_type": "siglip", "vision_config": {"torch_dtype": "fp16"}}},
            at=(At("config.json", "/vision_config/torch_dtype"),),
        ),
    )
    good = (
        Example("bfloat16", {"config.json": LLAMA | {"dtype": "bfloat16"}}),
        Example("the older name", {"config.json": LLAMA | {"torch_dtype": "float16"}}, near_miss=True),
        Example("a short name of torch", {"config.json": LLAMA | {"torch_dtype": "half"}}, near_miss=True),
        Example("null", {"config.json": LLAMA | {"dtype": None}}, near_miss=True),
        Example(
            "the older name is not looked at beside the newer",
            {"config.json": LLAMA | {"dtype": "float32", "torch_dtype": "fp32"}},
            near_miss=True,
        ),
        Example(
            "quantised",
            {"config.json": LLAMA | {"dtype": "int8", "quantization_config": {"quant_method": "fp8"}}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if brings_config_class(facts.config or {}) else Severity.ERROR
        for fault in facts.config_faults:
            if fault.about is About.DTYPE:
                place = At(facts.inside(layout.CONFIG), fault.pointer or None)
                yield self.finding(place, fault.message, severity=severity)
