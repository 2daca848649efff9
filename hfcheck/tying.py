"""Tied tensors: a model that shares one tensor between embedding and head need not store both.

transformers 5.23 `modeling_utils.py:tie_weights` takes whichever of the two is there.
"""

from collections.abc import Iterable
from typing import Any

TIED = (
    "lm_head.weight", "lm_head.decoder.weight", "lm_head.decoder.bias", "lm_loss.weight", "generator_lm_head.weight",
    "embed_out.weight", "proj_out.weight", "output_projection.weight", "vocab_projector.weight", "decoder.weight",
    "predictions.decoder.weight", "predictions.decoder.bias",
    "embed_tokens.weight", "embed_in.weight", "tokens_embed.weight", "tok_embeddings.weight", "embeddings.weight",
    "word_embedding.weight", "word_embeddings.weight", "shared.weight", "wte.weight",
)  # fmt: skip
"""How the names of embeddings and heads end that transformers 5.23 ties (`_tied_weights_keys` of its models)."""

_TAILS = tuple(f".{name}" for name in TIED)

LANGUAGE_PARTS = ("text_config", "llm_config", "language_config", "decoder", "thinker_config")
"""Where the config of a composite model keeps that of its language model."""


def may_be_tied(tensor: str) -> bool:
    """Whether a tensor of this name is an embedding or a head."""
    return f".{tensor}".endswith(_TAILS)


def explained(absent: Iterable[str], stored: Iterable[str]) -> set[str]:
    """Those of the absent tensors that a model would take from a stored one."""
    tied = {tensor for tensor in absent if may_be_tied(tensor)}
    return tied if tied and any(map(may_be_tied, stored)) else set()


def says_untied(config: dict[str, Any] | None) -> bool:
    """Whether a config says that embedding and head are two tensors; without a word about it, they may be one."""
    flags = set(_flags(config or {}))
    return False in flags and True not in flags


def _flags(config: dict[str, Any]) -> Iterable[Any]:
    pending = [config]
    while pending:
        part = pending.pop()
        flag = part.get("tie_word_embeddings")
        if isinstance(flag, bool):
            yield flag
        pending.extend(inner for name in LANGUAGE_PARTS if type(inner := part.get(name)) is dict)
