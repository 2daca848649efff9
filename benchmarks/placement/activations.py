"""Peaks of real forward passes on the CPU against the interval: `python -m benchmarks.placement.activations`.

Models of a few million parameters are built with random weights and read one prompt, with and without a fused kernel
for attention; a dispatch mode counts the bytes of all tensors that are alive, beside weights and buffers. The peak is
compared with what the memory model says of cache, activations, logits, scores, masks and copies, without what only an
accelerator has. Needs torch and transformers; a minute on one core.
"""

import os
import sys
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import DynamicCache, PreTrainedModel, logging

from hfcheck.formats.tensor import Tensor
from hfcheck.loading.judge import judge
from hfcheck.placement.cache import Sequences
from hfcheck.placement.device import Device
from hfcheck.placement.dimensions import source_of
from hfcheck.placement.generation import generation_of
from hfcheck.placement.layers import layers_of
from hfcheck.placement.memory import Run, device_use, occupancies
from hfcheck.placement.size import size, span
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of
from tools.atlas import classes

ONLY_OF_DEVICES = ("weights", "buffers", "runtime", "workspaces", "rounding")
COMMON = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 2000,
    "max_position_embeddings": 4096,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 64}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", GROUPED),
    "mistral": ("MistralForCausalLM", {**GROUPED, "sliding_window": 256}),
    "qwen2": ("Qwen2ForCausalLM", GROUPED),
    "qwen3": ("Qwen3ForCausalLM", GROUPED),
    "gemma2": ("Gemma2ForCausalLM", {**GROUPED, "sliding_window": 256}),
    "gemma3_text": ("Gemma3ForCausalLM", {**GROUPED, "sliding_window": 256}),
    "phi3": ("Phi3ForCausalLM", {"num_key_value_heads": 2}),
    "olmo2": ("Olmo2ForCausalLM", {"num_key_value_heads": 2}),
    "stablelm": ("StableLmForCausalLM", {"num_key_value_heads": 2}),
    "gpt_neox": ("GPTNeoXForCausalLM", {}),
    "granite": ("GraniteForCausalLM", {"num_key_value_heads": 2}),
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 256, "n_layer": 2, "n_head": 4, "n_positions": 4096}),
    "opt": ("OPTForCausalLM", {"ffn_dim": 1024, "word_embed_proj_dim": 256}),
    "bloom": ("BloomForCausalLM", {"n_head": 4, "n_layer": 2}),
    "falcon": ("FalconForCausalLM", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "mixtral": ("MixtralForCausalLM", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen3_moe": ("Qwen3MoeForCausalLM", {**GROUPED, "num_experts": 8, "moe_intermediate_size": 256,
                                          "num_experts_per_tok": 2}),
    "deepseek_v3": ("DeepseekV3ForCausalLM", {"num_key_value_heads": 4, "kv_lora_rank": 128, "q_lora_rank": 128,
                                              "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 64,
                                              "n_routed_experts": 8, "n_group": 2, "topk_group": 1,
                                              "num_experts_per_tok": 2, "moe_intermediate_size": 256}),
    "bert": ("BertForMaskedLM", {}),
    "roberta": ("RobertaForSequenceClassification", {}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: so many tokens of so many sequences, in this type."""

    tokens: int
    batch: int
    dtype: torch.dtype


PASSES = [Pass(*size, dtype) for size in ((512, 1), (1024, 1), (256, 3)) for dtype in (torch.bfloat16, torch.float32)]


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the storages that operations made and that are still alive, and the most of them at one time."""

    def __init__(self, model: PreTrainedModel, *given: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held = [one.untyped_storage() for one in (*model.parameters(), *model.buffers(), *given)]
        self.live: dict[int, int] = {storage._cdata: 0 for storage in self.held}  # noqa: SLF001 - see below
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # noqa: SLF001 - the storage itself, whatever views there are of it
        if key in self.live:
            return
        self.live[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self.live.pop(key)


def main() -> int:
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    inside = runs = 0
    for model_type, (class_name, fields) in MODELS.items():
        for attention in ("sdpa", "eager"):
            config = {"model_type": model_type, **COMMON, **fields, "attn_implementation": attention}
            for one in PASSES:
                model = _built(model_type, class_name, config, one.dtype)
                if model is None:
                    continue
                name = "bfloat16" if one.dtype is torch.bfloat16 else "float32"
                low, high = _said({**config, "architectures": [class_name], "dtype": name}, model, one)
                peak = _peak(model, one)
                runs += 1
                inside += low <= peak <= high
                word = "inside" if low <= peak <= high else "BELOW" if peak < low else "ABOVE"
                where = f"{model_type} {attention} {one.batch} x {one.tokens} {name}"
                print(f"{word} {where}: {size(peak)} in {span(low, high)}, {peak / high:.2f} of high", flush=True)
    print(f"{inside} of {runs} peaks are inside of the interval")
    return 0


def _built(model_type: str, class_name: str, config: Mapping[str, Any], dtype: torch.dtype) -> PreTrainedModel | None:
    """None for a class without this way of attending."""
    torch.manual_seed(0)
    live = classes.config_class(model_type)(**config)
    try:
        model: PreTrainedModel = classes.model_class(model_type, class_name)._from_config(live)  # type: ignore[no-untyped-call]  # noqa: SLF001
    except ValueError:
        return None
    model.train(mode=False)
    return model.bfloat16() if dtype is torch.bfloat16 else model.float()  # type: ignore[no-untyped-call]


def _peak(model: PreTrainedModel, one: Pass) -> int:
    ids = torch.arange(one.tokens).expand(one.batch, one.tokens) % 100 + 3
    arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.can_generate():
        arguments |= {"past_key_values": DynamicCache(config=model.config), "use_cache": True}
        if "logits_to_keep" in signature(model.forward).parameters:
            arguments["logits_to_keep"] = 1
    peak = Peak(model, ids)
    with torch.no_grad(), peak:
        model(**arguments)
    return peak.most


def _said(config: Mapping[str, Any], model: PreTrainedModel, asked: Pass) -> tuple[int, int]:
    names = {torch.bfloat16: "BF16", torch.float32: "F32"}
    stored = model.state_dict()
    state = {name: Tensor(names[one.dtype], tuple(one.shape), 0, one.nbytes) for name, one in stored.items()}
    load = judge(config, state, {})
    device = Device("cpu", 2**40, "cpu")
    placed = model_of(load, config, state, Target((device,)))
    found = generation_of(load, config)
    layers = layers_of(placed, found, {name: tuple(one.shape) for name, one in stored.items()})
    run = Run(placed, dict.fromkeys(placed.weights, "cpu"), {"": "cpu"}, (device,), found.cache, found.sizes, layers)
    (occupancy,) = occupancies(run)
    sequences = Sequences(asked.tokens, asked.batch, model.dtype.itemsize, source_of(found.sizes, asked.tokens))
    terms = [term for term in device_use(occupancy, found.sizes, sequences).terms if term.name not in ONLY_OF_DEVICES]
    return sum(term.low for term in terms), sum(term.high for term in terms)


if __name__ == "__main__":
    sys.exit(main())
