"""The check without knowledge of an architecture: silent on what real models have, and what it sees all the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import safetensors
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.quantised import recognise
from hfcheck.loading.spec import Shape
from hfcheck.loading.structural import oddities

Tensors = dict[str, Tensor]

CONFIG = {"vocab_size": 101, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 5}
LAYER: dict[str, Shape] = {
    "attention.query.weight": (32, 32),
    "attention.query.bias": (32,),
    "mlp.gate_proj.weight": (48, 32),
    "mlp.up_proj.weight": (48, 32),
    "mlp.down_proj.weight": (32, 48),
    "norm.weight": (32,),
}


def model(**changes: Shape | None) -> Tensors:
    """Five equal layers of no known type; `changes` are shapes of layer 2, None takes a tensor away."""
    layers = [{**LAYER, **changes} if layer == 2 else LAYER for layer in range(5)]
    shapes = {f"net.layers.{n}.{name}": shape for n, layer in enumerate(layers) for name, shape in layer.items()}
    shapes["net.embed_tokens.weight"] = (101, 32)
    return {name: Tensor("BF16", shape, 0, 0) for name, shape in shapes.items() if shape is not None}


def places(tensors: Tensors, config: dict[str, Any] = CONFIG) -> list[str]:
    return [oddity.place for oddity in oddities(tensors, config)]


def test_equal_layers_are_silent() -> None:
    assert places(model()) == []
    assert places({}) == []
    assert places(model(), {}) == []


@pytest.mark.parametrize("name", ["mlp.down_proj.weight", "norm.weight", "attention.query.weight"])
def test_a_layer_that_lacks_a_tensor(name: str) -> None:
    assert places(model(**{name: None})) == [f"net.layers.2.{name}"]


def test_a_name_that_no_other_layer_has() -> None:
    (oddity,) = oddities(model(**{"mlp.down_proj.weight": None, "mlp.dwon_proj.weight": (32, 48)}), CONFIG)
    assert oddity.template == "net.layers.{}.mlp.down_proj.weight"
    assert oddity.place == "net.layers.2.mlp.down_proj.weight"


@pytest.mark.parametrize("shape", [(48, 32), (1, 32, 48), (0,), (32, 47)])
def test_a_shape_that_no_other_layer_has(shape: Shape) -> None:
    (oddity,) = oddities(model(**{"mlp.down_proj.weight": shape}), CONFIG)
    assert (oddity.place, "[32, 48]" in oddity.expectation) == ("net.layers.2.mlp.down_proj.weight", True)


def test_integers_where_numbers_are_floating() -> None:
    tensors = model()
    tensors["net.layers.0.norm.weight"] = Tensor("I8", (32,), 0, 0)
    assert places(tensors) == ["net.layers.0.norm.weight"]


def test_a_gap_between_layers() -> None:
    tensors = {name.replace("layers.4", "layers.5"): tensor for name, tensor in model().items()}
    assert places(tensors) == ["net.layers.4"]


def test_a_wrapper_before_every_name() -> None:
    (oddity,) = oddities({f"module.{name}": tensor for name, tensor in model().items()}, CONFIG)
    assert "`module.`" in oddity.expectation


def test_a_bias_that_does_not_fit() -> None:
    tensors = {"head.weight": Tensor("F32", (5, 32), 0, 0), "head.bias": Tensor("F32", (6,), 0, 0)}
    assert places(tensors) == ["head.bias"]


def test_numbers_of_the_config() -> None:
    assert places(model(), {**CONFIG, "num_hidden_layers": 6}) == ["net.layers.4"]
    assert places(model(), {**CONFIG, "vocab_size": 100}) == ["net.embed_tokens.weight"]
    assert places(model(), {**CONFIG, "hidden_size": 64}) == ["net.embed_tokens.weight"]


def test_what_real_models_have() -> None:
    hybrid = {
        f"net.layers.{n}.{'mamba' if n % 3 else 'attention'}.weight": Tensor("BF16", (32, 32), 0, 0) for n in range(9)
    }
    assert places(hybrid, {}) == [], "blocks of two kinds"
    whole = {name: None for name in LAYER if name.startswith("mlp.")}
    assert places(model(**whole)) == [], "a block without one of its modules"
    sequential = {f"net.{n}.weight": Tensor("BF16", (32, 32), 0, 0) for n in (0, 1, 3, 5)}
    assert places(sequential, {}) == [], "parts without parameters are left out"
    padded = model() | {"net.embed_tokens.weight": Tensor("BF16", (128, 32), 0, 0)}
    assert places(padded) == [], "rows up to a multiple of eight"
    first = model() | {"net.layers.0.bias_of_positions.weight": Tensor("BF16", (8, 4), 0, 0)}
    assert places(first) == [], "t5 keeps its relative positions in the first layer"
    without = model()
    del without["net.layers.0.norm.weight"]
    assert places(without) == [], "modernbert has no first norm"


PARTS = st.sampled_from(["a", "0", "1", "2", "3", "01", "{}", "", "weight", "bias", "embed_tokens", "layers", "\u0661"])
NAMES = st.lists(PARTS, max_size=6).map(".".join)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
TENSORS = st.builds(Tensor, st.sampled_from(["F32", "I8", "X"]), SHAPES, st.just(0), st.just(0))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.dictionaries(NAMES, TENSORS, max_size=30))
def test_names_of_a_stranger(tensors: Tensors) -> None:
    """Whatever the names are, it ends, and says each thing once."""
    found = oddities(tensors, {"num_layers": [10**4000, {"depth": -1}], "vocab_size": 3})
    assert len(set(found)) == len(found)
    assert recognise({"quantization_config": {"quant_method": 4, "ignore": [None, ""]}}, tensors) is not None


SMALL: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "n_embd": 32, "n_layer": 4, "n_head": 4, "d_model": 32, "d_ff": 48,
    "d_kv": 8, "num_layers": 4, "num_heads": 4, "encoder_layers": 4, "decoder_layers": 4, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "ffn_dim": 48, "dim": 32,
    "hidden_dim": 48, "n_heads": 4, "n_layers": 4, "embedding_size": 16, "max_position_embeddings": 64,
    "n_positions": 64, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
    "image_size": 32, "patch_size": 8, "num_mel_bins": 8, "state_size": 4, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "n_routed_experts": 4, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4, "v_head_dim": 4, "n_group": 1, "topk_group": 1, "mamba_d_state": 4, "mamba_dt_rank": 4,
    "first_k_dense_replace": 1, "decoder_sparse_step": 2,
}  # fmt: skip
"""Sizes under the names that configs use; each takes those it knows."""

ARCHITECTURES = {
    "dense": ["bloom", "falcon", "gemma2", "gpt2", "gpt_neox", "gptj", "llama", "opt", "phi3", "qwen3", "starcoder2"],
    "experts": ["deepseek_v3", "gpt_oss", "mixtral", "olmoe", "phimoe", "qwen2_moe", "qwen3_moe"],
    "hybrids": ["jamba", "mamba", "mamba2", "recurrent_gemma"],
    "encoders": ["albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet", "roberta"],
    "two stacks": ["bart", "m2m_100", "marian", "mt5", "pegasus", "t5", "whisper"],
    "images": ["beit", "convnext", "deit", "dinov2", "resnet", "segformer", "swin", "vit"],
    "several towers": ["blip", "clip", "llava", "siglip"],
}


@pytest.mark.loader
@pytest.mark.parametrize("model_type", [name for names in ARCHITECTURES.values() for name in names])
def test_what_save_pretrained_writes_is_silent(tmp_path: Path, model_type: str) -> None:
    transformers = pytest.importorskip("transformers")
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    config_class = transformers.CONFIG_MAPPING[model_type]
    known = config_class().to_dict()
    sizes = {key: value for key, value in SMALL.items() if key in known and not isinstance(known[key], list)}
    towers = {key: {**SMALL, "projection_dim": 16} for key in ("text_config", "vision_config") if key in known}
    heads = {"num_heads": 8} if model_type == "mamba2" else {}  # heads of 8 make up twice the hidden size
    config = config_class(**{**sizes, **towers, **heads})
    kinds = (auto.MODEL_FOR_CAUSAL_LM_MAPPING, auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, auto.MODEL_MAPPING)
    next(mapping[config_class] for mapping in kinds if config_class in mapping)(config).save_pretrained(tmp_path)
    with (tmp_path / "model.safetensors").open("rb") as file:
        tensors = safetensors.read(file).tensors
    assert oddities(tensors, json.loads((tmp_path / "config.json").read_text())) == ()
