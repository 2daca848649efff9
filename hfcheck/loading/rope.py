"""Rotary parameters: the forms of transformers 4 and 5 brought into one, and what is refused.

After `RotaryEmbeddingConfigMixin` of `modeling_rope_utils.py` in transformers 5.23. Only what raises and what changes
a value is here; most of what upstream checks ends in a warning.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hfcheck.finding import quote
from hfcheck.loading.draft import CLASS, About, Draft
from hfcheck.loading.fields import names_of, shown
from hfcheck.loading.names import ABSENT, UNKNOWN

THETA = 10000.0
SCALED = ("llama3", "yarn", "longrope")
"""Types that need to know the length the model was trained with, and take `max_position_embeddings` for it."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "default": (),
    "axial": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor", "original_max_position_embeddings"),
    "longrope": ("short_factor", "long_factor", "original_max_position_embeddings"),
    "llama3": (
        "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "rope_theta",
    ),
    "proportional": ("rope_theta",),
}  # fmt: skip
"""Keys whose absence raises; of any other type nothing is checked."""


def convert(draft: Draft) -> None:
    """`convert_rope_params_to_dict`: `rope_scaling`, `rope_theta` and the rest become `rope_parameters`."""
    own = draft.entry.get("rope", {}).get("convert", {})
    match own.get("kind", "base"):
        case "keep":
            return
        case "base":
            _share_of(draft, own.get("share", ()))
            _take_scaling(draft)
            _base(draft)
        case "flat":
            _take_scaling(draft)
            _flat(draft, own)
        case "split":
            _split(draft, own)
        case _:
            for key in ("rope_scaling", "rope_theta", "partial_rotary_factor"):
                draft.pending.pop(key, None)
            draft.values["rope_parameters"] = UNKNOWN


def _take_scaling(draft: Draft) -> None:
    scaling = deepcopy(draft.pending.pop("rope_scaling", None))
    draft.set("rope_parameters", scaling or deepcopy(draft.attribute("rope_parameters")))
    if draft.attribute("rope_parameters") in (None, ABSENT):
        draft.set("rope_parameters", {})


def _share_of(draft: Draft, names: Sequence[str]) -> None:
    """An older field says how many dimensions of a head rotate: the share that they are."""
    sizes = [_or(draft.get(name), None) for name in names]
    if sizes and all(map(_is_number, sizes)) and sizes[1]:
        draft.pending.setdefault("partial_rotary_factor", sizes[0] / sizes[1])


def _base(draft: Draft) -> None:
    default = draft.entry.get("rope", {}).get("theta", THETA)
    theta = draft.pending.pop("rope_theta", _or(draft.attribute("rope_theta"), default))
    partial = draft.pending.pop("partial_rotary_factor", _or(draft.attribute("partial_rotary_factor"), None))
    parameters = draft.attribute("rope_parameters")
    if parameters is UNKNOWN:
        return
    for part in [parameters[key] for key in nested(draft, parameters)] or [parameters]:
        if part is None:
            continue
        _default(draft, part, "rope_theta", theta)
        if partial is not None:
            _default(draft, part, "partial_rotary_factor", partial)
    standardize(draft)


def _flat(draft: Draft, own: Mapping[str, Any]) -> None:
    parameters = draft.attribute("rope_parameters")
    key, default = own["theta"]
    if isinstance(parameters, dict):
        _default(draft, parameters, "rope_theta", draft.pending.pop(key, default))
        if "partial" in own:
            name = own["partial"]["key"]
            given = draft.pending.get(name, own["partial"]["default"])
            if not own["partial"]["stays"]:
                draft.pending.pop(name, None)
            _default(draft, parameters, "partial_rotary_factor", given)
        for old, new in own.get("before", {}).items():
            if parameters.get("rope_type", parameters.get("type")) == old:
                parameters["rope_type"] = new
    standardize(draft)
    if isinstance(parameters, dict):
        for old, new in own.get("after", {}).items():
            if parameters.get("rope_type") == old:
                parameters["rope_type"] = new
                break


