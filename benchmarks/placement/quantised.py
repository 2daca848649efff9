"""Device maps of quantised models from headers, against those that transformers makes with the real quantisers.

    python -m benchmarks.placement.quantised [CASE ...]

Each model is built on the meta device, small but with everything that the method has, and its quantiser replaces its
modules; the header is what `save_pretrained` and the quantiser would have stored. Compared are the size of every module
and the maps under every budget. Cases whose library is not installed are left out.
"""

import copy
import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any
from unittest.mock import patch

import torch
import transformers
from transformers import initialization
from transformers.core_model_loading import revert_weight_conversion
from transformers.integrations import accelerate as of_transformers
from transformers.modeling_utils import local_torch_dtype
from transformers.quantizers.auto import AutoHfQuantizer

from benchmarks.placement.oracle import ours, target_of
from hfcheck.formats.safetensors import BITS
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.judge import judge
from hfcheck.placement.device import Key, devices
from hfcheck.placement.model import Model
from hfcheck.placement.target import Mode, Target
from hfcheck.placement.tree import model_of

Json = dict[str, Any]
Shape = tuple[int, ...]
Stored = dict[str, tuple[str, Shape]]
Quantise = Callable[[str, Shape], Stored]

MODES: tuple[Mode, ...] = ("auto", "balanced_low_0", "sequential")
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 2.0)
"""Budgets of each accelerator, as parts of the model."""

DTYPES = {"torch.bfloat16": "BF16", "torch.float32": "F32", "torch.int64": "I64"}
QUANTISED = ("FP8", "Fp8", "Linear4bit", "Linear8bitLt", "Mxfp4GptOssExperts")


