"""Tiny valid configs: what config.json would hold for a model of each type that builds in milliseconds."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Final, TypeAlias

from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from tools.atlas.seeds import OF_CLASS, SEEDS

Value: TypeAlias = Any  # of JSON
COMMON: Final = frozenset(field.name for field in fields(PreTrainedConfig))

# The first row whose pattern matches the whole name says to what an integer is cut down (never raised). None: it stays.
# Sizes are multiples of 16: of 4 heads, of the rotary halves and of the groups of a norm at once.
RULES: Final[tuple[tuple[re.Pattern[str], int | None], ...]] = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (
            r".*(sampl(e|ing)_rate|hop_length|_(cost|coefficient|loss|eps|prob|seed|theta|value)|temperature|dropout)",
            None,
        ),
        (r"seed|scale_emb|rotary_embedding_base|.*(max_period|timescale|_ignore_index|per_second|per_seconds)", None),
        (r".*(pad_token_id|pad_index|pad_id|pad_idx)", 0),
        (r".*(bos_token_id|start_token_id|start_id|bos_id|bos_index)", 1),
        (r".*(eos_token_id|sep_token_id|end_token_id|end_id|eos_id|eos_index)", 2),
        (r".*(_token_id|_token_index|_id|_index)", 5),
        (r"(num_quantizers|num_codebooks|n_codebooks|num_code_groups)", 3),
        (r"codebook_size|.*_codebook_size", 64),
        (r".*(num_embeds|num_embeddings|codevectors_per_group|num_clusters|centroids)", 72),
        (r"type_vocab_size|.*type_vocab_size|.*lang_vocab.*", None),
        (r".*(vocab|num_labels|_labels|hash_buckets|ep_len|ngram_vocab).*", 96),
        (
            r".*(max_.*position.*|n_positions|n_ctx|max_seq_len|seq_len|max_len|max_.*length|position_embedding_size)",
            40,
        ),
        (r".*first_k_dense_replace|moe_layer_start_index", 1),
        (r".*(interval|_period|every_n_layers|frequency|sparse_step|pattern|layer_group_size)", 2),
        (r".*(layer_offset|insert_layer_id)", 1),
        (r"num_hidden_layers|decoder_layers", 3),
        (r".*(layers?|depth|num_.*blocks|num_stages|resnet_layers|_blocks|n_layers?)", 2),
        (r".*(key_value|kv|key).*heads", 2),
        (r".*head.*(_dim|_size)|d_kv|d_head|kv_channels|dim_head|qk_.*dim|.*_head_dim", 8),
        (r".*heads?", 4),
        (r".*(experts_per_tok|topk|top_k|moe_k)", 2),
        (r".*shared_experts.*", 2),
        (r".*num_experts.*|.*_experts|expert_num|.*num_local_experts", 4),
        (r".*expert.*(size|dim)|moe.*size", 24),
        (r".*patch_size|patch_length", 8),
        (r".*image_size|input_size|crop_size|resolution|.*img_size", 32),
        (r".*chunk_(right|left)_context|.*context_(left|right)", 4),
        (r".*(window|chunk|context).*", 8),
        (r".*(groups?|num_groups|n_group)", 4),
        (r"encoder_stride", 8),
        (r".*(stride|factor|ratio|padding|merge_size|dilation|scale|rate|mult)", None),
        (r".*(rank|state_size|d_state|ssm_state.*|_bins|_points|queries|num_frames|num_latents|_latents|_patches)", 16),
        (r".*(intermediate|ffn|mlp|d_ff|dff|inner|feed_?forward|linear_units).*", 48),
        (r".*(_tokens|_length|_buckets|_distance)", 16),
    )
)
FEW: Final = 3  # layers that may stay; more stages
SIZE: Final = 16  # what is at least as large in a list is one
OTHERWISE: Final = 32
KERNEL: Final = re.compile(r".*kernel.*|conv_l_cache|.*d_conv")
DEPTHS: Final = re.compile(r"depths?|.*num_.*blocks|.*repeats|.*layers.*|n_attn_blocks")
HEADS: Final = re.compile(r".*heads")
INDEXES: Final = re.compile(r".*(index|indices|indexes|hook_ids|extract_layers|feature_layer)")
KEPT: Final = re.compile(
    r".*(kernel|stride|rate|ratio|padding|dilation|window|factor|scale|step|quant|lags|levels|size_reduction).*"
)


def tiny(model_type: str, class_name: str = "") -> dict[str, Any]:
    """A small config of the type, sub-configs included, as config.json would hold it; the same at every call.

    A few classes build from another config than their siblings: `class_name` asks for the one of that class.
    """
    config = {"model_type": model_type, **shrunk(CONFIG_MAPPING[model_type], {})}
    return _merged(config, OF_CLASS.get(class_name, {}))


def shrunk(config_class: type[PreTrainedConfig], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the class that are cut down; `given` are values that a slot of an outer config starts from."""
    seed = SEEDS.get(config_class.model_type, {})
    own = {field.name: default(field) for field in fields(config_class) if field.name not in COMMON}
    slots = config_class.sub_configs_defaults
    small = {key: _small(key, value, own) for key, value in {**own, **given}.items() if key not in slots}
    changed = {key: value for key, value in small.items() if value != own.get(key) or key in given}
    for key, slot in slots.items():
        if not slot.optional or key in seed:
            changed[key] = _slot(slot, seed.get(key, {}).get("model_type", slot.model_type))
    if "out_features" in changed:  # says the same as the indices, in names that are cut down otherwise
        changed.pop("out_indices", None)
    return _merged(changed, seed)


