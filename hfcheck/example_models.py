"""Tiny models for the examples of rules: the config and the tensors that transformers 5.23 saves for them."""

from collections.abc import Mapping
from typing import Any

from hfcheck.example import Content

Tensors = dict[str, tuple[str, list[int]]]
"""Tensors of a safetensors file, as an example writes them."""

_HIDDEN, _INTERMEDIATE, _VOCABULARY, _KEYS, _POSITIONS, _EXPERT = 8, 12, 16, 4, 10, 6

LLAMA: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": _VOCABULARY,
    "hidden_size": _HIDDEN,
    "intermediate_size": _INTERMEDIATE,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": _KEYS,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "tie_word_embeddings": False,
}

QWEN3_MOE: Mapping[str, Any] = {
    **LLAMA,
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "num_hidden_layers": 1,
    "num_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": _EXPERT,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}

GPT_OSS: Mapping[str, Any] = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "vocab_size": _VOCABULARY,
    "hidden_size": _HIDDEN,
    "intermediate_size": _HIDDEN,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": _KEYS,
    "num_local_experts": 8,
    "num_experts_per_tok": 1,
    "layer_types": ["full_attention"],
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "tie_word_embeddings": False,
}

BERT: Mapping[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "vocab_size": _VOCABULARY,
    "hidden_size": _HIDDEN,
    "intermediate_size": _INTERMEDIATE,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": _POSITIONS,
    "id2label": {"0": "no", "1": "yes"},
    "label2id": {"no": 0, "yes": 1},
}


def repository(config: Mapping[str, Any], tensors: Tensors, **fields: object) -> dict[str, Content]:
    """A repository of one weight file, with some fields of the config set."""
    return {"config.json": {**config, **fields}, "model.safetensors": tensors}


def llama_layer(number: int) -> Tensors:
    """The tensors of one layer of LLAMA."""
    return _named(f"model.layers.{number}.", {**_attention(), **_feed_forward("mlp.", _INTERMEDIATE)})


def llama_tensors() -> Tensors:
    """The tensors of LLAMA."""
    return {**_ends(), **llama_layer(0), **llama_layer(1)}


def llama_of_heads(heads: int, kv_heads: int, **fields: object) -> dict[str, Content]:
    """A repository of LLAMA with as many heads, of four numbers each: it is as wide as its heads together."""
    width = heads * _KEYS
    sizes = {_HIDDEN: width, 2 * _KEYS: width, _KEYS: kv_heads * _KEYS}
    projections = ("q_proj", "k_proj", "v_proj", "o_proj")
    tensors = {
        name: (
            dtype,
            [sizes.get(size, size) if size == _HIDDEN or _is_of(name, projections) else size for size in shape],
        )
        for name, (dtype, shape) in llama_tensors().items()
    }
    config = {**LLAMA, "hidden_size": width, "num_attention_heads": heads, "num_key_value_heads": kv_heads}
    return repository(config, tensors, **fields)


def qwen3_moe_tensors() -> Tensors:
    """The tensors of QWEN3_MOE, each expert by itself, as they are published."""
    experts = {
        name: shape for number in range(2) for name, shape in _feed_forward(f"mlp.experts.{number}.", _EXPERT).items()
    }
    norms = {"self_attn.q_norm.weight": [_KEYS], "self_attn.k_norm.weight": [_KEYS]}
    layer = {**_attention(), **norms, "mlp.gate.weight": [2, _HIDDEN], **experts}
    return {**_ends(), **_named("model.layers.0.", layer)}


def gpt_oss_tensors() -> Tensors:
    """The tensors of GPT_OSS, not quantised."""
    square = [_HIDDEN, _HIDDEN]
    layer: dict[str, list[int]] = {
        "input_layernorm.weight": [_HIDDEN],
        "post_attention_layernorm.weight": [_HIDDEN],
        **{f"self_attn.{one}_proj.weight": square for one in "qkvo"},
        **{f"self_attn.{one}_proj.bias": [_HIDDEN] for one in "qkvo"},
        "self_attn.sinks": [2],
        "mlp.router.weight": square,
        "mlp.router.bias": [_HIDDEN],
        "mlp.experts.gate_up_proj": [8, _HIDDEN, 2 * _HIDDEN],
        "mlp.experts.gate_up_proj_bias": [8, 2 * _HIDDEN],
        "mlp.experts.down_proj": [8, _HIDDEN, _HIDDEN],
        "mlp.experts.down_proj_bias": [8, _HIDDEN],
    }
    return {**_ends(), **_named("model.layers.0.", layer)}