def _split(draft: Draft, own: Mapping[str, Any]) -> None:
    scaling = draft.pending.pop("rope_scaling", None)
    parameters = deepcopy(draft.attribute("rope_parameters"))
    if parameters is UNKNOWN:
        return
    if parameters in (None, ABSENT):
        parameters = {name: {"rope_type": "default"} for name in ("sliding_attention", "full_attention")}
    draft.set("rope_parameters", parameters)
    if scaling is not None:
        for name in own["scaled"]:
            if not isinstance(parameters.get(name), dict) or not isinstance(scaling, dict):
                error = "KeyError" if name not in parameters else "AttributeError"
                raise draft.raises(
                    error, f"rope_scaling cannot be merged into the parameters of {name}", "rope_scaling"
                )
            parameters[name].update(deepcopy(scaling))
    for name in ("full_attention", "sliding_attention"):
        key, default = own["theta"][name]
        if parameters.get(name) is None:
            parameters[name] = {"rope_type": "default"}
        _default(draft, parameters[name], "rope_theta", draft.pending.pop(key, default))
    standardize(draft)


def standardize(draft: Draft) -> None:
    """`standardize_rope_params`: every set of parameters gets its type, theta and training length."""
    theta = _or(draft.attribute("rope_theta"), None)
    partial = _or(draft.attribute("partial_rotary_factor"), None)
    parameters = _or(draft.attribute("rope_parameters"), None) or {}
    if parameters is UNKNOWN or not (parameters or theta):
        return
    keys = nested(draft, parameters)
    if keys is None:
        draft.values["rope_parameters"] = UNKNOWN
        return
    for part in [parameters[key] for key in keys] or [parameters]:
        if part is None:
            continue
        _default(draft, part, "rope_type", part.get("type", "default") if isinstance(part, dict) else None)
        _default(draft, part, "rope_theta", theta)
        if partial is not None:
            _default(draft, part, "partial_rotary_factor", partial)
        special = draft.entry.get("rope", {}).get("type", "default")
        if special != "default" and part["rope_type"] == "default":
            part["rope_type"] = special
        if _is_one_of(part["rope_type"], SCALED):
            _trained_length(draft, part, flat=not keys)
    draft.set("rope_parameters", parameters)


def _trained_length(draft: Draft, part: dict[str, Any], *, flat: bool) -> None:
    if flat and draft.has("original_max_position_embeddings"):
        part["original_max_position_embeddings"] = draft.attribute("original_max_position_embeddings")
        return
    length = draft.attribute("max_position_embeddings")
    if length is ABSENT:
        raise draft.raises(
            "AttributeError", f"{draft.label} has no max_position_embeddings", "rope_parameters", About.ROPE
        )
    part.setdefault("original_max_position_embeddings", length)


def nested(draft: Draft, parameters: Any) -> list[str]:  # noqa: ANN401 - whatever the file has there
    """The kinds of layers that have parameters of their own; empty where all layers share one set."""
    labels = draft.entry.get("attributes", {}).get("_rope_type_labels") or draft.attribute("layer_types")
    if labels is ABSENT or labels is None:
        return []
    if labels is UNKNOWN:
        # What may be a kind of layer is one: no parameter is called like this.
        return [key for key in parameters if isinstance(parameters[key], dict)]
    return [key for key in parameters if key in labels]


def validate(draft: Draft) -> None:
    """`validate_rope`: raises ConfigRaises for a missing key, and for values that cannot be compared."""
    parameters = _or(draft.attribute("rope_parameters"), None)
    if not parameters or parameters is UNKNOWN:
        return
    if not isinstance(parameters, dict):
        error = "AttributeError" if isinstance(parameters, (str, list)) else CLASS
        raise draft.raises(error, f"the rotary parameters are {shown(parameters)}", _place(draft), About.ROPE)
    keys = nested(draft, parameters)
    for part in [parameters[key] for key in keys] or [parameters]:
        if part is None:
            continue
        if not isinstance(part, dict):
            raise draft.raises("AttributeError", f"the rotary parameters hold {shown(part)}", _place(draft), About.ROPE)
        part["rope_type"] = part.get("rope_type", part.get("type", "default"))
        _validate_part(draft, part)


