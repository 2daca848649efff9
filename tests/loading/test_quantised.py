"""Quantised checkpoints are recognised, and what no quantiser touches is judged all the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck.formats.tensor import Tensor
from hfcheck.loading.accept import accept
from hfcheck.loading.quantised import KNOWN, Quantisation, judged, recognise, remainder
from hfcheck.loading.spec import Outcome, Shape, Spec, Submodel

Tensors = dict[str, Tensor]

HIDDEN, INNER, VOCABULARY, GROUP = 64, 128, 96, 32
LINEAR: dict[str, Shape] = {
    f"model.layers.{layer}.{name}": shape
    for layer in (0, 1)
    for name, shape in {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    }.items()
}
PLAIN: dict[str, Shape] = {
    "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
    "model.layers.0.input_layernorm.weight": (HIDDEN,),
    "model.layers.1.input_layernorm.weight": (HIDDEN,),
    "model.norm.weight": (HIDDEN,),
    "lm_head.weight": (VOCABULARY, HIDDEN),
}
SPEC = Spec(
    architecture="LlamaForCausalLM",
    model_type="llama",
    state={**PLAIN, **{f"{layer}.weight": shape for layer, shape in LINEAR.items()}},
    integers=frozenset(),
    base_prefix="model",
    submodels=(Submodel("", "LlamaForCausalLM", "llama"), Submodel("model", "LlamaModel", "llama")),
    tied=(),
    ignore_missing=(),
    ignore_unexpected=(),
)


def tensor(dtype: str, *shape: int) -> Tensor:
    return Tensor(dtype, shape, 0, 0)


def gptq(out: int, in_: int) -> Tensors:
    """4 bits, eight inputs to an integer; a bias even where the model has none."""
    groups = in_ // GROUP
    return {
        "qweight": tensor("I32", in_ // 8, out),
        "qzeros": tensor("I32", groups, out // 8),
        "scales": tensor("F16", groups, out),
        "g_idx": tensor("I32", in_),
        "bias": tensor("F16", out),
    }


def awq(out: int, in_: int) -> Tensors:
    groups = in_ // GROUP
    return {
        "qweight": tensor("I32", in_, out // 8),
        "qzeros": tensor("I32", groups, out // 8),
        "scales": tensor("F16", groups, out),
    }


def bitsandbytes_4bit(out: int, in_: int) -> Tensors:
    return {
        "weight": tensor("U8", out * in_ // 2, 1),
        "weight.absmax": tensor("U8", out * in_ // 64),
        "weight.quant_map": tensor("F32", 16),
        "weight.nested_absmax": tensor("F32", 1),
        "weight.nested_quant_map": tensor("F32", 256),
        "weight.quant_state.bitsandbytes__nf4": tensor("U8", 100),
    }


def bitsandbytes_8bit(out: int, in_: int) -> Tensors:
    return {"weight": tensor("I8", out, in_), "SCB": tensor("F32", out), "weight_format": tensor("U8")}


def packed(out: int, in_: int) -> Tensors:
    """`pack-quantized` of compressed-tensors."""
    return {
        "weight_packed": tensor("I32", out, in_ // 8),
        "weight_scale": tensor("BF16", out, in_ // GROUP),
        "weight_shape": tensor("I64", 2),
        "weight_zero_point": tensor("I32", out // 8, in_ // GROUP),
    }


def float_quantised(out: int, in_: int) -> Tensors:
    return {
        "weight": tensor("F8_E4M3", out, in_),
        "weight_scale": tensor("BF16", out, 1),
        "input_scale": tensor("BF16", 1),
    }


def nvfp4_packed(out: int, in_: int) -> Tensors:
    return {
        "weight_packed": tensor("U8", out, in_ // 2),
        "weight_scale": tensor("F8_E4M3", out, in_ // 16),
        "weight_global_scale": tensor("F32", 1),
        "input_global_scale": tensor("F32", 1),
    }


def fp8(out: int, in_: int) -> Tensors:
    return {"weight": tensor("F8_E4M3", out, in_), "weight_scale_inv": tensor("F32", -(-out // 128), -(-in_ // 128))}


def eetq(out: int, in_: int) -> Tensors:
    return {"weight": tensor("I8", in_, out), "weight_scales": tensor("F16", out)}


def aqlm(out: int, in_: int) -> Tensors:
    return {
        "codes": tensor("I16", out, in_ // 8, 1),
        "codebooks": tensor("F16", 1, 65536, 1, 8),
        "scales": tensor("F16", out, 1, 1, 1),
    }


def hqq(out: int, in_: int) -> Tensors:
    return {
        "W_q": tensor("U8", out * in_ // 2 // GROUP, GROUP),
        "scale": tensor("F16", out * in_ // GROUP, 1),
        "zero": tensor("F16", out * in_ // GROUP, 1),
        "nbits": tensor("I64"),
        "group_size": tensor("I64"),
        "shape": tensor("I64", 2),
        "axis": tensor("I64"),
    }


def quanto(out: int, in_: int) -> Tensors:
    return {
        "weight._data": tensor("I8", out, in_),
        "weight._scale": tensor("BF16", out, 1),
        "input_scale": tensor("BF16"),
        "output_scale": tensor("BF16"),
    }


def torchao(out: int, in_: int) -> Tensors:
    return {"_weight_qdata": tensor("I8", out, in_), "_weight_scale": tensor("BF16", out)}


def higgs(out: int, in_: int) -> Tensors:
    return {
        "weight": tensor("I16", out * 4 // 16, in_),
        "scales": tensor("F16", out, in_ // 256 + 1),
        "tables": tensor("F16", 16),
        "tables2": tensor("F32", 16, 16, 2),
    }


def vptq(out: int, in_: int) -> Tensors:
    return {
        "indices": tensor("I16", 1, out // 8, in_),
        "centroids.weight": tensor("F16", 1, 65536 * 8),
        "weight_scale": tensor("F16", in_),
        "weight_bias": tensor("F16", in_),
        "perm": tensor("I16", in_),
    }


def spqr(out: int, in_: int) -> Tensors:
    return {
        "dense_weights": tensor("I64", out // 16 * in_ // 16, 16),
        "row_offsets": tensor("I32", out + 1),
        "col_vals": tensor("I32", 10),
        "in_perm": tensor("I16", in_),
    }


def bitnet(out: int, in_: int) -> Tensors:
    return {"weight": tensor("U8", out // 4, in_), "weight_scale": tensor("BF16", 1)}


def fbgemm(out: int, in_: int) -> Tensors:
    return {
        "weight": tensor("F8_E4M3", out, in_),
        "weight_scale": tensor("F32", out, 1),
        "input_scale_ub": tensor("F32", 1),
    }


def metal(out: int, in_: int) -> Tensors:
    groups = in_ // GROUP
    return {
        "weight": tensor("U32", out, in_ // 8),
        "scales": tensor("BF16", out, groups),
        "qbiases": tensor("BF16", out, groups),
    }


def quark(out: int, in_: int) -> Tensors:
    return {"weight": tensor("I8", out, in_), "weight_scale": tensor("F32"), "weight_zero_point": tensor("I32")}


Scheme = Callable[[int, int], Tensors]
SCHEMES: dict[str, tuple[dict[str, Any], Scheme]] = {
    "GPTQ": ({"quant_method": "gptq", "bits": 4, "group_size": GROUP}, gptq),
    "AutoRound": ({"quant_method": "auto-round", "bits": 4}, gptq),
    "AWQ": ({"quant_method": "awq", "bits": 4, "version": "gemm"}, awq),
    "bitsandbytes 4-bit": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, bitsandbytes_4bit),
    "bitsandbytes 8-bit": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, bitsandbytes_8bit),
    "compressed-tensors": ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, packed),
    "compressed-tensors float": ({"quant_method": "compressed-tensors", "format": "float-quantized"}, float_quantised),
    "compressed-tensors nvfp4": ({"quant_method": "compressed-tensors", "format": "nvfp4-pack"}, nvfp4_packed),
    "FP8": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, fp8),
    "FBGEMM FP8": ({"quant_method": "fbgemm_fp8"}, fbgemm),
    "EETQ": ({"quant_method": "eetq"}, eetq),
    "AQLM": ({"quant_method": "aqlm"}, aqlm),
    "HQQ": ({"quant_method": "hqq"}, hqq),
    "Quanto": ({"quant_method": "quanto", "weights": "int8"}, quanto),
    "torchao": ({"quant_method": "torchao"}, torchao),
    "HIGGS": ({"quant_method": "higgs"}, higgs),
    "VPTQ": ({"quant_method": "vptq"}, vptq),
    "SpQR": ({"quant_method": "spqr"}, spqr),
    "BitNet": ({"quant_method": "bitnet"}, bitnet),
    "Metal": ({"quant_method": "metal", "bits": 4}, metal),
    "Quark": ({"quant_method": "quark"}, quark),
}


def stored(scheme: Scheme) -> Tensors:
    """The tensors of the model whose linear layers are quantised that way."""
    plain = {name: Tensor("BF16", shape, 0, 0) for name, shape in PLAIN.items()}
    return plain | {f"{layer}.{name}": t for layer, shape in LINEAR.items() for name, t in scheme(*shape).items()}


def outcome(config: dict[str, Any], tensors: Tensors) -> tuple[Quantisation, Outcome]:
    """What can be said of these tensors against the model."""
    quantisation = recognise(config, tensors)
    assert quantisation is not None
    whole = accept(SPEC, {name: found.shape for name, found in tensors.items()})
    return quantisation, judged(whole, quantisation, remainder(quantisation, SPEC.state, whole))


@pytest.mark.parametrize("name", SCHEMES)
def test_nothing_is_said_of_what_is_quantised(name: str) -> None:
    declared, scheme = SCHEMES[name]
    quantisation, found = outcome({"quantization_config": declared}, stored(scheme))
    assert quantisation.is_applied
    assert name.startswith(quantisation.label)
    assert quantisation.layers == LINEAR.keys()
    assert (found.missing, found.unexpected, found.mismatched, found.failed) == ((), (), (), ())


@pytest.mark.parametrize("name", SCHEMES)
def test_the_rest_is_judged(name: str) -> None:
    declared, scheme = SCHEMES[name]
    tensors = stored(scheme)
    del tensors["model.layers.1.input_layernorm.weight"], tensors["lm_head.weight"]
    tensors["model.embed_tokens.weight"] = tensor("BF16", VOCABULARY + 1, HIDDEN)
    tensors["other.norm.weight"] = tensor("BF16", HIDDEN)
    _, found = outcome({"quantization_config": declared}, tensors)
    assert found.missing == ("lm_head.weight", "model.layers.1.input_layernorm.weight")
    assert found.unexpected == ("other.norm.weight",)
    assert [mismatch.name for mismatch in found.mismatched] == ["model.embed_tokens.weight"]


@pytest.mark.parametrize(
    "name", [name for name in SCHEMES if name not in {"AQLM", "AutoRound", "Quanto", "Quark", "VPTQ"}]
)
def test_names_speak_for_themselves(name: str) -> None:
    """Without a word in the config transformers loads the tensors as any others: the whole model is random."""
    _, scheme = SCHEMES[name]
    quantisation, found = outcome({}, stored(scheme))
    assert (quantisation.pointer, quantisation.is_applied) == (None, False)
    assert quantisation.layers == LINEAR.keys()
    assert found.verdict != "loads" or scheme(8, 8)["weight"].dtype.startswith(("F8", "I8"))


@pytest.mark.parametrize("name", ["GPTQ", "AWQ", "bitsandbytes 4-bit", "bitsandbytes 8-bit", "FP8", "AQLM", "HQQ"])
def test_names_tell_the_method(name: str) -> None:
    quantisation = recognise({}, stored(SCHEMES[name][1]))
    if name == "AQLM":  # speech models have codebooks too
        assert quantisation is None
    else:
        assert quantisation is not None
        assert quantisation.label == name


def test_experts_of_mxfp4() -> None:
    """gpt-oss: the experts of a layer are one parameter, stored as blocks and scales; their bias is plain."""
    experts = "model.layers.0.mlp.experts"
    state: dict[str, Shape] = {f"{experts}.gate_up_proj": (4, 64, 64), f"{experts}.gate_up_proj_bias": (4, 64)}
    tensors = {
        f"{experts}.gate_up_proj_blocks": tensor("U8", 4, 64, 2, 16),
        f"{experts}.gate_up_proj_scales": tensor("U8", 4, 64, 2),
        f"{experts}.gate_up_proj_bias": tensor("BF16", 4, 65),
    }
    quantisation = recognise({"quantization_config": {"quant_method": "mxfp4"}}, tensors)
    assert quantisation is not None
    assert quantisation.layers == {f"{experts}.gate_up_proj"}
    assert quantisation.tensors == {f"{experts}.gate_up_proj_blocks", f"{experts}.gate_up_proj_scales"}
    bias = f"{experts}.gate_up_proj_bias"
    whole = Outcome((f"{experts}.gate_up_proj",), tuple(quantisation.tensors), (), (), (), {bias: (bias,)})
    assert remainder(quantisation, state, whole) == {f"{experts}.gate_up_proj"}


def test_scales_of_the_cache_quantise_no_layer() -> None:
    tensors = {**stored(fp8), "model.layers.0.self_attn.k_scale": tensor("F32")}
    quantisation, found = outcome({"quantization_config": {"quant_method": "fp8"}}, tensors)
    assert quantisation.layers == LINEAR.keys()
    assert found.unexpected == ()


def test_a_module_that_is_left_alone_is_judged() -> None:
    """A pattern of the config is a stranger's, and is not run; plain names count."""
    tensors = stored(gptq)
    for name in gptq(HIDDEN, HIDDEN):
        del tensors[f"model.layers.0.self_attn.q_proj.{name}"]
    declared = {
        "quant_method": "gptq",
        "modules_to_not_convert": ["layers.0.self_attn.q_proj", "re:.*o_proj", "(a+)+$"],
    }
    quantisation, found = outcome({"quantization_config": declared}, tensors)
    assert quantisation.kept == ("layers.0.self_attn.q_proj",)
    assert found.missing == ("model.layers.0.self_attn.q_proj.weight",)


