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
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import ALLOWED_ATTN_LAYER_TYPES

from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.names import ABSENT, Names
from hfcheck.loading.resolve import resolve
from tools.atlas import classes
from tools.atlas.prompts import configs, fill

PROMPT = 11
"""Tokens of the prompt: no size of a tiny model is it by design."""

CROSSING = "cross_attention_layers"
"""Layers that attend to images alone: without any they keep nothing."""

WIDE = ("hidden_size", "d_model")
WINDOWS = ("sliding_window", "attention_chunk_size")
SPLIT = frozenset(("num_attention_heads", "decoder_attention_heads", "n_head", "num_heads", "n_heads", "mamba_n_heads"))
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
    """One layer of a cache: `sizes` of what it holds by role, for one sequence and without the axis of tokens.

    `tokens` are those that it has room for: what it shows may be a view.
    """

    kind: str
    tokens: int
    window: int | None
    sizes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]


@dataclass(frozen=True, slots=True)
class Level:
    """A live config as expressions read it, where hfcheck cannot resolve it."""

    config: PreTrainedConfig

    def get(self, name: str, /) -> object:
        value = attribute(self.config, name)
        return Level(value) if isinstance(value, PreTrainedConfig) else value


@dataclass(frozen=True, slots=True)
class Run:
    """What one model kept: `config` is that of its decoder, which stands at the path `at` of the model's.

    Or the model's own, with an empty path: of a flat encoder-decoder transformers makes a copy for the decoder. `names`
    is that config as hfcheck sees it.
    """

    config: PreTrainedConfig
    names: Names
    at: str
    stack: str
    layers: tuple[Layer, ...]
    cross: tuple[Layer, ...] = ()


def runs(model_type: str, class_name: str, config: Mapping[str, Any], sizes: Collection[str]) -> list[Run]:
    """Runs of a class under a small config and under others: `sizes` are the fields that are moved."""
    cls, known = classes.model_class(model_type, class_name), classes.config_class(model_type)
    path, decoder = decoder_of(known, config)
    tried = (_mended_run(cls, known, changed(config, path, change)) for change in _changes(decoder, sizes))
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
        path, decoder = decoder_of(known, values)
    except Exception:  # noqa: BLE001 - configs are changed blindly
        return None
    tried = (run(cls, known, changed(values, path, change)) for change in mends(decoder))
    return next((found for found in tried if found is not None), None)


def decoder_of(known: type[PreTrainedConfig], config: Mapping[str, Any]) -> tuple[list[str], PreTrainedConfig]:
    """Where the config of the decoder stands, and it; of a flat encoder-decoder the whole, for its is but a copy."""
    live = known(**deepcopy(dict(config)))
    decoder = live.get_text_config(decoder=True)
    at = next((path for path, one in configs(live, "") if one is decoder), None)
    return (at.split(".") if at else []), (live if at is None else decoder)


def mends(decoder: PreTrainedConfig) -> Iterator[dict[str, Any]]:
    """What a tiny config may need to run, not only to build: one after the other is tried."""
    yield {}
    routed: dict[str, Any] = {name: 2 for name in _ROUTED if getattr(decoder, name, 0) is None}
    layers = list(getattr(decoder, "layer_types", None) or ())
    full: dict[str, Any] = {}
    if layers and "full_attention" not in layers and "layer_types" in {one.name for one in dataclasses.fields(decoder)}:
        full["layer_types"] = [*layers[:-1], "full_attention"]  # a model may ask the cache for its length
    heads = getattr(decoder, "num_attention_heads", None) or 1
    width = attribute(decoder, "head_dim")
    half = (width if isinstance(width, int) else getattr(decoder, "hidden_size", 0) // heads) // 2
    rope = {"rope_parameters": _sectioned(decoder, half)}
    flat = {"num_key_value_heads": heads, "n_group": 1, "topk_group": 1}
    rotary = attribute(decoder, "qk_rope_head_dim")
    latent = {"head_dim": rotary, "index_head_dim": rotary}
    clipped = {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0}}
    # A decoder alone asks for a cache of as many layers as the encoder would have.
    even = {"encoder_layers": attribute(decoder, "decoder_layers")}
    others = (even, {"attn_layer_indices": [0]}, {"rotary_dim": 2 * half}, clipped)
    for mend in ({}, flat, rope, latent, flat | latent, flat | rope, *others):
        for start in (routed, routed | full):
            found = {name: value for name, value in (start | mend).items() if attribute(decoder, name) is not ABSENT}
            if found and ABSENT not in found.values():
                yield found