def _validate_part(draft: Draft, part: dict[str, Any]) -> None:
    kind = part["rope_type"]
    if isinstance(kind, str) and kind in REQUIRED:
        ignored = draft.entry.get("rope", {}).get("ignore", ())
        missing = [key for key in REQUIRED[kind] if key not in part or key in ignored]
        if missing:
            message = f"rotary parameters of type {quote(kind)} lack {names_of(missing)}"
            raise draft.raises("KeyError", message, _place(draft), About.ROPE)
        _compare(draft, kind, part)
    # Where layers differ, upstream does not look at the size that they share.
    head = None if draft.values.get("is_heterogeneous") else _or(draft.attribute("head_dim"), None)
    share = part.get("partial_rotary_factor", 1.0)
    if type(head) is int and head > 4 and head % 2 and _is_number(share) and int(head * share) == head:  # noqa: PLR2004 - upstream's test models
        message = f"head_dim is {head}, and rotary embeddings need an even one"
        raise draft.raises(CLASS, message, "head_dim", About.ROPE)


def _compare(draft: Draft, kind: str, part: dict[str, Any]) -> None:
    """What upstream computes only to warn, and what fails there for a null, a string or a zero."""
    if kind == "llama3":
        _comparable(draft, kind, "high_freq_factor", part, part["low_freq_factor"])
    if kind in {"llama3", "yarn"}:
        length = draft.attribute("max_position_embeddings")
        if length is ABSENT:
            raise draft.raises(
                "AttributeError", f"{draft.label} has no max_position_embeddings", _place(draft), About.ROPE
            )
        _comparable(draft, kind, "original_max_position_embeddings", part, length)
        if kind == "yarn" and part["original_max_position_embeddings"] == 0:
            raise draft.raises("ZeroDivisionError", "original_max_position_embeddings is 0", _place(draft), About.ROPE)
    if kind == "yarn" and not _is_number(part.get("beta_fast") or 32):
        _comparable(draft, kind, "beta_fast", part, 1)
    if kind == "longrope":
        if ABSENT in (draft.attribute("hidden_size"), draft.attribute("num_attention_heads")):
            raise draft.raises(
                "AttributeError", f"{draft.label} has no hidden_size or no heads", _place(draft), About.ROPE
            )
        for name in ("short_factor", "long_factor"):
            if not isinstance(part[name], (list, str, dict)):
                message = f"{name} in the rotary parameters is {shown(part[name])}, and not a list"
                raise draft.raises(CLASS, message, _place(draft), About.ROPE)


def _comparable(draft: Draft, kind: str, name: str, part: dict[str, Any], other: object) -> None:
    if UNKNOWN in (part[name], other) or (_is_number(part[name]) and _is_number(other)):
        return
    message = f"{name} in the rotary parameters of type {quote(kind)} is {shown(part[name])}, and not a number"
    if _is_number(part[name]):
        message = f"{name} in the rotary parameters of type {quote(kind)} is compared with {shown(other)}"
    raise draft.raises(CLASS, message, _place(draft), About.ROPE)


def _default(draft: Draft, part: object, key: str, value: object) -> None:
    if not isinstance(part, dict):
        raise draft.raises("AttributeError", f"the rotary parameters hold {shown(part)}", _place(draft), About.ROPE)
    part.setdefault(key, value)


def _place(draft: Draft) -> str:
    """The key of the file that the parameters come from."""
    return draft.rope_key


def _or(value: Any, other: Any) -> Any:  # noqa: ANN401 - any value of a config
    return other if value is ABSENT else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _is_one_of(value: object, names: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in names