def bert_tensors() -> Tensors:
    """The tensors of BERT, classifier and pooler among them."""
    linear = {
        "encoder.layer.0.attention.self.query": (_HIDDEN, _HIDDEN),
        "encoder.layer.0.attention.self.key": (_HIDDEN, _HIDDEN),
        "encoder.layer.0.attention.self.value": (_HIDDEN, _HIDDEN),
        "encoder.layer.0.attention.output.dense": (_HIDDEN, _HIDDEN),
        "encoder.layer.0.intermediate.dense": (_INTERMEDIATE, _HIDDEN),
        "encoder.layer.0.output.dense": (_HIDDEN, _INTERMEDIATE),
        "pooler.dense": (_HIDDEN, _HIDDEN),
    }
    norms = ("embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm", "encoder.layer.0.output.LayerNorm")
    shapes: dict[str, list[int]] = {
        "embeddings.word_embeddings.weight": [_VOCABULARY, _HIDDEN],
        "embeddings.position_embeddings.weight": [_POSITIONS, _HIDDEN],
        "embeddings.token_type_embeddings.weight": [2, _HIDDEN],
        **{f"{name}.weight": [*shape] for name, shape in linear.items()},
        **{f"{name}.bias": [shape[0]] for name, shape in linear.items()},
        **{f"{name}.{part}": [_HIDDEN] for name in norms for part in ("weight", "bias")},
    }
    return {**_named("bert.", shapes), "classifier.weight": ("F32", [2, _HIDDEN]), "classifier.bias": ("F32", [2])}


def without(tensors: Tensors, *parts: str) -> Tensors:
    """The tensors whose names have none of these parts."""
    return {name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)}


def renamed(tensors: Tensors, old: str, new: str) -> Tensors:
    """The tensors with one part of their names exchanged for another."""
    return {name.replace(old, new): tensor for name, tensor in tensors.items()}


def _is_of(name: str, modules: tuple[str, ...]) -> bool:
    return any(module in name for module in modules)


def _named(prefix: str, shapes: Mapping[str, list[int]]) -> Tensors:
    return {prefix + name: ("F32", shape) for name, shape in shapes.items()}


def _ends() -> Tensors:
    embedding = [_VOCABULARY, _HIDDEN]
    return _named(
        "", {"model.embed_tokens.weight": embedding, "model.norm.weight": [_HIDDEN], "lm_head.weight": embedding}
    )


def _attention() -> dict[str, list[int]]:
    return {
        "input_layernorm.weight": [_HIDDEN],
        "post_attention_layernorm.weight": [_HIDDEN],
        "self_attn.q_proj.weight": [2 * _KEYS, _HIDDEN],
        "self_attn.k_proj.weight": [_KEYS, _HIDDEN],
        "self_attn.v_proj.weight": [_KEYS, _HIDDEN],
        "self_attn.o_proj.weight": [_HIDDEN, 2 * _KEYS],
    }


def _feed_forward(prefix: str, size: int) -> dict[str, list[int]]:
    return {
        f"{prefix}gate_proj.weight": [size, _HIDDEN],
        f"{prefix}up_proj.weight": [size, _HIDDEN],
        f"{prefix}down_proj.weight": [_HIDDEN, size],
    }


def fp8_tensors(block: int) -> Tensors:
    """The tensors of LLAMA with the matrices of its layers in 8 bits, and a scale for each block of this edge."""
    found: Tensors = {}
    for name, (dtype, shape) in llama_tensors().items():
        is_matrix = "_proj" in name
        found[name] = ("F8_E4M3" if is_matrix else dtype, shape)
        if is_matrix:
            found[f"{name}_scale_inv"] = ("F32", [-(-extent // block) for extent in shape])
    return found


def fp8_config(block: int, **fields: object) -> dict[str, Any]:
    """The `quantization_config` of these tensors."""
    return {"quant_method": "fp8", "weight_block_size": [block, block], "activation_scheme": "dynamic", **fields}
