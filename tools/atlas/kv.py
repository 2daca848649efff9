"""What a decoder keeps between two tokens, as expressions over its config: read off real caches of tiny models.

A small model of several configs is run on the CPU, with the cache that `generate` of transformers 5.23 would make for
it. An expression is taken if it gives the size that was seen in every layer of every run; where none does, the kind is
"unknown". The key `kv` of a class is a list of parts of a cache, each for the layers where `if` holds:

- `layers`: the prefix of the stack, whose index is `$0`;
- `kind`: `attention` (all tokens), `sliding` (the last `window`), `latent` (keys and values are one compressed vector),
  `cross` (the tokens of the source), `indexer` (keys of a sparse attention), `state` (no tokens), `unknown`;
- `per_token`: elements for each token of each sequence; `kv_heads` where they are heads times a width; `dtype` where
  it is not the model's;
- `tokens`: `target` or `source`; `window` of a sliding layer;
- `states`: of each tensor its `shape` for one sequence, and `dtype` where that is not the model's.

A layer to which no part applies has not been seen, and nothing is known of it; `kind: none` keeps nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, TypeAlias

import torch

from hfcheck.loading.expression import evaluate, fields, parse
from hfcheck.loading.names import Names
from tools.atlas import classes
from tools.atlas.caches import CROSSING, PROMPT, WINDOWS, Layer, Run, runs, takes_cache
from tools.atlas.prompts import SOURCE

_APART = ("head_dim", "kv_lora_rank", "qk_rope_head_dim", "v_head_dim")
"""Widths that single layers may have otherwise than the rest, in `per_layer_config`."""

HEADS = (
    "num_key_value_heads", "num_kv_heads", "decoder_attention_heads", "num_attention_heads", "n_head", "num_heads",
    "n_heads", "if(new_decoder_architecture, num_attention_heads, if(multi_query, 1, num_attention_heads))",
    "if(multi_query, 1, n_head)", "num_key_value_heads[$0]", "num_global_key_value_heads", "swa_num_key_value_heads",
    "num_decoder_attention_heads", "attn_config.kv_n_heads", "num_key_value_heads * 2",
    "get(get(per_layer_config, $0, dict()), 'num_key_value_heads', num_key_value_heads)", "1",
)  # fmt: skip
WIDTHS = (
    "kv_lora_rank", "qk_rope_head_dim", "kv_lora_rank + qk_rope_head_dim", "head_dim", "d_kv",
    "hidden_size // num_attention_heads", "kv_channels", "attention_head_dim", "d_model // decoder_attention_heads",
    "hidden_size // num_heads", "n_embd // n_head", "global_head_dim", "swa_head_dim", "v_head_dim", "qk_head_dim",
    "qk_nope_head_dim + qk_rope_head_dim", "index_head_dim",
    "if(head_dim == null, hidden_size // num_attention_heads, head_dim)", "hidden_size // decoder_attention_heads",
    "hidden_size // num_decoder_attention_heads", "dim_head", "d_model // n_heads", "swa_kv_lora_rank",
    "swa_qk_rope_head_dim", "swa_v_head_dim", "2 * index_head_dim + 1",
    *(f"get(get(per_layer_config, $0, dict()), '{name}', {name})" for name in _APART), "0",
)  # fmt: skip
_INNER = (
    "intermediate_size", "mamba_d_ssm", "mamba_n_heads * mamba_d_head", "mamba_num_heads * mamba_head_dim",
    "num_heads * head_dim", "int(mamba_expand * hidden_size)", "int(expand * hidden_size)",
)  # fmt: skip
_GROUPS = ("mamba_n_groups", "mamba_ngroups", "n_groups")
_STATE = ("mamba_d_state", "ssm_state_size", "state_size")
KERNELS = (
    "conv_kernel", "mamba_d_conv", "d_conv", "conv_L_cache", "linear_conv_kernel_dim", "conv_kernel - 1",
    "mamba_d_conv - 1", "linear_conv_kernel_dim - 1", "conv1d_width - 1", "conv_kernel_size", "sconv_kernel_size",
    "conv_kernel_size - 1", "sconv_kernel_size - 1", "cca_time0 + cca_time1 - 2",
)  # fmt: skip
SIZES = (
    *(f"{inner} + 2 * {groups} * {state}" for inner, groups, state in product(_INNER, _GROUPS, _STATE)),
    "linear_num_key_heads * linear_key_head_dim * 2 + linear_num_value_heads * linear_value_head_dim",
    *_INNER, *_STATE, "mamba_n_heads", "n_mamba_heads", "mamba_num_heads", "num_heads", "mamba_d_head",
    "mamba_head_dim", "mamba_headdim", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "linear_num_heads * linear_head_dim * 3", "num_attention_heads * head_dim * 3", "linear_num_heads",
    "linear_head_dim", "num_key_value_heads * head_dim", "swa_num_key_value_heads * swa_head_dim",
    "(num_attention_heads + num_key_value_heads) * head_dim", "num_key_value_heads * head_dim // 2",
    "num_attention_heads", "head_dim", "hidden_size // num_attention_heads", "lru_width", "hidden_size",
    "int(mamba_expand * hidden_size) // n_mamba_heads", "1",
)  # fmt: skip
SHARED = (
    "$0 >= num_hidden_layers - num_kv_shared_layers",
    "kv_source_layers[$0] != $0 and indexer_types[$0] == 'shared'",
)
"""When a layer keeps nothing, because it reads what an earlier one keeps."""

ATTENDS = (
    "attn_layer_indices != null and $0 in attn_layer_indices", "$0 % attn_layer_period == attn_layer_offset",
    "block_types[$0 % len(block_types)] == 'attention'",
)  # fmt: skip
"""When a layer attends, of configs that do not hold the kinds of their layers."""

FIELDS = frozenset(name for text in (*HEADS, *WIDTHS, *KERNELS, *SIZES) for name in fields(parse(text)))


Seen: TypeAlias = Sequence[tuple[Run, int, Layer]]


def kv(model_type: str, class_name: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of the cache of a class, from runs of it under a small config and others near it.

    None for what takes no cache; one of kind "unknown" for what does not run on tokens alone.
    """
    if not takes_cache(classes.model_class(model_type, class_name)):
        return []
    found = runs(model_type, class_name, config, FIELDS)
    if len({(one.stack, one.at) for one in found}) != 1 or not found[0].stack:
        return [{"layers": "", "kind": "unknown"}]
    return [*_parts(found, "target", lambda one: one.layers), *_parts(found, "source", lambda one: one.cross)]