@pytest.mark.parametrize(
    ("config", "method", "pointer", "is_applied", "refusal"),
    [
        ({"quantization_config": {"bits": 4, "group_size": 64}}, "", "/quantization_config", False, "ValueError"),
        ({"quantization_config": {}}, "", "/quantization_config", False, "ValueError"),
        ({"quantization_config": "gptq"}, "", "/quantization_config", False, "AttributeError"),
        ({"quantization_config": {"quant_method": ["gptq"]}}, "", "/quantization_config", False, "TypeError"),
        ({"quantization_config": {"quant_method": "nvfp4"}}, "nvfp4", "/quantization_config", False, "ValueError"),
        ({"quantization_config": {"quant_method": "modelopt"}}, "modelopt", "/quantization_config", False, None),
        (
            {"quantization_config": {"quant_method": "bitsandbytes"}},
            "bitsandbytes",
            "/quantization_config",
            False,
            None,
        ),
        (
            {"quantization_config": {}, "text_config": {"quantization_config": {"quant_method": "awq"}}},
            "awq",
            "/text_config/quantization_config",
            True,
            None,
        ),
    ],
)
def test_declarations(
    config: dict[str, Any],
    method: str,
    pointer: str,
    is_applied: bool,  # noqa: FBT001 - a column of the table
    refusal: str | None,
) -> None:
    quantisation = recognise(config, {})
    assert quantisation is not None
    assert (quantisation.method, quantisation.pointer, quantisation.is_applied) == (method, pointer, is_applied)
    assert (quantisation.refusal or "").partition(":")[0] == (refusal or "")


