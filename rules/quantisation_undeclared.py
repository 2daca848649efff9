"""The weights are quantised, and the config does not say so in a way that transformers knows.

## What it finds
Tensors that only a quantiser writes, such as `qweight` or `weight_packed`, beside a config without a
`quantization_config`, or with one whose method transformers does not know. One finding.

## Why it matters
transformers 5.23.0 loads such files as if they were weights: the packed tensors are left out and the layers are filled
with random numbers, or the load stops at their shapes. The file of settings that the tool wrote beside them,
`quantize_config.json`, is not read.

## How to put it right
Write the settings into `config.json` as `quantization_config`, with the `quant_method`, or save the model again with a
current version of the tool, which does.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

UP = "model.layers.0.mlp.up_proj"
GPTQ = {
    **without(llama_tensors(), UP),
    f"{UP}.qweight": ("I32", [1, 12]),
    f"{UP}.qzeros": ("I32", [1, 2]),
    f"{UP}.scales": ("F16", [1, 12]),
    f"{UP}.g_idx": ("I32", [8]),
}


class QuantisationUndeclared(Rule):
    id = "WGT025"
    name = "quantisation-undeclared"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the quantization_config with its quant_method into config.json."
    bad = (
        Example(
            "a layer of GPTQ, and a config without a word about it",
            repository(LLAMA, GPTQ),
            at=(At("model.safetensors", tensor=f"{UP}.g_idx"),),
        ),
    )
    good = (
        Example("weights in floating point", repository(LLAMA, llama_tensors())),
        Example(
            "the config declares the method",
            repository(LLAMA, GPTQ, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 8}),
            near_miss=True,
        ),
        Example(
            "scales of the key and value cache alone",
            repository(LLAMA, {**llama_tensors(), "model.layers.0.self_attn.k_scale": ("F32", [1])}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.QUANTISED):
            yield self.finding(at, cause.message, hint=cause.hint)