@dataclass(frozen=True, slots=True)
class Case:
    """A class with its config, what the config says of quantisation, and how a matrix is stored then."""

    name: str
    sizes: Json
    settings: Json
    quantise: Quantise
    needs: str = "torch"

    @property
    def class_name(self) -> str:
        return f"{self.name}{'LMHeadModel' if self.name == 'GPT2' else 'ForCausalLM'}"


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The real model behind its quantiser, and ours."""

    model: Any
    quantiser: Any
    ours: Model


def fp8(edges: tuple[int, int] | None = (128, 128)) -> Quantise:
    def quantise(name: str, shape: Shape) -> Stored:
        rows, columns = shape
        scales = (1, 1) if edges is None else (-(-rows // edges[0]), -(-columns // edges[1]))
        return {name: ("F8_E4M3", shape), f"{name}_scale_inv": ("F32", scales)}

    return quantise


def nf4(name: str, shape: Shape) -> Stored:
    """Statistics nested, blocks of 64 weights and 256 statistics."""
    count = prod(shape)
    return {
        name: ("U8", ((count + 1) // 2, 1)),
        f"{name}.absmax": ("U8", (-(-count // 64),)),
        f"{name}.quant_map": ("F32", (16,)),
        f"{name}.nested_absmax": ("F32", (-(-count // 64 // 256),)),
        f"{name}.nested_quant_map": ("F32", (256,)),
        f"{name}.quant_state.bitsandbytes__nf4": ("U8", (130,)),
    }


def int8(name: str, shape: Shape) -> Stored:
    module = name.rpartition(".")[0]
    return {name: ("I8", shape), f"{module}.SCB": ("F32", shape[:1]), f"{module}.weight_format": ("U8", ())}


def by_row(name: str, shape: Shape) -> Stored:
    return {name: ("F8_E4M3", shape), f"{name}_scale": ("F32", (shape[0], 1))}


def mxfp4(name: str, shape: Shape) -> Stored:
    experts, inputs, outputs = shape
    blocks = (experts, outputs, inputs // 32)
    return {f"{name}_blocks": ("U8", (*blocks, 16)), f"{name}_scales": ("U8", blocks)}


def torchao(name: str, shape: Shape) -> Stored:
    module = name.rpartition(".")[0]
    return {f"{module}._weight_qdata": ("I8", shape), f"{module}._weight_scale": ("BF16", (shape[0], 1))}


def packed(name: str, shape: Shape) -> Stored:
    """Four bits, eight to an integer, and a scale for each group of 128."""
    module, (rows, columns) = name.rpartition(".")[0], shape
    return {
        f"{module}.weight_packed": ("I32", (rows, -(-columns // 8))),
        f"{module}.weight_scale": ("BF16", (rows, -(-columns // 128))),
        f"{module}.weight_shape": ("I64", (2,)),
    }


def by_channel(name: str, shape: Shape) -> Stored:
    return {name: ("F8_E4M3", shape), f"{name}_scale": ("BF16", (shape[0], 1))}


def _compressed(form: str, weights: Json) -> Json:
    """What compressed-tensors declares for one group of all linear layers."""
    group = {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}
    return {
        "quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
        "ignore": ["lm_head"], "config_groups": {"group_0": group},
    }  # fmt: skip


FP8: Json = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
NF4: Json = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
INT8: Json = {"quant_method": "bitsandbytes", "load_in_8bit": True}
FBGEMM: Json = {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}
AO: Json = {
    "quant_method": "torchao", "modules_to_not_convert": None,
    "quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_version": 2, "_data": {}}},
}  # fmt: skip

PACKED: Json = _compressed(
    "pack-quantized", {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
)
CHANNELS: Json = _compressed(
    "float-quantized", {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}
)

_SIZES: Json = {"vocab_size": 64, "hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
LLAMA: Json = {**_SIZES, "intermediate_size": 640, "num_key_value_heads": 2, "attention_bias": True}
TIED: Json = {**LLAMA, "tie_word_embeddings": True}
MOE: Json = {
    **_SIZES, "num_key_value_heads": 2, "head_dim": 64, "num_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 192, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
DEEPSEEK: Json = {
    **_SIZES, "intermediate_size": 384, "num_key_value_heads": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 128, "first_k_dense_replace": 1, "q_lora_rank": 64, "kv_lora_rank": 128,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 32, "v_head_dim": 32, "n_group": 1, "topk_group": 1,
}  # fmt: skip
GPT_OSS: Json = {**_SIZES, "intermediate_size": 192, "num_key_value_heads": 2, "head_dim": 64, "num_local_experts": 4}
GPT2: Json = {"vocab_size": 64, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 32}

CASES: Mapping[str, Case] = {
    "fp8": Case("Llama", LLAMA, FP8, fp8()),
    "fp8-tied": Case("Llama", TIED, FP8, fp8()),
    "fp8-one-scale": Case("Llama", LLAMA, {**FP8, "weight_block_size": None}, fp8(None)),
    "fp8-ue8m0": Case("Llama", LLAMA, {**FP8, "weight_block_size": [1, 32], "scale_fmt": "ue8m0"}, fp8((1, 32))),
    "fp8-experts": Case("Qwen3Moe", MOE, FP8, fp8()),
    "fp8-latent": Case("DeepseekV3", DEEPSEEK, FP8, fp8()),
    "fp8-static": Case("DeepseekV3", DEEPSEEK, {**FP8, "scale_fmt": "ue8m0", "activation_scheme": "static"}, fp8()),
    "mxfp4": Case("GptOss", GPT_OSS, {"quant_method": "mxfp4"}, mxfp4),
    "fbgemm": Case("Llama", LLAMA, FBGEMM, by_row),
    "nf4": Case("Llama", LLAMA, NF4, nf4, "bitsandbytes"),
    "nf4-tied": Case("Llama", TIED, NF4, nf4, "bitsandbytes"),
    "nf4-conv1d": Case("GPT2", GPT2, NF4, nf4, "bitsandbytes"),
    "nf4-experts": Case("Qwen3Moe", MOE, NF4, nf4, "bitsandbytes"),
    "int8": Case("Llama", LLAMA, INT8, int8, "bitsandbytes"),
    "int8-conv1d": Case("GPT2", GPT2, INT8, int8, "bitsandbytes"),
    "torchao": Case("Llama", LLAMA, AO, torchao, "torchao"),
    "packed": Case("Llama", LLAMA, PACKED, packed, "compressed_tensors"),
    "channels": Case("Llama", LLAMA, CHANNELS, by_channel, "compressed_tensors"),
}


def pair_of(case: Case) -> Pair:
    """The model of a case, theirs and ours."""
    model_class: Any = getattr(transformers, case.class_name)
    config: Any = getattr(transformers, f"{case.name}Config")(**case.sizes)
    config.dtype, config.quantization_config = torch.bfloat16, case.settings
    with (
        _without_kernels(),
        initialization.no_tie_weights(),
        torch.device("meta"),
        local_torch_dtype(torch.bfloat16, case.class_name),
    ):
        dense, model = model_class(copy.deepcopy(config)), model_class(config)
        quantiser = AutoHfQuantizer.from_config(case.settings, pre_quantized=True)
        quantiser.use_fp8_kernel = False  # `validate_environment` of compressed-tensors says so, without a GPU
        quantiser.preprocess_model(
            model=model, dtype=torch.bfloat16, device_map=None, checkpoint_files=None, use_kernels=False
        )
    stored = _stored(case, dense, model, quantiser)
    declared = json.loads(config.to_json_string(use_diff=False))
    declared |= {"architectures": [case.class_name], "dtype": "bfloat16", "quantization_config": case.settings}
    tensors = {
        name: Tensor(dtype, tuple(shape), 0, prod(shape) * BITS[dtype] // 8) for name, (dtype, shape) in stored.items()
    }
    target = Target(devices(["0=80GiB:sm_90", "cpu=80GiB"]))
    return Pair(model, quantiser, model_of(judge(declared, tensors, {}), declared, tensors, target))


def _without_kernels() -> ExitStack:
    """Kernels are fetched from the network or need a GPU, and no size depends on them."""
    stack = ExitStack()
    for module, attribute, value in (
        ("transformers.integrations.hub_kernels", "get_kernel", lambda *_, **__: None),
        ("transformers.integrations.fbgemm_fp8", "get_quantize_fp8_per_row", lambda: None),
        ("transformers.quantizers.quantizer_mxfp4", "get_current_accelerator", lambda: torch.device("cuda")),
    ):
        stack.enter_context(patch.object(importlib.import_module(module), attribute, value))
    return stack


def _stored(case: Case, dense: Any, model: Any, quantiser: Any) -> Stored:  # noqa: ANN401 - classes of transformers
    """The header: what a model without quantisation would store, and for each matrix what the method does instead."""
    tied = set(dense.all_tied_weights_keys)
    kept = {name: tensor for name, tensor in dense.state_dict().items() if name not in tied}
    inside = {path for path, module in model.named_modules() if _is_quantised(module)}
    if case.needs == "torchao":  # it replaces weights, not modules
        inside = {
            name.rpartition(".")[0]
            for name, _ in model.named_parameters()
            if quantiser.param_needs_quantization(model, name)
        }
    stored: Stored = {}
    for name, tensor in revert_weight_conversion(dense, kept).items():
        module, _, leaf = name.rpartition(".")
        experts = re.sub(r"\.\d+\.[a-z0-9_]+$", "", module)
        is_matrix = leaf == "weight" and not {module, experts}.isdisjoint(inside)
        if is_matrix or (module in inside and leaf in {"gate_up_proj", "down_proj"}):
            stored |= case.quantise(name, tuple(tensor.shape))
        else:
            stored[name] = DTYPES[str(tensor.dtype)], tuple(tensor.shape)
    return stored


def _is_quantised(module: object) -> bool:
    return hasattr(module, "quantization_scheme") or any(part in type(module).__name__ for part in QUANTISED)


def theirs(pair: Pair, target: Target) -> object:
    """The map that transformers makes, whatever the quantiser would say of it then, or the name of the exception."""
    memory = {device.key: device.size for device in target.devices if device.size is not None}
    planned = of_transformers._get_device_map  # noqa: SLF001 - what from_pretrained calls
    with patch.object(type(pair.quantiser), "validate_environment", lambda *_, **__: None):
        try:
            return planned(pair.model, target.mode, memory, pair.quantiser)
        except Exception as error:  # noqa: BLE001 - that the library raises is a result
            return type(error).__name__


def maps(pair: Pair) -> tuple[int, int]:
    """How many maps are equal, and of how many."""
    sizes, _ = of_transformers.compute_module_sizes(pair.model, pair.quantiser)
    equal = count = 0
    for number in (1, 2, 3):
        for share in SHARES:
            for mode in MODES:
                memory: dict[Key, int] = {key: int(sizes[""] * share) for key in range(number)}
                memory["cpu"] = int(sizes[""] * 0.6)
                target = target_of(memory, mode, "transformers")
                equal, count = equal + (ours(pair.ours, target) == theirs(pair, target)), count + 1
    return equal, count


def main(names: list[str]) -> None:
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    for name, case in CASES.items():
        if (names and name not in names) or importlib.util.find_spec(case.needs) is None:
            continue
        pair = pair_of(case)
        equal, count = maps(pair)
        print(f"{name}: {equal} of {count} maps identical, exact: {pair.ours.exact}")


if __name__ == "__main__":
    main(sys.argv[1:])