def _sectioned(decoder: PreTrainedConfig, half: int) -> dict[str, Any]:
    """The rotary parameters with sections that fill half a head."""
    found = dict(getattr(decoder, "rope_parameters", None) or {})
    before = found.get("mrope_section") or ()
    if sum(before) and half % sum(before) == 0:
        return {**found, "mrope_section": [part * half // sum(before) for part in before]}
    return {**found, "mrope_section": [half - 2 * (half // 4), half // 4, half // 4]}


def _changes(decoder: PreTrainedConfig, names: Collection[str]) -> Iterator[dict[str, Any]]:
    """The config as it is, with each kind of layer that the sources speak of, with each size of a candidate doubled.

    So no two candidates stay equal by accident. Not every change makes sense for every type: what fails is left out.
    """
    values = {name: attribute(decoder, name) for name in sorted(names)}
    sizes = {name: value for name, value in values.items() if value is not ABSENT}
    yield {}
    yield from _windows(decoder)
    if getattr(decoder, "is_heterogeneous", False):
        yield from ({name: 24} for name in ("head_dim", "global_head_dim", "kv_lora_rank"))
        yield {"qk_rope_head_dim": 4}
        yield {"num_global_key_value_heads": 1, "attention_k_eq_v": True}
    if "num_key_value_heads" in sizes:
        yield {"num_key_value_heads": 1}
    if hasattr(decoder, CROSSING):
        yield {CROSSING: [1]}
    if hasattr(decoder, "attn_config"):
        yield {"attn_config": {"kv_n_heads": 4, "clip_qkv": 8.0, "rope_theta": 10000.0}}
    yield from _of_kinds(decoder, sizes)
    yield from _of_sizes(decoder, sizes)


def _windows(decoder: PreTrainedConfig) -> Iterator[dict[str, Any]]:
    for name in WINDOWS:
        yield from ({name: value} for value in (None, 5) if hasattr(decoder, name))
    if hasattr(decoder, "use_sliding_window"):
        yield {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}


def _of_kinds(decoder: PreTrainedConfig, sizes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each kind of layer that the sources speak of, in all layers and in the first, with each size doubled."""
    doubled = {name: 2 * value for name, value in sizes.items() if isinstance(value, int)}
    wide = {name: size for name, size in doubled.items() if name in WIDE}
    kernels = {name: size for name, size in doubled.items() if "conv" in name}
    count = len(getattr(decoder, "layer_types", None) or ())
    text = "".join(inspect.getsource(module) for module in _modules(decoder))
    for kind in [kind for kind in ALLOWED_ATTN_LAYER_TYPES if f'"{kind}"' in text] if count else ():
        same, mixed = {"layer_types": [kind] * count}, {"layer_types": [kind, *["full_attention"] * (count - 1)]}
        yield from (same, mixed, mixed | wide, mixed | kernels)
        if kind != "full_attention":
            yield from (start | {name: size} for name, size in doubled.items() for start in (same, mixed))


def _of_sizes(decoder: PreTrainedConfig, sizes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    wide = {name: 2 * size for name, size in sizes.items() if isinstance(size, int) and name in WIDE}
    for name, value in sizes.items():
        if type(value) is bool:
            yield {name: not value}
        elif value is None:
            yield {name: 24}
        elif type(value) is int:  # of more heads in the same width some models cannot rotate what is left to each
            if name not in SPLIT:
                yield {name: 2 * value}
            if name in SPLIT or "head" in name:
                yield {name: 2 * value} | wide
            if name == "head_dim" and getattr(decoder, "rope_parameters", None):
                yield {name: 2 * value, "rope_parameters": _sectioned(decoder, value)}


def changed(config: Mapping[str, Any], path: Sequence[str], change: Mapping[str, Any]) -> dict[str, Any]:
    if not path:
        return {**deepcopy(dict(config)), **change}
    return {**deepcopy(dict(config)), path[0]: changed(config.get(path[0]) or {}, path[1:], change)}


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
            filled = fill(model, config, PROMPT)
    except Exception:  # noqa: BLE001 - a config need not make sense
        return None
    at = next((path for path, one in configs(config, "") if one is decoder), None)
    stack = _stack(model, len(filled.own.layers))
    count = len(list(model.get_submodule(stack[:-1]).children())) if stack else len(filled.own.layers)
    cross = filled.cross.layers if filled.cross is not None else []
    layers = tuple(map(_layer, filled.own.layers))
    if not any(layer.sizes for layer in layers[:count]) or any(layer.sizes for layer in layers[count:]):
        return None  # a module that keeps several has no rule here
    layers = layers[:count]
    seen = (config, "") if at is None else (decoder, at)
    return Run(
        seen[0],
        _names(config, values, seen[1]) or Level(seen[0]),
        seen[1],
        stack,
        layers,
        tuple(one for one in map(_layer, cross) if one.sizes),
    )


def _names(config: PreTrainedConfig, values: Mapping[str, Any], at: str) -> Names | None:
    """The config at a path as hfcheck resolves it, None where it cannot."""
    try:
        found: object = resolve(values, config.model_type)
    except (ConfigRaises, Unresolvable):
        return None
    for name in at.split(".") if at else ():
        found = found.get(name) if isinstance(found, Names) else None
    return found if isinstance(found, Names) else None


def _layer(layer: Any) -> Layer:  # noqa: ANN401 - transformers has no common base for them
    tensors = {"key": getattr(layer, "keys", None), "value": getattr(layer, "values", None)}
    tensors["indexer"] = getattr(layer, "indexer_keys", None)
    for name in ("conv", "recurrent"):
        for number, state in (getattr(layer, f"{name}_states", None) or {}).items():
            tensors[f"{name}{number}"] = state
    held = {role: tensor for role, tensor in tensors.items() if tensor is not None}
    sizes = {role: _size(role, tuple(tensor.shape)) for role, tensor in held.items()}
    kind, window = _KINDS.get(type(layer).__name__, "unknown"), getattr(layer, "sliding_window", None)
    return Layer(kind, _room(held), window, sizes, {role: one.dtype for role, one in held.items()})


def _room(held: Mapping[str, torch.Tensor]) -> int:
    """The tokens that fit into what is allocated for keys, or for values where keys have no width."""
    widest = max((held[role] for role in ("key", "value") if role in held), key=torch.Tensor.numel, default=None)
    if widest is None or not widest.numel():
        return 0
    row = widest.element_size() * widest.numel() // widest.shape[2]
    return widest.untyped_storage().nbytes() // row


def _size(role: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if role in ("key", "value"):
        return shape[1], shape[3]
    return shape[2:] if role == "indexer" else shape[1:]


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
    return max(found, key=lambda stack: (_rank(stack), len(found[stack]), -len(stack)), default="")


def _rank(stack: str) -> int:
    """Whether the names of a stack speak for a decoder (1), or for something else (-1)."""
    if any(word in stack for word in ("audio", "vision", "visual", "codec", "depth")):
        return -1
    return int(any(word in stack for word in ("decoder", "language_model", "text_model")))
