"""Real caches of tiny models: what each layer keeps of a prompt, under many small configs near one another."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from types import ModuleType
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import ALLOWED_ATTN_LAYER_TYPES
from transformers.modeling_outputs import BaseModelOutput

from hfcheck.loading.names import ABSENT
from tools.atlas import classes

PROMPT, SOURCE = 11, 7
"""Tokens of the prompt and of the source: no size of a tiny model is one of them by design."""

WINDOWS = ("sliding_window", "attention_chunk_size")
_SPLIT = ("num_attention_heads", "decoder_attention_heads", "n_head", "num_heads", "n_heads", "mamba_n_heads")
_ROUTED = ("num_experts_per_tok",)  # a default of None builds, and does not run
_INDEX = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_KINDS = {
    "DynamicLayer": "attention",
    "DynamicSlidingWindowLayer": "sliding",
    "DynamicIndexedLayer": "attention",
    "LinearAttentionLayer": "state",
    "LinearAttentionAndFullAttentionLayer": "attention",
    "LinearAttentionAndSlidingWindowAttentionLayer": "sliding",
    "DummyLayer": "none",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a cache: `sizes` of what it holds by role, for one sequence and without the axis of tokens."""

    kind: str
    window: int | None
    sizes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]


@dataclass(frozen=True, slots=True)
class Run:
    """What one model kept: `config` is that of its decoder, which stands at the path `at` of the model's.

    Or the model's own, with an empty path: of a flat encoder-decoder transformers makes a copy for the decoder.
    """

    config: PreTrainedConfig
    at: str
    stack: str
    layers: tuple[Layer, ...]
    cross: tuple[Layer, ...] = ()


def runs(model_type: str, class_name: str, config: Mapping[str, Any], sizes: Collection[str]) -> list[Run]:
    """Runs of a class under a small config and under others: `sizes` are the fields that are moved."""
    cls, known = classes.model_class(model_type, class_name), classes.config_class(model_type)
    path, decoder = _decoder(known, config)
    tried = (_mended_run(cls, known, _changed(config, path, change)) for change in _changes(decoder, sizes))
    return [found for found in tried if found is not None]


def attribute(config: PreTrainedConfig, name: str) -> Any:  # noqa: ANN401 - a value of a config
    """An attribute of a config, ABSENT where it has none or does not hand it out."""
    try:
        return getattr(config, name, ABSENT)
    except Exception:  # noqa: BLE001 - gemma4 raises for what differs from layer to layer
        return ABSENT


def takes_cache(cls: type[PreTrainedModel]) -> bool:
    """Whether a class is called with tokens and a cache."""
    names = set(signature(cls.forward).parameters)
    return bool(names & {"input_ids", "decoder_input_ids"}) and bool(names & {"past_key_values", "cache_params"})


def _mended_run(cls: type[PreTrainedModel], known: type[PreTrainedConfig], values: Mapping[str, Any]) -> Run | None:
    """A run under this config or, if it builds and does not run, under one that is mended."""
    try:
        path, decoder = _decoder(known, values)
    except Exception:  # noqa: BLE001 - configs are changed blindly
        return None
    tried = (run(cls, known, _changed(values, path, change)) for change in _mends(decoder))
    return next((found for found in tried if found is not None), None)


def _decoder(known: type[PreTrainedConfig], config: Mapping[str, Any]) -> tuple[list[str], PreTrainedConfig]:
    """Where the config of the decoder stands, and it; of a flat encoder-decoder the whole, for its is but a copy."""
    live = known(**deepcopy(dict(config)))
    decoder = live.get_text_config(decoder=True)
    at = next((path for path, one in _configs(live, "") if one is decoder), None)
    return (at.split(".") if at else []), (live if at is None else decoder)


