"""Weights that are not meant for transformers: the names that other runtimes give to theirs."""

import re
from posixpath import basename

from hfcheck.layout import ADAPTER_CONFIG

_SUFFIXES = (
    ".gguf", ".ggml", ".onnx", ".h5", ".keras", ".msgpack", ".ckpt", ".index", ".npz", ".tflite", ".mlmodel", ".xml",
    ".pb", ".ot", ".pte", ".engine", ".plan", ".nemo", ".pdparams", ".mindir", ".dduf", ".llamafile", ".pt2",
    ".distcp", ".tensors", ".neuron", ".rkllm", ".litertlm", ".task",
)  # fmt: skip

_CONFIGS = frozenset({"quantize_config.json", "quant_config.json", "hf_quant_config.json", ADAPTER_CONFIG})
"""A loader that has its own config beside also has its own names for weights (AutoGPTQ, AutoAWQ, peft)."""

_NAMES = (
    "adapter_model.", "consolidated", "diffusion_pytorch_model.", "hf_model_", "lit_model.", "medusa_", "mm_projector.",
    "model-rank-", "output.", "output-", "pytorch_model_fsdp.", "qmodel.", "rwkv", "weights.",
)  # fmt: skip
"""How names begin that peft, Mistral, diffusers, torchtune, LitGPT, Medusa, LLaVA, vLLM (one file for each process),
ExLlama, FSDP, HQQ, RWKV and MLX give to theirs."""

_BITS = re.compile(r"(?<![0-9a-z])[1-8]-?bits?(?![a-z])")
"""`llama-7b-4bit-128g.safetensors`: GPTQ-for-LLaMa and its kin have no config, and take any name."""


def is_of_another(path: str) -> bool:
    """Whether the name of a file says that another runtime than transformers has its weights beside it, or is one."""
    name = basename(path).lower()
    return name.endswith(_SUFFIXES) or name in _CONFIGS or name.startswith(_NAMES) or _BITS.search(name) is not None
