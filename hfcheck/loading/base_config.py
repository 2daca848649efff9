"""What all config classes of transformers have in common, as tables: `configuration_utils.py` of release 5.23."""

from collections.abc import Mapping
from typing import Any

BASE_FIELDS: Mapping[str, Any] = {
    "transformers_version": None, "architectures": None, "output_hidden_states": False, "return_dict": True,
    "dtype": None, "chunk_size_feed_forward": 0, "is_encoder_decoder": False, "id2label": None, "label2id": None,
    "problem_type": None,
}  # fmt: skip
"""What every config class declares, with its default. Their annotations are strings, which nobody checks."""

READ_ONLY = frozenset({"is_heterogeneous", "per_layer_attributes", "sub_configs", "use_return_dict"})
"""Properties of the base class without a setter: a key of this name stops the load."""

POPPED = (
    "max_length", "min_length", "do_sample", "use_cache", "early_stopping", "num_beams", "temperature", "top_k",
    "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "epsilon_cutoff", "eta_cutoff",
    "encoder_repetition_penalty", "num_assistant_tokens", "num_assistant_tokens_schedule",
    "assistant_confidence_threshold", "assistant_lookbehind", "target_lookbehind", "num_beam_groups",
    "diversity_penalty", "name_or_path", "_commit_hash", "experts_implementation", "_attn_implementation_internal",
    "_experts_implementation_internal",
)  # fmt: skip
"""Keys that become no attribute: parameters of generation, and what only the base class uses."""

DTYPES = frozenset(
    {"bfloat16", "bit", "bits16", "bits1x8", "bits2x4", "bits4x2", "bits8", "bool", "cdouble", "cfloat", "chalf"}
    | {"complex128", "complex32", "complex64", "double", "float", "float16", "float32", "float4_e2m1fn_x2", "float64"}
    | {"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "half", "int", "int1"}
    | {"int16", "int2", "int3", "int32", "int4", "int5", "int6", "int64", "int7", "int8", "long", "qint32", "qint8"}
    | {"quint2x4", "quint4x2", "quint8", "short", "uint1", "uint16", "uint2", "uint3", "uint32", "uint4", "uint5"}
    | {"uint6", "uint64", "uint7", "uint8"}
)
"""The types of torch 2.13 by name."""

FLOATING = frozenset({"bfloat16", "double", "float", "float16", "float32", "float64", "half"})
"""Those that torch takes as default type: a model is built in no other."""

ATTENTION_LAYERS = (
    "full_attention", "sliding_attention", "chunked_attention", "window_attention", "indexed_attention",
    "compressed_sparse_attention", "heavily_compressed_attention", "minimax_m3_sparse", "conv", "moe", "hybrid",
    "hybrid_sliding", "reference_sliding_attention", "linear_attention",
)  # fmt: skip
MLP_LAYERS = ("sparse", "dense")
LEGACY_LAYERS: Mapping[str, str] = {
    "mamba": "linear_attention", "attention": "full_attention", "deepseek_sparse_attention": "indexed_attention",
    "qwen_sparse_attention": "indexed_attention",
}  # fmt: skip
