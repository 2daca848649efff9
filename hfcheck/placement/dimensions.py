"""The numbers of a config that the memory of a run depends on, whatever the config calls them."""

from dataclasses import dataclass

from hfcheck.loading.draft import Resolved
from hfcheck.placement.cache_data import CacheClass
from hfcheck.placement.target import Target

DEFAULT_CONTEXT = 4096
"""Tokens of each sequence where nobody says how many: or as many as the model has positions for, if that is less."""

MAX_SIZE = 2**40
"""What is larger is no size of anything."""

_INNER = ("decoder", "generator", "text_config", "llm_config", "thinker_config")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len", "max_sequence_length")
_SOURCES = ("max_source_positions",)
_HIDDEN = ("hidden_size", "d_model", "n_embd", "dim")
_HEADS = ("num_attention_heads", "decoder_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads")
_CHOSEN = ("num_experts_per_tok", "moe_topk", "moe_k", "top_k", "num_experts_per_token")


@dataclass(frozen=True, slots=True)
class Sizes:
    """None where the config has no such number. `positions` are the tokens that the model was made for.

    `chosen` are the experts that see each token, `is_eager` says that whole matrices of scores are made, `keeps_logits`
    that logits of all tokens are; `generates` that there is a cache. `images` are the patches of one image.
    """

    hidden: int | None = None
    vocabulary: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    positions: int | None = None
    source_positions: int | None = None
    chosen: int | None = None
    patches: int | None = None
    is_eager: bool = False
    keeps_logits: bool = False
    generates: bool = False
    is_encoder_decoder: bool = False


NO_SIZES = Sizes()
"""Of a config that nobody can read."""


def sizes_of(config: Resolved, known: CacheClass | None) -> Sizes:
    """The numbers of a model; `known` is its class where it generates."""
    text = _text(config)
    asked = config.get("_attn_implementation")
    return Sizes(
        hidden=_first(text, _HIDDEN),
        vocabulary=_first(text, ("vocab_size",)),
        heads=_first(text, _HEADS),
        kv_heads=_first(text, _KV_HEADS),
        positions=_first(text, _POSITIONS),
        source_positions=_first(text, _SOURCES) or _first(config, _SOURCES),
        chosen=_first(text, _CHOSEN),
        patches=_patches(config),
        is_eager=asked == "eager" or (known is not None and not known.has_sdpa),
        keeps_logits=known is not None and known.keeps_logits,
        generates=known is not None,
        is_encoder_decoder=config.get("is_encoder_decoder") is True,
    )


def context_of(target: Target, sizes: Sizes) -> int:
    """The tokens of each sequence that are reckoned with."""
    if target.context is not None:
        return target.context
    return min(sizes.positions or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def source_of(sizes: Sizes, context: int) -> int:
    """The tokens of the source of each sequence: as many as the encoder has positions for, or as the context has."""
    if not sizes.is_encoder_decoder:
        return 0
    return sizes.source_positions or context


def _text(config: Resolved) -> Resolved:
    for name in _INNER:
        inner = config.get(name)
        if isinstance(inner, Resolved):
            deeper = inner.get("text_config")
            return deeper if isinstance(deeper, Resolved) else inner
    return config


def _first(config: Resolved, names: tuple[str, ...]) -> int | None:
    values = (config.get(name) for name in names)
    return next((value for value in values if _is_size(value)), None)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_SIZE


def _patches(config: Resolved) -> int | None:
    """Patches of one image, and one for a class token."""
    vision = next(
        (one for one in (config.get("vision_config"), config.get("encoder")) if isinstance(one, Resolved)), config
    )
    image, patch = _first(vision, ("image_size", "img_size")), _first(vision, ("patch_size",))
    return (image // patch) ** 2 + 1 if image is not None and patch is not None else None