def _parts(runs: Sequence[Run], tokens: str, layers: Callable[[Run], tuple[Layer, ...]]) -> Iterator[dict[str, Any]]:
    """One part or more for each kind of layer that the runs show."""
    seen = [(one, index, layer) for one in runs for index, layer in enumerate(layers(one))]
    groups: dict[str, list[tuple[Run, int, Layer]]] = {}
    for one, index, layer in seen:
        groups.setdefault(_condition(one, index), []).append((one, index, layer))
    for condition, group in sorted(groups.items()):
        start = {"layers": runs[0].stack} | ({"if": condition} if condition else {})
        for part in _described(group, seen, tokens):
            yield start | part


def _condition(one: Run, index: int) -> str:
    """When a layer is of its kind, as `cache_utils.py:get_layer_types_and_kwargs` decides."""
    shared = _sharing(one, index)
    crossing = getattr(one.config, CROSSING, None)
    if crossing is not None:
        return f"{'' if index in crossing else 'not '}($0 in {_path(one, CROSSING)})"
    if (kinds := getattr(one.config, "layer_types", None)) is not None:
        return shared + _kind(one, kinds, index)
    for name in ("sliding_window", "attention_chunk_size"):
        if getattr(one.config, name, None) is not None:
            return f"{shared}{_path(one, name)} != null"
    names = [name for name in ("sliding_window", "attention_chunk_size") if hasattr(one.config, name)]
    return shared + " and ".join(f"{_path(one, name)} == null" for name in names)


def _kind(one: Run, kinds: Sequence[str], index: int) -> str:
    """When a layer is of the kind that it has; some configs compute the list that others hold."""
    if [_value("layer_types[$0]", one.names, at) for at in range(len(kinds))] == list(kinds):
        return f"{_path(one, 'layer_types')}[$0] == '{kinds[index]}'"
    attends = [kind != "linear_attention" for kind in kinds]
    for text in ATTENDS:
        if [_value(text, one.names, at) for at in range(len(kinds))] == attends:
            placed = _placed(text, one.at)
            return placed if attends[index] else f"not ({placed})"
    return "" if len(set(kinds)) == 1 else f"{_path(one, 'layer_types')}[$0] == '{kinds[index]}'"


def _sharing(one: Run, index: int) -> str:
    """The condition under which a layer shares the cache of another, or does not; none where no layer does."""
    modes = getattr(one.config, "kv_sharing_modes", None)
    if modes is None:
        return ""
    reuses = [mode == "reuse" for mode in modes]
    for text in SHARED:
        if [_value(text, one.names, at) for at in range(len(modes))] == reuses:
            placed = _placed(text, one.at)
            return f"{placed} and " if reuses[index] else f"not ({placed}) and "
    return f"{_path(one, 'kv_sharing_modes')}[$0] == {_text(modes[index])} and "


