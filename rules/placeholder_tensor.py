"""Tensors were saved as empty placeholders.

## What it finds
In the weights that a loader opens: weights without elements and weights of shape `[1]` that stand where matrices
belong. A tensor of shape `[1]` counts where the same module of another layer has a matrix, or where most weights of
the file look like this. One finding for the folder, at the first of them. Quantised checkpoints are left out: they
have empty tensors of their own.

## Why it matters
Under DeepSpeed ZeRO-3 and FSDP each process holds a part of a parameter, and what is left in the model is a
placeholder of shape `[0]` or `[1]`. Saved without gathering, these are all that is in the file. transformers 5.23.0
stops with `RuntimeError` and the advice to set `ignore_mismatched_sizes`, which makes the weights random. Found after
days of training: https://github.com/OpenRLHF/OpenRLHF/issues/839 ,
https://github.com/FlagOpen/FlagEmbedding/issues/873 , https://github.com/deepspeedai/DeepSpeed/issues/7501 ,
https://github.com/deepspeedai/DeepSpeed/issues/1394 .

## How to put it right
Rebuild the weights from the checkpoint of the training with `zero_to_fp32.py`, or save again with
`stage3_gather_16bit_weights_on_model_save` (DeepSpeed) or a full state dict (FSDP). Do not set
`ignore_mismatched_sizes`.
"""

import re
from collections.abc import Iterator, Mapping

from hfcheck.diagnoses import diagnosed
from hfcheck.facts import Facts
from hfcheck.facts import Kind as Home
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
HAVE_A_LOADER = frozenset({Home.TRANSFORMERS, Home.PEFT, Home.DIFFUSERS, Home.SENTENCE_TRANSFORMERS})
QUANTISED_FILES = ("quantize_config.json", "quantization_config.json", "quant_config.json")
QUANTISED_NAMES = ("qweight", "weight_packed", "weight_scale", "g_idx", "absmax", "SCB")
FEWEST = 4
"""Weights of shape [1] from which on they can be the rule in a file."""

Q, K = "model.layers.0.self_attn.q_proj.weight", "model.layers.%d.self_attn.k_proj.weight"
MATRIX, EMPTY, ONE = ("BF16", [8, 16]), ("BF16", [0]), ("BF16", [1])


class PlaceholderTensor(Rule):
    id = "WGT001"
    name = "placeholder-tensor"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Gather the weights before saving: zero_to_fp32.py rebuilds them from a DeepSpeed checkpoint."
    bad = (
        Example(
            "ZeRO-3 without gathering",
            {"config.json": LLAMA, "model.safetensors": {"model.norm.weight": ("BF16", [16]), Q: EMPTY, K % 0: EMPTY}},
            at=(At("model.safetensors", tensor=K % 0),),
        ),
        Example(
            "only the last layer, with placeholders of one element",
            {"config.json": LLAMA, "model.safetensors": {K % 0: MATRIX, K % 1: ONE}},
            at=(At("model.safetensors", tensor=K % 1),),
        ),
        Example(
            "every weight of the file has one element",
            {"config.json": LLAMA, "model.safetensors": {K % layer: ONE for layer in range(4)}},
            at=(At("model.safetensors", tensor=K % 0),),
        ),
        Example(
            "what one process of FSDP holds of a matrix",
            {"config.json": LLAMA, "model.safetensors": {K % 0: MATRIX, K % 1: ("BF16", [0, 16])}},
            at=(At("model.safetensors", tensor=K % 1),),
        ),
    )
    good = (
        Example("matrices", {"config.json": LLAMA, "model.safetensors": {K % 0: MATRIX, K % 1: MATRIX}}),
        Example(
            "scalars: a logit scale, a PReLU with one weight, the counter and the bias of a head with one output",
            {
                "config.json": LLAMA,
                "model.safetensors": {
                    "logit_scale": ("F32", []),
                    "temperature": ONE,
                    "features.0.weight": ("F32", [8, 3, 3, 3]),
                    "features.1.weight": ONE,
                    "features.2.num_batches_tracked": ("I64", []),
                    "score.weight": ("F32", [1, 8]),
                    "score.bias": ONE,
                },
            },
            near_miss=True,
        ),
        Example(
            "the empty group index of a quantised layer",
            {
                "config.json": {**LLAMA, "quantization_config": {"quant_method": "gptq"}},
                "model.safetensors": {"a.qweight": ("I32", [2, 2]), "a.g_idx": ("I32", [0]), "a.bias": ("F16", [0])},
            },
            near_miss=True,
        ),
        Example(
            "no register tokens: every layer has the same empty tensor, as the config wants it",
            {
                "config.json": LLAMA,
                "model.safetensors": {
                    "embeddings.register_tokens": ("F32", [1, 0, 8]),
                    "layers.0.attn.offsets.weight": ("F32", [0, 8]),
                    "layers.0.attn.offsets.bias": ("F32", [0]),
                    "layers.1.attn.offsets.weight": ("F32", [0, 8]),
                },
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        judged = [self.finding(at, cause.message) for cause, at in diagnosed(facts, Kind.PLACEHOLDER)]
        if judged or facts.load.outcome == "loads":  # a model that is built with empty tensors stores empty ones
            yield from judged
            return
        if facts.kind not in HAVE_A_LOADER or any(facts.has_file(facts.inside(name)) for name in QUANTISED_FILES):
            return
        tensors = facts.stored
        if "quantization_config" in (facts.config or {}) or any(name.endswith(QUANTISED_NAMES) for name in tensors):
            return
        found = sorted(_placeholders(tensors))
        if found:
            described = tensors[found[0]].described
            others = f" (the first of {len(found)} among {len(tensors)} tensors)" if len(found) > 1 else ""
            message = f"this tensor is a placeholder, {described}, and not the weight{others}"
            yield self.finding(At(facts.loaded_tensors[found[0]], tensor=found[0]), message)


_NUMBER = re.compile(r"(?<=\.)[0-9]+(?=\.)")


def _placeholders(tensors: Mapping[str, Tensor]) -> set[str]:
    empty = {name for name, tensor in tensors.items() if 0 in tensor.shape}
    single = {name for name, tensor in tensors.items() if tensor.shape == (1,) and name.endswith(".weight")}
    if not empty and not single:
        return set()
    # Layers that are built alike differ in their numbers alone.
    ranks: dict[str, int] = {}
    for name, tensor in tensors.items():
        if name not in empty:
            alike = _NUMBER.sub("#", name)
            ranks[alike] = max(ranks.get(alike, 0), len(tensor.shape))
    weights = sum(name.endswith(".weight") for name in tensors)
    if len(single) >= FEWEST and 2 * len(single) > weights:
        return empty | single
    vectors = {name for name in empty if tensors[name].shape == (0,) and name.endswith(".weight")}
    vectors |= {name for name in empty if name.endswith(".bias") and f"{name[:-5]}.weight" in vectors}
    return (
        vectors
        | {name for name in empty if _NUMBER.sub("#", name) in ranks}
        # In a Sequential the number tells modules apart that have nothing in common: a convolution and its PReLU.
        | {name for name in single if not name.split(".")[-2].isdecimal() and ranks[_NUMBER.sub("#", name)] > 1}
    )
