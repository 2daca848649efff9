"""The sizes of quantised models, against the modules that the quantisers of transformers put in place."""

import importlib
import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import pytest

from hfcheck.example_models import LLAMA, QWEN3_MOE, llama_tensors
from hfcheck.formats.safetensors import BITS
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.judge import judge
from hfcheck.placement.device import devices
from hfcheck.placement.model import Model, walk
from hfcheck.placement.prepared import prepared
from hfcheck.placement.quantised_tree import BUDGET_SHARES, checkpoint_of
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of

Json = dict[str, Any]
Shape = tuple[int, ...]
Stored = dict[str, tuple[str, Shape]]
Quantise = Callable[[int, int], Stored]

HOPPER = devices(["0=80GiB:sm_90", "cpu=80GiB"])
FP8: Json = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
NF4: Json = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
INT8: Json = {"quant_method": "bitsandbytes", "load_in_8bit": True}


def tensors_of(stored: Mapping[str, tuple[str, Shape]]) -> dict[str, Tensor]:
    return {
        name: Tensor(dtype, tuple(shape), 0, prod(shape) * BITS[dtype] // 8) for name, (dtype, shape) in stored.items()
    }


def ours_of(config: Json, stored: Mapping[str, tuple[str, Shape]], target: Target | None = None) -> Model:
    tensors = tensors_of(stored)
    return model_of(judge(config, tensors, {}), config, tensors, target or Target(HOPPER))


@pytest.mark.loader
@pytest.mark.parametrize(
    "name",
    [
        "fp8", "fp8-tied", "fp8-one-scale", "fp8-ue8m0", "fp8-experts", "fp8-latent", "fp8-static", "mxfp4", "fbgemm",
        "nf4", "nf4-tied", "nf4-conv1d", "int8", "int8-conv1d", "torchao", "packed", "channels",
    ],
)  # fmt: skip
def test_modules_and_maps_are_those_of_the_real_quantiser(name: str) -> None:
    """The size of every module, and the map of transformers under some budgets; the benchmark has all of them."""
    pytest.importorskip("transformers")
    benchmark = importlib.import_module("benchmarks.placement.quantised")
    accelerate = importlib.import_module("transformers.integrations.accelerate")
    case = benchmark.CASES[name]
    pytest.importorskip(case.needs)
    pair = benchmark.pair_of(case)
    theirs, _ = accelerate.compute_module_sizes(pair.model, pair.quantiser)
    found = prepared(pair.ours, "transformers").sizes
    assert {path: found.get(path) for path in theirs} == dict(theirs)
    assert pair.ours.exact
    for share in (0.3, 0.6, 1.0):
        memory = {0: int(theirs[""] * share), 1: int(theirs[""] * share), "cpu": int(theirs[""] * share)}
        target = benchmark.target_of(memory, "auto", "transformers")
        assert benchmark.ours(pair.ours, target) == benchmark.theirs(pair, target)


def linear(quantise: Quantise) -> Stored:
    """LLAMA with the matrices of its layers by some method; `quantise` is given outputs and inputs."""
    found: Stored = {}
    for name, (dtype, shape) in llama_tensors().items():
        if "_proj" in name:
            module = name.rpartition(".")[0]
            found |= {f"{module}.{leaf}": tensor for leaf, tensor in quantise(*shape).items()}
        else:
            found[name] = (dtype, tuple(shape))
    return found


def nf4(out: int, in_: int) -> Stored:
    """Statistics nested, blocks of 64 weights and 256 statistics."""
    return {
        "weight": ("U8", ((out * in_ + 1) // 2, 1)),
        "weight.absmax": ("U8", (-(-out * in_ // 64),)),
        "weight.quant_map": ("F32", (16,)),
        "weight.nested_absmax": ("F32", (1,)),
        "weight.nested_quant_map": ("F32", (256,)),
        "weight.quant_state.bitsandbytes__nf4": ("U8", (130,)),
    }


def int8(out: int, in_: int) -> Stored:
    return {"weight": ("I8", (out, in_)), "SCB": ("F32", (out,)), "weight_format": ("U8", ())}


def blocks(edge: int) -> Quantise:
    return lambda out, in_: {
        "weight": ("F8_E4M3", (out, in_)),
        "weight_scale_inv": ("F32", (-(-out // edge), -(-in_ // edge))),
    }


def gptq(out: int, in_: int) -> Stored:
    groups = -(-in_ // 4)
    return {
        "qweight": ("I32", (max(in_ // 8, 1), out)),
        "qzeros": ("I32", (groups, max(out // 8, 1))),
        "scales": ("F16", (groups, out)),
        "g_idx": ("I32", (in_,)),
    }


def awq(out: int, in_: int) -> Stored:
    groups = -(-in_ // 4)
    return {
        "qweight": ("I32", (in_, max(out // 8, 1))),
        "qzeros": ("I32", (groups, max(out // 8, 1))),
        "scales": ("F16", (groups, out)),
    }


def packed(out: int, in_: int) -> Stored:
    return {
        "weight_packed": ("I32", (out, -(-in_ // 8))),
        "weight_scale": ("BF16", (out, 1)),
        "weight_shape": ("I64", (2,)),
    }


def float_quantised(out: int, in_: int) -> Stored:
    return {"weight": ("F8_E4M3", (out, in_)), "weight_scale": ("BF16", (out, 1))}


def nvfp4(out: int, in_: int) -> Stored:
    return {
        "weight_packed": ("U8", (out, in_ // 2)),
        "weight_scale": ("F8_E4M3", (out, -(-in_ // 16))),
        "weight_global_scale": ("F32", (1,)),
    }


def hqq(out: int, in_: int) -> Stored:
    return {
        "W_q": ("U8", (out * in_ // 2, 1)), "scale": ("F16", (out, 1)), "zero": ("F16", (out, 1)),
        "nbits": ("I32", ()), "group_size": ("I32", ()), "shape": ("I32", (2,)),
    }  # fmt: skip


def torchao(out: int, in_: int) -> Stored:
    return {"_weight_qdata": ("I8", (out, in_)), "_weight_scale": ("BF16", (out, 1))}


MATRICES = [tuple(shape) for name, (_, shape) in llama_tensors().items() if "_proj" in name]
ELEMENTS = sum(map(prod, MATRICES))
PLAIN = sum(2 * prod(shape) for name, (_, shape) in llama_tensors().items() if "_proj" not in name)
CONFIG: Json = {**LLAMA, "dtype": "bfloat16"}
AO: Json = {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}
COMPRESSED: Json = {"quant_method": "compressed-tensors", "quantization_status": "compressed"}


def stored_bytes(stored: Mapping[str, tuple[str, Shape]], *, without: str = "-") -> int:
    """Of the quantised tensors among these."""
    plain = {name for name in llama_tensors() if "_proj" not in name}
    return sum(t.nbytes for name, t in tensors_of(stored).items() if name not in plain and without not in name)


@pytest.mark.parametrize(
    ("declared", "quantise", "planned"),
    [
        (NF4, nf4, ELEMENTS / 2),
        (INT8, int8, ELEMENTS),
        ({"quant_method": "gptq", "bits": 4, "group_size": 4}, gptq, None),
        ({"quant_method": "awq", "bits": 4, "group_size": 4}, awq, None),
        ({**COMPRESSED, "format": "pack-quantized"}, packed, None),
        ({**COMPRESSED, "format": "float-quantized"}, float_quantised, None),
        ({**COMPRESSED, "format": "nvfp4-pack-quantized"}, nvfp4, None),
        ({**FP8, "weight_block_size": [4, 4]}, blocks(4), None),
        ({"quant_method": "hqq"}, hqq, 2 * ELEMENTS),
        (AO, torchao, ELEMENTS),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, torchao, ELEMENTS),
        ({"quant_method": "torchao", "quant_type": {"_type": "Int4WeightOnlyConfig"}}, torchao, ELEMENTS / 2),
    ],
    ids=lambda value: f"{value['quant_method']}-{value.get('format', '')}" if isinstance(value, dict) else None,
)
def test_a_header_of_every_format(declared: Json, quantise: Quantise, planned: float | None) -> None:
    """What the planner counts, and what stays in memory; where nothing is given they are the bytes of the file."""
    stored = linear(quantise)
    model = ours_of({**CONFIG, "quantization_config": declared}, stored)
    consumed = "quant_state" if declared is NF4 else "weight_format" if declared is INT8 else "-"
    kept = stored_bytes(stored, without=consumed)
    counted = sum(sum(module.parameters.values()) for _, module in walk(model.root))
    assert counted == PLAIN + (kept if planned is None else planned)
    lasting = sum(weight.nbytes for weight in model.weights.values() if not weight.is_buffer)
    if declared["quant_method"] == "compressed-tensors":  # the first forward pass decompresses all of it
        assert lasting > PLAIN + 2 * ELEMENTS
    else:
        assert lasting == PLAIN + kept
    sources = {source for weight in model.weights.values() for source in weight.sources}
    assert sources == set(stored)
    checkpoint = checkpoint_of({**CONFIG, "quantization_config": declared}, tensors_of(stored), HOPPER)
    assert checkpoint is not None
    assert model.budget_share == BUDGET_SHARES.get(checkpoint.quantisation.method, 1.0)


def test_weights_that_are_dequantised_have_the_size_of_the_model() -> None:
    stored = linear(blocks(128))
    config = {**CONFIG, "quantization_config": FP8}
    model = ours_of(config, stored, Target(devices(["cpu=1GiB"])))
    assert sum(weight.nbytes for weight in model.weights.values() if not weight.is_buffer) == PLAIN + 2 * ELEMENTS
    weight = model.weights["model.layers.0.self_attn.q_proj.weight"]
    assert weight.is_converted
    assert set(weight.sources) == {weight.name, f"{weight.name}_scale_inv"}
    checkpoint = checkpoint_of(config, tensors_of(stored), devices(["cpu=1GiB"]))
    assert checkpoint is not None
    assert (checkpoint.nbytes, checkpoint.loaded(model)) == (ELEMENTS + 4 * len(MATRICES), 2 * ELEMENTS)


def test_accelerate_counts_what_is_stored() -> None:
    stored = linear(int8)
    model = ours_of({**CONFIG, "quantization_config": INT8}, stored, Target(HOPPER, dialect="accelerate"))
    assert not model.exact
    assert "accelerate does not know bitsandbytes 8-bit" in model.inexact
    counted = sum(sum(module.parameters.values()) for _, module in walk(model.root))
    assert counted == PLAIN + stored_bytes(stored, without="weight_format")


def test_a_model_that_nobody_knows_keeps_its_stored_sizes() -> None:
    stored = linear(blocks(128))
    config = {**CONFIG, "model_type": "unheard_of", "architectures": ["Unheard"], "quantization_config": FP8}
    model = ours_of(config, stored)
    assert not model.exact
    assert sum(weight.nbytes for weight in model.weights.values()) == PLAIN + ELEMENTS + 4 * len(MATRICES)


@pytest.mark.loader
def test_the_first_forward_pass_decompresses_all(tmp_path: Path) -> None:
    """What compressed-tensors leaves in memory then is what we count."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    pytest.importorskip("compressed_tensors")
    save = pytest.importorskip("safetensors.torch").save_file
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "channel"}
    group = {"targets": ["Linear"], "weights": weights}
    declared = {**COMPRESSED, "format": "pack-quantized", "ignore": ["lm_head"], "config_groups": {"group_0": group}}
    config = {**CONFIG, "quantization_config": declared}
    kinds = {"I32": torch.int32, "BF16": torch.bfloat16, "F32": torch.bfloat16}
    stored, shapes = linear(packed), llama_tensors()
    tensors = {
        name: torch.tensor(shapes[name.replace("weight_shape", "weight")][1])
        if name.endswith("weight_shape")
        else torch.zeros(shape, dtype=kinds[dtype])
        for name, (dtype, shape) in stored.items()
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    model(input_ids=torch.tensor([[1, 2]]))
    ours = sum(one.nbytes for one in ours_of(config, stored).weights.values() if not one.is_buffer)
    assert ours == sum(parameter.nbytes for parameter in model.parameters())


def test_experts_are_joined_before_they_are_counted() -> None:
    """The scales are those of the joined tensor: 384 rows in blocks of 128, and not twice 192."""
    config = {
        **QWEN3_MOE, "hidden_size": 256, "moe_intermediate_size": 192, "num_experts": 4, "dtype": "bfloat16",
        "quantization_config": FP8,
    }  # fmt: skip
    stored: Stored = {}
    for expert in range(4):
        for projection in ("gate", "up"):
            module = f"model.layers.0.mlp.experts.{expert}.{projection}_proj"
            stored |= {f"{module}.{leaf}": tensor for leaf, tensor in blocks(128)(192, 256).items()}
    fused = ours_of(config, stored).weights["model.layers.0.mlp.experts.gate_up_proj"]
    assert len(fused.sources) == 16
    assert fused.nbytes == 4 * 384 * 256 + 4 * 3 * 2 * 4
    assert fused.is_converted