def _described(group: Seen, everywhere: Seen, tokens: str) -> Iterator[dict[str, Any]]:
    layers = [layer for _, _, layer in group]
    if len({(layer.kind, frozenset(layer.sizes)) for layer in layers}) != 1 or layers[0].kind == "unknown":
        yield {"kind": "unknown"}
        return
    if not layers[0].sizes:
        yield {"kind": "unknown" if hasattr(group[0][0].config, CROSSING) else "none"}
        return
    read = PROMPT if tokens == "target" else SOURCE
    if "key" in layers[0].sizes and any(layer.tokens != read for layer in layers):
        yield {"kind": "unknown"}  # it keeps others beside those that it read, or not all
        return
    if "key" in layers[0].sizes:
        yield _attention(group, everywhere, tokens)
    if "indexer" in layers[0].sizes:
        width = _formula(group, "indexer", 0, WIDTHS)
        found = {"kind": "indexer", "per_token": width, "tokens": tokens} | _dtype(group, "indexer")
        yield found if width else {"kind": "unknown"}
    roles = [role for role in layers[0].sizes if role.startswith(("conv", "recurrent"))]
    if roles:
        states = [_state(group, role) for role in roles]
        yield {"kind": "state", "states": states} if all(states) else {"kind": "unknown"}


def _shared(group: Seen, everywhere: Seen, role: str, axis: int, candidates: tuple[str, ...]) -> str:
    """A size that all layers with attention share, where they do: more runs to tell candidates apart."""
    return _formula(everywhere, role, axis, candidates) or _formula(group, role, axis, candidates)


def _attention(group: Seen, everywhere: Seen, tokens: str) -> dict[str, Any]:
    kind = group[0][2].kind
    heads = [_shared(group, everywhere, role, 0, HEADS) for role in ("key", "value")]
    key, value = (_shared(group, everywhere, role, 1, WIDTHS) for role in ("key", "value"))
    if not all(heads) or not key or not value or heads[0] != heads[1]:
        return {"kind": "unknown"}
    width = _closed(key) if key == value else f"({key} + {value})"
    times = "2 * " if key == value else ""
    found = {"kind": "cross" if tokens == "source" else kind, "tokens": tokens}
    if heads[0] == "1":
        latent = any("kv_lora_rank" in one for one in (key, value))
        found |= {"kind": "latent"} if latent and kind == "attention" else {}
        found |= {"per_token": f"2 * {width}" if key == value else f"{key} + {value}"}
    else:
        found |= {"kv_heads": heads[0], "per_token": f"{times}{_closed(heads[0])} * {width}"}
    if kind == "sliding" and tokens == "target":
        window = next((name for name in WINDOWS if all(_is_window(name, *one) for one in group)), "")
        found |= {"window": _path(group[0][0], window)} if window else {"kind": "unknown"}
    return found


def _is_window(name: str, one: Run, _: int, layer: Layer) -> bool:
    return layer.window is not None and getattr(one.config, name, None) == layer.window


def _state(group: Seen, role: str) -> dict[str, Any]:
    last = len(group[0][2].sizes[role]) - 1
    ways = [KERNELS if axis == last and role.startswith("conv") else SIZES for axis in range(last + 1)]
    shape = [_formula(group, role, axis, candidates) for axis, candidates in enumerate(ways)]
    if not all(shape):
        return {}
    return {"shape": shape} | _dtype(group, role)


def _dtype(group: Seen, role: str) -> dict[str, str]:
    """The type of a tensor that is not the model's."""
    return {"dtype": "F32"} if {layer.dtypes[role] for _, _, layer in group} == {torch.float32} else {}


def _formula(group: Seen, role: str, axis: int, candidates: Iterable[str]) -> str:
    """The first candidate that gives what was seen in every layer of every run; empty where there is none.

    Of a size that never changed it cannot be told where it comes from, unless it is a number.
    """
    seen = [(one.names, index, layer.sizes[role]) for one, index, layer in group if role in layer.sizes]
    if len({len(sizes) for *_, sizes in seen}) != 1:
        return ""
    moved = len({sizes[axis] for *_, sizes in seen}) > 1
    for text in candidates:
        if (moved or text.isdigit()) and all(_value(text, names, index) == sizes[axis] for names, index, sizes in seen):
            return _placed(text, group[0][0].at)
    return ""


def _value(text: str, names: Names, index: int) -> object:
    return evaluate(parse(text), names, (index,))


@cache
def _placed(text: str, at: str) -> str:
    """An expression over the decoder's config as one over the model's."""
    reserved = {"if", "int", "null", "get", "dict", "not", "and", "in", "len"}
    names = re.compile(r"(?<![.\w$'])[A-Za-z_]\w*(?!')")
    return names.sub(lambda name: name[0] if name[0] in reserved or not at else f"{at}.{name[0]}", text)


def _text(mode: str | None) -> str:
    return "null" if mode is None else f"'{mode}'"


def _path(one: Run, name: str) -> str:
    return _placed(name, one.at)


def _closed(text: str) -> str:
    return f"({text})" if " " in text and not text.startswith("if(") else text
