"""Makes large repositories that take no room: real headers, and holes where the data would be.

`python benchmarks/check/make_sparse.py FOLDER` makes in FOLDER

- `shards`: a Llama of 80 layers, 723 tensors and 141 GB in 100 shards, with index, configs and a small tokenizer;
- `tokenizer`: the same with a tokenizer of 128,000 words and 280,000 merges (18 MB of JSON);
- `experts`: a mixture of experts of 45,011 tensors and 571 GB in one file.
"""

import json
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Shapes = dict[str, list[int]]

BF16 = 2
"""Bytes of an element."""

SHARDS = 100
HIDDEN, MIDDLE, KEYS, WORDS, LAYERS = 8192, 28672, 1024, 128_256, 80
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": MIDDLE,
    "num_hidden_layers": LAYERS, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": WORDS, "max_position_embeddings": 131_072, "rms_norm_eps": 1e-05, "rope_theta": 500_000.0,
    "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False,
    "bos_token_id": 0, "eos_token_id": 1, "dtype": "bfloat16", "transformers_version": "5.23.0",
}  # fmt: skip
EXPERTS, EXPERT, MOE_HIDDEN, MOE_LAYERS = 256, 1536, 4096, 58
MOE = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": MOE_HIDDEN,
    "intermediate_size": 12_288, "moe_intermediate_size": EXPERT, "num_experts": EXPERTS, "num_experts_per_tok": 8,
    "num_hidden_layers": MOE_LAYERS, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
    "vocab_size": 151_936, "max_position_embeddings": 40_960, "rms_norm_eps": 1e-06, "rope_theta": 1_000_000.0,
    "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1, "dtype": "bfloat16",
    "transformers_version": "5.23.0",
}  # fmt: skip


def llama() -> Shapes:
    """723 tensors: nine for each layer, and three."""
    shapes = {"model.embed_tokens.weight": [WORDS, HIDDEN]}
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}."
        shapes |= {
            f"{stem}input_layernorm.weight": [HIDDEN],
            f"{stem}mlp.down_proj.weight": [HIDDEN, MIDDLE],
            f"{stem}mlp.gate_proj.weight": [MIDDLE, HIDDEN],
            f"{stem}mlp.up_proj.weight": [MIDDLE, HIDDEN],
            f"{stem}post_attention_layernorm.weight": [HIDDEN],
            f"{stem}self_attn.k_proj.weight": [KEYS, HIDDEN],
            f"{stem}self_attn.o_proj.weight": [HIDDEN, HIDDEN],
            f"{stem}self_attn.q_proj.weight": [HIDDEN, HIDDEN],
            f"{stem}self_attn.v_proj.weight": [KEYS, HIDDEN],
        }
    return shapes | {"model.norm.weight": [HIDDEN], "lm_head.weight": [WORDS, HIDDEN]}


def experts() -> Shapes:
    """45,011 tensors: 776 for each layer, and three."""
    words, heads, pairs = 151_936, 64 * 128, 4 * 128
    shapes = {"model.embed_tokens.weight": [words, MOE_HIDDEN]}
    for layer in range(MOE_LAYERS):
        stem = f"model.layers.{layer}."
        for expert in range(EXPERTS):
            shapes |= {
                f"{stem}mlp.experts.{expert}.down_proj.weight": [MOE_HIDDEN, EXPERT],
                f"{stem}mlp.experts.{expert}.gate_proj.weight": [EXPERT, MOE_HIDDEN],
                f"{stem}mlp.experts.{expert}.up_proj.weight": [EXPERT, MOE_HIDDEN],
            }
        shapes |= {
            f"{stem}input_layernorm.weight": [MOE_HIDDEN],
            f"{stem}mlp.gate.weight": [EXPERTS, MOE_HIDDEN],
            f"{stem}post_attention_layernorm.weight": [MOE_HIDDEN],
            f"{stem}self_attn.k_norm.weight": [128],
            f"{stem}self_attn.k_proj.weight": [pairs, MOE_HIDDEN],
            f"{stem}self_attn.o_proj.weight": [MOE_HIDDEN, heads],
            f"{stem}self_attn.q_proj.weight": [heads, MOE_HIDDEN],
            f"{stem}self_attn.v_proj.weight": [pairs, MOE_HIDDEN],
        }
    return shapes | {"model.norm.weight": [MOE_HIDDEN], "lm_head.weight": [words, MOE_HIDDEN]}


def nbytes(shape: Iterable[int]) -> int:
    size = BF16
    for extent in shape:
        size *= extent
    return size


def write_weights(path: Path, shapes: Shapes) -> int:
    """A safetensors file whose data are a hole; gives the bytes of its tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + nbytes(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)
    return end


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(folder: Path, words: int, merges: int) -> None:
    """A byte-level tokenizer of `words` words; each merge is a pair, as the library has written them since 0.20."""
    vocabulary = {"<|begin_of_text|>": 0, "<|end_of_text|>": 1} | {
        f"Ġword{number}": number for number in range(2, words)
    }
    special = [
        {"id": number, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for name, number in list(vocabulary.items())[:2]
    ]  # fmt: skip
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False, "byte_fallback": False,
        "vocab": vocabulary, "merges": [["Ġword", str(number)] for number in range(merges)],
    }  # fmt: skip
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
    }
    tokenizer |= {"pre_tokenizer": level, "post_processor": None, "decoder": level, "model": model}
    write_json(folder / "tokenizer.json", tokenizer)
    settings = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "model_max_length": 131_072}
    write_json(folder / "tokenizer_config.json", settings | {"tokenizer_class": "PreTrainedTokenizerFast"})


def write_shards(folder: Path, words: int, merges: int) -> None:
    folder.mkdir(parents=True)
    shapes, total, weight_map = llama(), 0, dict[str, str]()
    names = list(shapes)
    for shard in range(SHARDS):
        file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        inside = names[len(names) * shard // SHARDS : len(names) * (shard + 1) // SHARDS]
        total += write_weights(folder / file, {name: shapes[name] for name in inside})
        weight_map |= dict.fromkeys(inside, file)
    metadata = {"total_parameters": total // BF16, "total_size": total}
    write_json(folder / "model.safetensors.index.json", {"metadata": metadata, "weight_map": weight_map})
    _write_rest(folder, LLAMA, words, merges)


def write_experts(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_weights(folder / "model.safetensors", experts())
    _write_rest(folder, MOE, 1000, 1000)


def _write_rest(folder: Path, config: dict[str, Any], words: int, merges: int) -> None:
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"bos_token_id": 0, "eos_token_id": 1, "do_sample": True})
    write_tokenizer(folder, words, merges)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A model with holes\n", encoding="utf-8")


def make(folder: Path) -> dict[str, Path]:
    """The repositories by name, made where they are not there yet."""
    makers = {
        "shards": lambda path: write_shards(path, 1000, 1000),
        "tokenizer": lambda path: write_shards(path, 128_000, 280_000),
        "experts": write_experts,
    }
    for name, write in makers.items():
        if not (folder / name).exists():
            write(folder / name)
    return {name: folder / name for name in makers}


if __name__ == "__main__":
    for made in make(Path(sys.argv[1])).values():
        stats = [path.stat() for path in made.iterdir()]
        size, blocks = sum(stat.st_size for stat in stats), sum(stat.st_blocks for stat in stats)
        print(f"{made}: {size / 1e9:,.1f} GB, on disk {blocks * 512 / 1e6:,.1f} MB")
