"""What the generator says of caches, against the cache that a real model fills."""

from typing import Any

import pytest

pytest.importorskip("transformers")

from tools.atlas.kv import kv
from tools.atlas.tiny import tiny

pytestmark = [pytest.mark.loader, pytest.mark.filterwarnings("ignore")]

FULL = {"kind": "attention", "tokens": "target"}
LLAMA = {"kv_heads": "num_key_value_heads", "per_token": "2 * num_key_value_heads * head_dim"}
WHISPER = {
    "layers": "model.decoder.layers.",
    "kv_heads": "decoder_attention_heads",
    "per_token": "2 * decoder_attention_heads * (d_model // decoder_attention_heads)",
}


@pytest.mark.parametrize(
    ("model_type", "class_name", "expected"),
    [
        ("llama", "LlamaForCausalLM", [{"layers": "model.layers.", **FULL, **LLAMA}]),
        ("llama", "LlamaModel", [{"layers": "layers.", **FULL, **LLAMA}]),
        (
            "deepseek_v3",
            "DeepseekV3ForCausalLM",
            [{"layers": "model.layers.", **FULL, "kind": "latent", "per_token": "kv_lora_rank + qk_rope_head_dim"}],
        ),
        (
            "whisper",
            "WhisperForConditionalGeneration",
            [{**FULL, **WHISPER}, {"kind": "cross", "tokens": "source", **WHISPER}],
        ),
        (
            "gemma2",
            "Gemma2ForCausalLM",
            [
                {"layers": "model.layers.", "if": "layer_types[$0] == 'full_attention'", **FULL, **LLAMA},
                {"layers": "model.layers.", "if": "layer_types[$0] == 'sliding_attention'", "kind": "sliding",
                 "tokens": "target", **LLAMA, "window": "sliding_window"},
            ],
        ),
        (
            "mamba",
            "MambaForCausalLM",
            [
                {"layers": "backbone.layers.", "kind": "state",
                 "states": [{"shape": ["intermediate_size", "conv_kernel"]},
                            {"shape": ["intermediate_size", "state_size"], "dtype": "F32"}]},
            ],
        ),
        ("vit", "ViTModel", []),  # takes no tokens
        ("minimax", "MiniMaxForCausalLM", [{"layers": "", "kind": "unknown"}]),  # has a cache of its own
    ],
)  # fmt: skip
def test_parts_of_a_cache(model_type: str, class_name: str, expected: list[dict[str, Any]]) -> None:
    assert kv(model_type, class_name, tiny(model_type, class_name)) == expected