def _mends(decoder: PreTrainedConfig) -> Iterator[dict[str, Any]]:
    """What a tiny config may need to run, not only to build: one after the other is tried."""
    yield {}
    change: dict[str, Any] = {name: 2 for name in _ROUTED if getattr(decoder, name, 0) is None}
    layers = list(getattr(decoder, "layer_types", None) or ())
    if layers and "full_attention" not in layers and "layer_types" in {one.name for one in dataclasses.fields(decoder)}:
        change["layer_types"] = [*layers[:-1], "full_attention"]  # a model may ask the cache for its length
    heads = getattr(decoder, "num_attention_heads", None) or 1
    width = attribute(decoder, "head_dim")
    half = (width if isinstance(width, int) else getattr(decoder, "hidden_size", 0) // heads) // 2
    rope = dict(getattr(decoder, "rope_parameters", None) or {})
    rope["mrope_section"] = [half - 2 * (half // 4), half // 4, half // 4]
    routed = {"num_key_value_heads": heads, "n_group": 1, "topk_group": 1}
    for mend in ({}, {"attn_layer_indices": [0]}, routed, {"rotary_dim": 2 * half}, {"rope_parameters": rope}):
        found = {name: value for name, value in (change | mend).items() if hasattr(decoder, name)}
        if found:
            yield found


def _changes(decoder: PreTrainedConfig, names: Collection[str]) -> Iterator[dict[str, Any]]:
    """The config as it is, with each kind of layer that the sources speak of, with each size of a candidate doubled.

    So no two candidates stay equal by accident. Not every change makes sense for every type: what fails is left out.
    """
    values = {name: attribute(decoder, name) for name in sorted(names)}
    sizes = {name: value for name, value in values.items() if value is not ABSENT}
    doubled = {name: 2 * value for name, value in sizes.items() if isinstance(value, int)}
    wide = {name: size for name, size in doubled.items() if name in ("hidden_size", "d_model")}
    kernels = {name: size for name, size in doubled.items() if "conv" in name}
    yield {}
    for name in WINDOWS:
        yield from ({name: value} for value in (None, 5) if hasattr(decoder, name))
    if hasattr(decoder, "use_sliding_window"):
        yield {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
    count = len(getattr(decoder, "layer_types", None) or ())
    text = "".join(inspect.getsource(module) for module in _modules(decoder))
    for kind in [kind for kind in ALLOWED_ATTN_LAYER_TYPES if f'"{kind}"' in text] if count else ():
        mixed = {"layer_types": [kind, *["full_attention"] * (count - 1)]}
        yield from ({"layer_types": [kind] * count}, mixed, mixed | wide, mixed | kernels)
    for name, value in sizes.items():
        if type(value) is bool:
            yield {name: not value}
        elif value is None:
            yield {name: 24}
        elif type(value) is int:  # of more heads in the same width some models cannot rotate what is left to each
            if name not in _SPLIT:
                yield {name: doubled[name]}
            if name in _SPLIT or "head" in name:
                yield {name: doubled[name]} | wide


def _changed(config: Mapping[str, Any], path: Sequence[str], change: Mapping[str, Any]) -> dict[str, Any]:
    if not path:
        return {**deepcopy(dict(config)), **change}
    return {**deepcopy(dict(config)), path[0]: _changed(config.get(path[0]) or {}, path[1:], change)}


def _modules(config: PreTrainedConfig) -> list[ModuleType]:
    """The sources of the class of a config: its own module, and the models of its type."""
    known = config.model_type in classes.types()
    return [sys.modules[type(config).__module__], *(classes.modules(config.model_type) if known else ())]


def run(cls: type[PreTrainedModel], known: type[PreTrainedConfig], values: Mapping[str, Any]) -> Run | None:
    """One prompt through a random model; None where the model does not run on tokens alone or keeps nothing."""
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            config = known(**values)
            decoder = config.get_text_config(decoder=True)
            model = cls(config).train(mode=False).bfloat16()
            own = DynamicCache(config=decoder)
            both = EncoderDecoderCache(own, DynamicCache(config=decoder)) if config.is_encoder_decoder else own
            model(**_inputs(cls, config, both))
    except Exception:  # noqa: BLE001 - a model may want images, and a config need not make sense
        return None
    at = next((path for path, one in _configs(config, "") if one is decoder), None)
    stack = _stack(model, len(own.layers))
    count = len(list(model.get_submodule(stack[:-1]).children())) if stack else len(own.layers)
    cross = both.cross_attention_cache.layers if isinstance(both, EncoderDecoderCache) else []
    layers = tuple(map(_layer, own.layers[:count]))
    if not any(layer.sizes for layer in layers):
        return None
    seen = (config, "") if at is None else (decoder, at)
    return Run(*seen, stack, layers, tuple(one for one in map(_layer, cross) if one.sizes))


def _inputs(cls: type[PreTrainedModel], config: PreTrainedConfig, past: Any) -> dict[str, Any]:  # noqa: ANN401 - a cache
    names = signature(cls.forward).parameters
    ids = torch.arange(PROMPT)[None] % 5 + 3
    found = {"past_key_values" if "past_key_values" in names else "cache_params": past, "use_cache": True}
    if not config.is_encoder_decoder or "decoder_input_ids" not in names:
        return found | {"input_ids": ids}
    width = getattr(config.get_text_config(encoder=True), "hidden_size", None) or config.hidden_size
    states = torch.zeros(1, SOURCE, width, dtype=torch.bfloat16)
    return found | {"decoder_input_ids": ids, "encoder_outputs": BaseModelOutput(last_hidden_state=states)}


def _layer(layer: Any) -> Layer:  # noqa: ANN401 - transformers has no common base for them
    tensors = {"key": getattr(layer, "keys", None), "value": getattr(layer, "values", None)}
    tensors["indexer"] = getattr(layer, "indexer_keys", None)
    for name in ("conv", "recurrent"):
        for number, state in (getattr(layer, f"{name}_states", None) or {}).items():
            tensors[f"{name}{number}"] = state
    held = {role: tensor for role, tensor in tensors.items() if tensor is not None}
    sizes = {role: _size(role, tuple(tensor.shape)) for role, tensor in held.items()}
    kind, window = _KINDS.get(type(layer).__name__, "unknown"), getattr(layer, "sliding_window", None)
    return Layer(kind, window, sizes, {role: one.dtype for role, one in held.items()})


def _size(role: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if role in ("key", "value"):
        return shape[1], shape[3]
    return shape[2:] if role == "indexer" else shape[1:]


def _configs(config: PreTrainedConfig, at: str) -> Iterator[tuple[str, PreTrainedConfig]]:
    yield at, config
    for key in config.sub_configs:
        if isinstance(below := getattr(config, key, None), PreTrainedConfig):
            yield from _configs(below, f"{at}.{key}" if at else key)


def _stack(model: PreTrainedModel, count: int) -> str:
    """The prefix of the modules that know which layer of the cache is theirs."""
    found: dict[str, set[int]] = {}
    for name, module in model.named_modules():
        layer = getattr(module, "layer_idx", getattr(module, "layer_id", None))
        if not isinstance(layer, int) or layer >= count:
            continue
        for part in _INDEX.finditer(name):
            if int(part[0]) == layer:
                found.setdefault(name[: part.start()], set()).add(layer)
    return max(found, key=lambda stack: ("decoder" in stack, len(found[stack]), -len(stack)), default="")
