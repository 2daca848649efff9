"""Caches of published models beside what hf-mem says: `python -m benchmarks.placement.peers PYTHON`.

PYTHON is an interpreter with hf-mem 0.5 installed: its own arithmetic is called on the same configs, for the program
itself wants the Hub. `accelerate estimate-memory` says nothing of caches, and wants the Hub as well.
"""

import json
import subprocess
import sys
from typing import Any

from hfcheck.loading import atlas
from hfcheck.loading.resolve import resolve
from hfcheck.placement.cache import Moment, Sequences, total
from hfcheck.placement.cache_rules import cache_of

TOKENS = 32768
GIB = 2**30
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama 3.1 8B": ("LlamaForCausalLM", {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}),
    "Mistral 7B v0.1": ("MistralForCausalLM", {
        "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "sliding_window": 4096}),
    "Gemma 3 27B": ("Gemma3ForCausalLM", {
        "model_type": "gemma3_text", "hidden_size": 5376, "num_hidden_layers": 62, "num_attention_heads": 32,
        "num_key_value_heads": 16, "head_dim": 128, "sliding_window": 1024, "sliding_window_pattern": 6}),
    "gpt-oss 20B": ("GptOssForCausalLM", {
        "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 12}),
    "DeepSeek V3": ("DeepseekV3ForCausalLM", {
        "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64}),
    "Falcon 40B": ("FalconForCausalLM", {
        "model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128,
        "num_kv_heads": 8, "new_decoder_architecture": True}),
    "Mamba 2.8B": ("MambaForCausalLM", {
        "model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, "state_size": 16}),
}  # fmt: skip
PEER = """
import json, sys
from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size as size
for config in json.load(sys.stdin):
    try:
        print(size(config, "BF16", %d, 1))
    except Exception as error:
        print(type(error).__name__)
"""


def main() -> int:
    configs = [config for _, config in MODELS.values()]
    given, program = json.dumps(configs), PEER % TOKENS
    ran = subprocess.run([sys.argv[1], "-c", program], input=given, capture_output=True, text=True, check=True)
    print(f"{'cache in GiB at ' + str(TOKENS) + ' tokens':34}{'after the prompt':>18}{'generating':>12}{'hf-mem':>12}")
    for (name, (class_name, config)), peer in zip(MODELS.items(), ran.stdout.split(), strict=True):
        ours = [_ours(class_name, config, moment) / GIB for moment in Moment]
        theirs = f"{int(peer) / GIB:.2f}" if peer.isdecimal() else peer
        print(f"{name:34}{ours[0]:18.2f}{ours[1]:12.2f}{theirs:>12}")
    return 0


def _ours(class_name: str, config: dict[str, Any], moment: Moment) -> int:
    entry = atlas.entry(config["model_type"])
    found = cache_of(entry, class_name, resolve(config, config["model_type"])) if entry is not None else None
    return total(found.kept, Sequences(TOKENS), moment) if found is not None else 0


if __name__ == "__main__":
    sys.exit(main())