@pytest.mark.parametrize("config", [{}, {"quantization_config": None}, {"quantization_config": {}, "text_config": {}}])
def test_no_declaration(config: dict[str, Any]) -> None:
    assert recognise(config, {name: Tensor("BF16", shape, 0, 0) for name, shape in SPEC.state.items()}) is None


def test_a_name_of_the_repository_is_quoted() -> None:
    quantisation = recognise({"quantization_config": {"quant_method": "x\x1b[31m"}}, {})
    assert quantisation is not None
    assert quantisation.label == '"x\\x1b[31m"'


def test_one_integer_matrix_is_no_quantisation() -> None:
    tensors = {name: Tensor("BF16", shape, 0, 0) for name, shape in SPEC.state.items()}
    tensors["model.layers.0.mlp.up_proj.weight"] = tensor("I8", INNER, HIDDEN)
    assert recognise({}, tensors) is None


@pytest.mark.loader
def test_the_methods_are_those_of_transformers() -> None:
    auto = pytest.importorskip("transformers.quantizers.auto")
    assert KNOWN.keys() == auto.AUTO_QUANTIZATION_CONFIG_MAPPING.keys()
    for declared in (
        *({"quant_method": method} for method in (*KNOWN, "bitsandbytes", "modelopt", 4)),
        *({key: value, "quant_method": "x"} for key in ("load_in_4bit", "load_in_8bit") for value in (True, False, 1)),
        {},
        {"bits": 4},
        {"quant_method": []},
        {"quant_method": None},
    ):
        quantisation = recognise({"quantization_config": declared}, {})
        assert quantisation is not None
        if quantisation.refusal is not None and quantisation.method != "nvfp4":
            with pytest.raises((ValueError, TypeError)) as raised:
                auto.AutoHfQuantizer.supports_quant_method(declared)
            assert quantisation.refusal.startswith(raised.type.__name__), declared
        else:
            assert auto.AutoHfQuantizer.supports_quant_method(declared) == (quantisation.method in KNOWN), declared


