"""Prompts for models of all kinds: tokens, tokens of several codebooks, states of an encoder that nobody ran."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from typing import Any

import torch
from transformers import Cache, DynamicCache, EncoderDecoderCache, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

SOURCE = 7
"""Tokens of the source."""

MAX_WAYS = 12
"""Ways of calling a model that are tried."""

_BOOKS = ("num_codebooks", "num_channels", "n_codebooks", "num_quantizers")


@dataclass(frozen=True, slots=True)
class Filled:
    """The caches of the target and of the source after a prompt, and which way of calling the model it was."""

    own: DynamicCache
    cross: DynamicCache | None
    way: int


def fill(model: PreTrainedModel, config: PreTrainedConfig, tokens: int, batch: int = 1) -> Filled:
    """The cache that `generate` would make, after one prompt; raises what the model raises."""
    set_language = getattr(model, "set_default_language", None)
    if callable(set_language):
        set_language(next(iter(config.languages)))
    decoder = config.get_text_config(decoder=True)
    failed: Exception = ValueError("there is nothing that the model takes")
    for way in range(MAX_WAYS):
        own = DynamicCache(config=decoder)
        cross = DynamicCache(config=_without_windows(decoder)) if config.is_encoder_decoder else None
        filled = Filled(own, cross, way)
        try:
            read(model, config, filled, tokens, batch)
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 - a model may want images
            failed = error
        else:
            return filled
    raise failed


def _without_windows(decoder: PreTrainedConfig) -> PreTrainedConfig:
    """The config of the cache of a source: `_prepare_cache_for_generation` of t5gemma, which has windows."""
    if getattr(decoder, "layer_types", None) is None:
        return decoder
    found = deepcopy(decoder)
    found.sliding_window = None
    found.layer_types = ["full_attention"] * len(found.layer_types)
    return found


def read(model: PreTrainedModel, config: PreTrainedConfig, filled: Filled, tokens: int, batch: int = 1) -> None:
    """Have a model read so many tokens more; raises StopIteration where there is no such way of calling it."""
    past: Cache = filled.own if filled.cross is None else EncoderDecoderCache(filled.own, filled.cross)
    inputs = next(islice(_ways(model, config, tokens, batch), filled.way, None))
    names = signature(model.forward).parameters
    model(**inputs, **{"past_key_values" if "past_key_values" in names else "cache_params": past, "use_cache": True})


def _ways(model: PreTrainedModel, config: PreTrainedConfig, tokens: int, batch: int) -> Iterator[dict[str, Any]]:
    if not config.is_encoder_decoder or "decoder_input_ids" not in signature(model.forward).parameters:
        yield from ({"input_ids": ids} for ids in _ids(config, tokens, batch))
        return
    for width in _widths(config):
        states = BaseModelOutput(last_hidden_state=torch.zeros(batch, SOURCE, width, dtype=model.dtype))
        # Some look at what their own encoder gives beside its states.
        states.__dict__.update(attention_mask=None, router_logits=())
        yield from ({"decoder_input_ids": ids, "encoder_outputs": states} for ids in _ids(config, tokens, batch))


def _ids(config: PreTrainedConfig, tokens: int, batch: int) -> Iterator[torch.Tensor]:
    ids = (torch.arange(tokens)[None] % 5 + 3).expand(batch, tokens)
    yield ids
    for one in (config, *(below for _, below in configs(config))):
        books = next((n for name in _BOOKS if isinstance(n := getattr(one, name, None), int)), 0)
        if books:
            yield ids.repeat(books, 1)
            yield from (ids[..., None].expand(batch, tokens, number) for number in (books, books + 1))


def _widths(config: PreTrainedConfig) -> list[int]:
    """Widths that the states of the encoder may have."""
    every = [config.get_text_config(encoder=True), config, *(one for _, one in configs(config))]
    found = [getattr(one, "hidden_size", None) for one in every]
    return list(dict.fromkeys(width for width in found if isinstance(width, int)))


def configs(config: PreTrainedConfig, at: str = "") -> Iterator[tuple[str, PreTrainedConfig]]:
    """A config and all below it, each with its path."""
    yield at, config
    for key in config.sub_configs:
        if isinstance(below := getattr(config, key, None), PreTrainedConfig):
            yield from configs(below, f"{at}.{key}" if at else key)