def _slot(slot: SubConfigSpec, model_type: str) -> dict[str, Any]:
    """`model_type` is the slot's own unless a seed puts another type there."""
    given = slot.init_kwargs if model_type == slot.model_type else {}
    if issubclass(slot.config_class, PreTrainedConfig):
        return {"model_type": model_type, **shrunk(slot.config_class, given)}
    return {"model_type": model_type, **shrunk(CONFIG_MAPPING[model_type], given)}


def _small(name: str, value: Value, own: Mapping[str, Value]) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        stages = name == "embed_dim" and "depths" in own  # doubled at each stage
        return min(value, 16) if stages else small_int(name, value)
    if isinstance(value, (list, tuple)):
        return _small_list(name, list(value), own)
    return value


def small_int(name: str, value: int) -> int:
    if KERNEL.fullmatch(name.lower()):
        return min(value, 4 - value % 2)  # many convolutions insist on an odd kernel
    for pattern, most in RULES:
        if pattern.fullmatch(name.lower()):
            return value if most is None else min(value, most)
    return min(value, OTHERWISE)


def _small_list(name: str, values: list[Any], own: Mapping[str, Any]) -> list[Any]:
    for key in ("num_hidden_layers", "num_layers", "depth"):
        layers = own.get(key)
        if type(layers) is int and layers > FEW and len(values) == layers:
            values = values[: small_int(key, layers)]
    if not values or not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return values
    if INDEXES.fullmatch(name):
        kept = sorted(set(values))
        return values if max(values) <= FEW + 1 else [kept.index(value) for value in values]
    if DEPTHS.fullmatch(name) or HEADS.fullmatch(name):
        return [min(value, 2) for value in values]
    if KEPT.fullmatch(name) or max(values) < SIZE:
        return values
    if "image_size" in name:
        return [32 for _ in values]
    if "patch_size" in name:
        return [min(value, 8) for value in values]
    ranks = sorted(set(values))
    return [SIZE * (1 + ranks.index(value)) if value >= SIZE else value for value in values]


def default(field: Field[Any]) -> Value:
    """What the field is where the file does not have it; None for one without a default."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, dicts merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(value, Mapping) and isinstance(inner, Mapping) else value
    return merged