@pytest.mark.loader
@pytest.mark.parametrize(
    "lost", [(), ("model.norm.weight",), ("lm_head.weight", "model.layers.0.input_layernorm.weight")]
)
def test_block_fp8_against_the_real_loader(tmp_path: Path, lost: tuple[str, ...]) -> None:
    """The one scheme besides MXFP4 that loads without a device and further packages: dequantised to bfloat16."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    pytest.importorskip("accelerate")
    config = transformers.LlamaConfig(
        vocab_size=96, hidden_size=128, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=32, pad_token_id=0,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    tensors = dict(model.state_dict())
    for name in [name for name in tensors if "_proj" in name]:
        tensors[f"{name}_scale_inv"] = torch.ones([size // 128 for size in tensors[name].shape])
        tensors[name] = tensors[name].to(torch.float8_e4m3fn)
    for name in lost:
        del tensors[name]
    safetensors.save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config.architectures = ["LlamaForCausalLM"]
    declared = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    (tmp_path / "config.json").write_text(json.dumps({**config.to_dict(), "quantization_config": declared}))
    _, info = transformers.LlamaForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert set(info["missing_keys"]) == set(lost)
    headers = {
        name: Tensor("F8_E4M3" if "float8" in str(t.dtype) else "F32", tuple(t.shape), 0, 0)
        for name, t in tensors.items()
    }
    quantisation = recognise({"quantization_config": declared}, headers)
    assert quantisation is not None
    state = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    spec = Spec("LlamaForCausalLM", "llama", state, frozenset(), "model", SPEC.submodels, (), (), ())
    whole = accept(spec, {name: t.shape for name, t in headers.items()})
    found = judged(whole, quantisation, remainder(quantisation, state, whole))
    assert (set(found.missing), found.unexpected, found.mismatched) == (set(lost), (), ())
