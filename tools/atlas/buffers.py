"""Sizes and types of what the interpreter of constructors does not follow, read off real models under small configs.

Rotary tables and the like are made by functions: their sizes are observed, under a small config and others near it, and
an expression is taken if it gives what was seen in every run; where none does, the shape stays `null`. A class that is
built in bfloat16 shows which of its tensors are of another type whatever is asked for: those get a `dtype`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final, TypeAlias

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from hfcheck.loading.classes import ModelClass, Tensor, Variant, model_class
from hfcheck.loading.expand import Expansion, NotCertain
from hfcheck.loading.expression import MAX_STEPS, Scope
from hfcheck.loading.functions import Budget
from hfcheck.loading.names import ABSENT
from tools.atlas import classes
from tools.atlas.reality import TooLong, resolved_config, time_limit
from tools.atlas.tiny import tiny

SECONDS: Final = 20
SMALL: Final = 3
KINDS: Final = (
    "full_attention", "sliding_attention", "chunked_attention", "linear_attention", "indexed_attention",
    "compressed_sparse_attention", "heavily_compressed_attention", "hybrid", "hybrid_sliding",
)  # fmt: skip
_HEADS = ("num_attention_heads", "num_heads", "n_head", "n_heads", "encoder_attention_heads", "decoder_attention_heads")
_HIDDEN = ("hidden_size", "d_model", "n_embd", "embed_dim", "dim", "width", "emb_dim")
_SHARED = tuple(f"@{hidden} // @{heads}" for hidden, heads in product(_HIDDEN, _HEADS))
_WIDTHS = (
    *(f"if(has('@head_dim') and @head_dim, @head_dim, {width})" for width in _SHARED[:4]),
    *("@qk_rope_head_dim", "@rotary_dim", "@rope_head_dim", "@head_dim", "@global_head_dim", "@swa_head_dim"),
    *("@attention_head_dim", "@kv_channels", "@d_kv", "@head_size", "@dim_head", "@projection_dim", "@qk_head_dim"),
    *_SHARED,
    *("@rotary_embedding_dim", "max(@projection_dim // (@num_attention_heads * 2), 32)"),
    *(f"@{hidden}" for hidden in _HIDDEN),
)
_SHARES = (
    "get(@rope_parameters, 'partial_rotary_factor', 1.0)",
    "@partial_rotary_factor", "@rotary_pct", "@rotary_percent", "@rotary_fraction", "@rope_pct",
)  # fmt: skip
_POSITIONS = tuple(
    f"@{name}"
    for name in (
        "max_position_embeddings", "max_source_positions", "max_target_positions", "n_positions", "max_seq_len",
        "t2u_max_position_embeddings", "max_speech_positions", "max_text_positions", "max_seq_length",
        "sequence_length", "context_length", "max_length", "num_positions", "block_size",
    )
)  # fmt: skip
_OTHERS = tuple(
    f"@{name}"
    for name in (
        "window_size", "image_size", "patch_size", "num_channels", "num_frames", "visual_embed_dim", "vocab_size",
        "num_hidden_layers", "max_2d_position_embeddings", "position_embedding_size", "num_mel_bins",
    )
)  # fmt: skip
_GRIDS = ("@image_size // @patch_size", "(@image_size // @patch_size) ** 2", "(@image_size // @patch_size) ** 2 + 1")
CANDIDATES: Final = (
    *(f"ceil(({width}) / 2)" for width in _WIDTHS),
    *(f"ceil(int(({width}) * {share}) / 2)" for share, width in product(_SHARES, _WIDTHS)),
    *(f"({width}) // 4" for width in _WIDTHS),
    *(f"ceil(({width}) // {share} / 2)" for share, width in product((2, 3), _WIDTHS)),
    *(f"({width}) // 6" for width in _WIDTHS),
    *_WIDTHS, *_POSITIONS, *_OTHERS, *_GRIDS,
    *(f"{name} + @pad_token_id + 1" for name in _POSITIONS),
    *(f"{name} + {number}" for name, number in product((*_POSITIONS, *_OTHERS, *_GRIDS), (1, 2, 3, 4))),
    *(f"{name} - 1" for name in (*_POSITIONS, *_OTHERS)),
    *(f"2 * {name}{rest}" for name, rest in product((*_POSITIONS, *_OTHERS), ("", " + 1", " - 1"))),
    *(f"({name}) ** 2{rest}" for name, rest in product(_OTHERS, ("", " + 1"))),
    *(f"2 * ({width})" for width in _WIDTHS), "@window_size ** 4", "(2 * @window_size - 1) ** 2",
    *(f"{name} + @pad_token_id + 3" for name in _POSITIONS),
)  # fmt: skip
"""Expressions with `@` where the path of a config is to stand."""

_FIELDS: Final = frozenset(re.findall(r"@(\w+)", " ".join(CANDIDATES)))

Json: TypeAlias = dict[str, Any]

DTYPES: Final = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.int64: "I64", torch.int32: "I32",
    torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """A live config as expressions read it."""

    config: PreTrainedConfig

    def get(self, name: str, /) -> object:
        value = _attribute(self.config, name, ABSENT)
        return Level(value) if isinstance(value, PreTrainedConfig) else value


@dataclass(frozen=True, slots=True)
class Seen:
    """A class under one config: its templates there, and the real tensors by name, `transient` those not stored."""

    config: PreTrainedConfig
    model: ModelClass
    expansion: Expansion
    tensors: Mapping[str, torch.Tensor]
    transient: frozenset[str]


def complete(entry: Json) -> Json:
    """The entry, with what can be observed of the tensors of each class that it does not inherit."""
    for name, data in entry["classes"].items():
        if data.get("tensors") or data.get("buffers"):
            _complete(entry, name, data)
    return entry


def _complete(entry: Json, name: str, data: Json) -> None:
    known = entry["model_type"]
    config = tiny(known, name)
    first = _seen(entry, name, config)
    if first is None:
        return
    _types(data, first)
    lacking = [
        template for template in data.get("buffers", {}) if not _fits(data["buffers"][template], template, first)
    ]
    extra = _missing(first)
    if not lacking and not extra:
        return
    seen = [first, *(one for other in _configs(first, config) if (one := _seen(entry, name, other)) is not None)]
    for template in lacking:
        data["buffers"][template] = _shaped(data["buffers"][template], template, seen)
    for template in sorted({template for one in seen for template in _missing(one)}):
        if (form := _conditional(template, seen)) is not None:
            data.setdefault("buffers", {})[template] = form


def _seen(entry: Json, name: str, config: Mapping[str, Any]) -> Seen | None:
    """The class under a config, built in bfloat16; None where it does not build."""
    cls = classes.model_class(entry["model_type"], name)
    try:
        with time_limit(SECONDS):
            live = resolved_config(cls, config, entry["model_type"])
            real = _built(cls, live)
            model = model_class(entry["classes"], name, entry["model_type"])
            expansion = Expansion(model, Scope(Level(live), Budget(MAX_STEPS)))
            mounts = tuple(f"{at}." for mount in model.mounts for _, at in expansion.modules(mount.at, mount.condition))
    except (Exception, TooLong):  # noqa: BLE001 - configs are changed blindly
        return None
    stored = real.state_dict().keys()
    own = {
        at: one for at, one in (*real.named_parameters(), *real.named_buffers()) if not at.startswith(mounts or "\n")
    }
    return Seen(live, model, expansion, own, frozenset(at for at in own if at not in stored))


def _built(cls: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    contexts = cls.get_init_context(torch.bfloat16, False, False, None)  # noqa: FBT003 - upstream's signature
    for context in contexts:
        context.__enter__()
    try:
        return cls(config)
    finally:
        for context in reversed(contexts):
            context.__exit__(None, None, None)


def _types(data: Json, one: Seen) -> None:
    """Say of the tensors that are not bfloat16 what they are."""
    for table in ("tensors", "buffers"):
        for template, forms in data.get(table, {}).items():
            dtypes = {tensor.dtype for _, tensor in _instances(template, one)}
            dtype = DTYPES.get(next(iter(dtypes))) if len(dtypes) == 1 else None
            if dtype is None or (table == "tensors" and dtype not in ("F32", "F64")):
                continue
            for form in forms if isinstance(forms, list) else [forms]:
                form.setdefault("dtype", dtype)


def _instances(template: str, one: Seen) -> list[tuple[tuple[int, ...], torch.Tensor]]:
    """The real tensors of a template with their indices."""
    forms = one.model.tensors.get(template)
    variants = forms.variants if forms is not None else (Variant((), one.model.buffers.get(template)),)
    try:
        found = [rows for _, rows in one.expansion.instances(Tensor(template, variants))]
    except NotCertain:
        return []
    tail = template.rpartition("{}")[2]
    names = [(at, stem + tail) for rows in found for at, stem in zip(rows.indices, rows.stems, strict=True)]
    return [(at, one.tensors[name]) for at, name in names if name in one.tensors]


def _fits(form: Any, template: str, one: Seen) -> bool:  # noqa: ANN401 - JSON
    """Whether a buffer has the shape that its entry says."""
    if isinstance(form, list) or form["shape"] is None:
        return isinstance(form, list)
    return all(
        tuple(_value(text, template, at, one) for text in form["shape"]) == tuple(tensor.shape)
        for at, tensor in _instances(template, one)
    )


def _value(text: str, template: str, at: Sequence[int], one: Seen) -> object:
    try:
        return one.expansion.value(text, template, at)
    except NotCertain:
        return None


def _shaped(form: Json, template: str, seen: Sequence[Seen]) -> Json:
    """The form of a buffer with expressions that give every shape that was seen, or without a shape."""
    samples = [(one, at, tuple(tensor.shape)) for one in seen for at, tensor in _instances(template, one)]
    if not samples or len({len(shape) for *_, shape in samples}) != 1:
        return {**form, "shape": None}
    shape = [_size(template, samples, axis) for axis in range(len(samples[0][2]))]
    return {**form, "shape": shape if all(shape) else None}


def _size(
    template: str,
    samples: Sequence[tuple[Seen, tuple[int, ...], tuple[int, ...]]],
    axis: int,
    first: tuple[str, ...] = (),
) -> str:
    """The first candidate for one size; one that never moved is a number, if it is too small to be anything else."""
    sizes = {shape[axis] for *_, shape in samples}
    if len(sizes) == 1:
        return str(*sizes) if max(sizes) <= SMALL else ""
    for path in _paths(template, samples[0][0]):
        for text in (*first, *CANDIDATES):
            placed = _placed(text, path)
            if all(_value(placed, template, at, one) == shape[axis] for one, at, shape in samples):
                return placed
    return ""


def _paths(template: str, one: Seen) -> list[str]:
    """The configs that a size may be read from: that of the innermost model around first."""
    around = [place for place in one.model.submodels if not place.at or template.startswith(f"{place.at}.")]
    nearest = [place.config for place in sorted(around, key=lambda place: -len(place.at))]
    return list(dict.fromkeys([*nearest, "", *(place.config for place in one.model.submodels)]))


def _placed(text: str, path: str) -> str:
    """A candidate over the config at a path."""
    return text.replace("@", f"{path}." if path else "")


def _missing(one: Seen) -> list[str]:
    """Buffers that the interpreter has not met: those of a rotary embedding for each kind of layers."""
    known: set[str] = set()
    for template in one.model.buffers:
        try:
            rows = one.expansion.rows(template)
        except NotCertain:
            continue
        known.update(stem + template.rpartition("{}")[2] for stem in rows.stems)
    new = [name for name in one.transient if name not in known]
    return [name for name in new if not any(part.isdecimal() for part in name.split("."))]


def _conditional(template: str, seen: Sequence[Seen]) -> Json | None:
    """A buffer that is there for a kind of layers; None where that is not when it is there."""
    last = template.rpartition(".")[2]
    kind = next((kind for kind in KINDS if last.startswith(f"{kind}_")), None)
    if kind is None:
        return None
    there = [one for one in seen if template in one.tensors]
    for path in _paths(template, seen[0]):
        for text in (
            f"'{kind}' in @layer_types",
            f"'{kind}' in @layer_types and get(@rope_parameters, '{kind}') != null",
            f"get(@rope_parameters, '{kind}') != null",
        ):
            condition = _placed(text, path)
            if all((_value(condition, template, (), one) is True) == (template in one.tensors) for one in seen):
                samples = [(one, (), tuple(one.tensors[template].shape)) for one in there]
                shape = [_size(template, samples, axis, _of_kind(kind)) for axis in range(len(samples[0][2]))]
                dtype = DTYPES.get(there[0].tensors[template].dtype)
                found: Json = {"if": condition, "shape": shape if all(shape) else None}
                return found | ({"dtype": dtype} if dtype else {})
    return None


@cache
def _of_kind(kind: str) -> tuple[str, ...]:
    """Candidates for a rotary table of one kind of layers."""
    share = f"get(get(@rope_parameters, '{kind}', dict()), 'partial_rotary_factor', 1.0)"
    return tuple(f"ceil(int(({width}) * {share}) / 2)" for width in _WIDTHS)


def _configs(first: Seen, config: Mapping[str, Any]) -> Iterator[Json]:
    """Configs near a small one: each field of a candidate moved, in every sub-config that a size may be read from."""
    for path in list(dict.fromkeys(["", *(place.config for place in first.model.submodels)])):
        live: Any = first.config
        for part in path.split(".") if path else ():
            live = getattr(live, part, None)
        if isinstance(live, PreTrainedConfig):
            for change in _changes(live):
                yield _changed(config, path.split(".") if path else [], change)


def _changes(live: PreTrainedConfig) -> Iterator[Json]:
    values = {name: value for name in sorted(_FIELDS) if (value := _attribute(live, name)) is not None}
    numbers = {name: value for name, value in values.items() if type(value) is int}
    wide = {name: 2 * numbers[name] for name in _HIDDEN if name in numbers}
    for name, value in numbers.items():
        yield {name: 2 * value}
        if name in _HEADS or "head" in name:
            yield {name: 2 * value} | wide
    if wide:
        yield wide
        yield {name: 3 * value // 2 for name, value in wide.items()}
    for name, value in values.items():
        if type(value) is float and 0 < value <= 1:
            yield {name: value / 2}
    yield {"head_dim": 24}
    rope = _attribute(live, "rope_parameters")
    if isinstance(rope, dict):
        yield from _rotations(rope)
    kinds = _attribute(live, "layer_types")
    if isinstance(kinds, (list, tuple)) and kinds:
        used = list(dict.fromkeys([*kinds, *(kind for kind in (rope or {}) if kind in KINDS)]))
        mixed = [{"layer_types": [kind, *[other] * (len(kinds) - 1)]} for kind in used for other in used]
        yield from mixed
        yield from (one | {name: 2 * numbers[name]} for one in mixed for name in numbers if name.endswith("head_dim"))
        yield from (one | wide for one in mixed)


def _rotations(rope: Mapping[str, Any]) -> Iterator[Json]:
    nested = [kind for kind in rope if isinstance(rope[kind], dict)]
    for kind in nested:
        share = (rope[kind].get("partial_rotary_factor") or 1.0) / 2
        yield {"rope_parameters": {**deepcopy(dict(rope)), kind: {**rope[kind], "partial_rotary_factor": share}}}
    if not nested:
        yield {"rope_parameters": {**rope, "partial_rotary_factor": (rope.get("partial_rotary_factor") or 1.0) / 2}}


def _attribute(config: PreTrainedConfig, name: str, default: object = None) -> Any:  # noqa: ANN401 - a value of a config
    try:
        return getattr(config, name, default)
    except Exception:  # noqa: BLE001 - a few raise for what differs from layer to layer
        return vars(config).get(name, default)


def _changed(config: Mapping[str, Any], path: Sequence[str], change: Mapping[str, Any]) -> Json:
    if not path:
        return {**deepcopy(dict(config)), **change}
    return {**deepcopy(dict(config)), path[0]: _changed(config.get(path[0]) or {}, path[1:], change)}
