"""What transformers makes of a config file: its class's defaults, derivations and checks, without transformers.

After `PreTrainedConfig.from_dict` of transformers 5.23: declared fields are set and checked, the class derives others
(`derive` of its entry, `@base` for what the base class does), undeclared keys become attributes, class validators run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hfcheck.finding import quote
from hfcheck.loading import atlas, backbone, config_checks, per_layer, rope
from hfcheck.loading.base_config import (
    BASE_FIELDS,
    DTYPES,
    LEGACY_LAYERS,
    POPPED,
    READ_ONLY,
)
from hfcheck.loading.draft import About, ConfigRaises, Draft, Resolved, Unresolvable
from hfcheck.loading.fields import shown
from hfcheck.loading.functions import truth
from hfcheck.loading.names import ABSENT, UNKNOWN

__all__ = ["ConfigRaises", "Resolved", "Unresolvable", "auto_type", "resolve"]

Entries = Callable[[str], Mapping[str, Any] | None]
"""The `config` of the entry of a registered `model_type`; None for a type that transformers does not know."""

BASE = "@base"
"""The step of `derive` that stands for what the base class does."""

SLOT = "@"
"""What a step begins with that makes the config of one slot before the base class would."""

ALIGN = "@out_features"
"""The step that aligns the features of a backbone, where the class looks at them before the base class runs."""

PENDING = "kwargs."
"""What the name of a step begins with that sets a key which no field takes."""

REMOVED = "-"
"""What the name of a step begins with that takes a key away."""

MAX_LABELS = 1_000_000
"""Labels that are made up from a number: the largest label sets that are published have some hundred thousand."""

_FLOATS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


def auto_type(config: Mapping[str, Any]) -> object:
    """The `model_type` by which AutoConfig chooses the class: whatever stands there, ABSENT where nothing does."""
    if "model_type" not in config:
        return "timm_wrapper" if "pretrained_cfg" in config else ABSENT
    if config["model_type"] == "mistral" and "layer_types" in config:
        return "ministral"
    return config["model_type"]


def _atlas(model_type: str) -> Mapping[str, Any] | None:
    found = atlas.entry(model_type)
    return found.config if found is not None else None


def resolve(config: Mapping[str, Any], model_type: str, entries: Entries = _atlas) -> Resolved:
    """The config that a class of this registered type makes of a file.

    Raises ConfigRaises where transformers does, Unresolvable where our data does not tell.
    """
    entry = entries(model_type)
    if entry is None:
        raise Unresolvable(f"there is no data for the type {quote(model_type)}")
    if "from_dict" in entry.get("replaced", ()):
        raise Unresolvable(f"{entry['class']} reads its file in a way of its own")
    return _build(entry, {key: _decoded(value) for key, value in config.items()}, entries, "")


def _build(entry: Mapping[str, Any], given: Mapping[str, Any], entries: Entries, pointer: str) -> Resolved:
    draft = Draft(entry, entry["model_type"], pointer, frozenset(given))
    draft.values |= _decoded(entry.get("attributes", {}))
    draft.values["model_type"] = entry["model_type"]
    _declared(draft, given)
    if "derive" not in entry and "__post_init__" in entry.get("replaced", ()):
        raise Unresolvable(f"there is no data on what {draft.label} derives from its fields")
    draft.pending = {name: value for name, value in given.items() if name not in BASE_FIELDS | entry["fields"]}
    draft.unclaimed = dict(draft.pending)
    for batch in _batches(entry.get("derive", [BASE])):
        if batch == BASE:
            _base(draft, entries)
        elif isinstance(batch, tuple):
            _early(draft, *batch, entries=entries)
        else:
            _derive(draft, batch)
    config_checks.run(draft)
    for name, effect in entry.get("settable", {}).items():
        if "get" in effect:
            draft.values[name] = draft.attribute(name)
    return Resolved(entry["model_type"], entry["class"], draft.values, draft.aliases, frozenset(given), pointer)


def _declared(draft: Draft, given: Mapping[str, Any]) -> None:
    """Set the declared fields: each is checked, and what the file does not give has its default."""
    for name, default in BASE_FIELDS.items():
        draft.values[name] = given.get(name, default)
    fields: Mapping[str, Any] = draft.entry["fields"]
    last = draft.entry.get("order", ())  # several set one attribute, and the last of them counts
    for name in [*(name for name in fields if name not in last), *last]:
        declared = fields[name]
        value = given[name] if name in given else _decoded(declared["default"])
        draft.values[draft.entry["aliases"].get(name, name)] = value
    refused = [
        error
        for name in draft.entry["fields"]
        if name in given and (error := draft.refused(name, given[name])) is not None
    ]
    if refused:
        refused[0].also = tuple(refused[1:])
        raise refused[0]


def _batches(steps: Sequence[Any]) -> Iterator[Any]:
    """The steps between two that make configs, together: each sees the values from before all of them."""
    batch: list[Any] = []
    for step in steps:
        if step != BASE and (isinstance(step, dict) or not step[0].startswith(SLOT)):
            batch.append(step)
            continue
        yield batch
        batch = []
        yield step if step == BASE else (step,) if isinstance(step, str) else tuple(step)
    yield batch


def _early(draft: Draft, step: str, condition: str = "true", *, entries: Entries) -> None:
    """What the base class would do, before it: align the features of a backbone, or make the config of one slot."""
    if step == ALIGN:
        backbone.align(draft)
    elif _holds(draft, condition):
        key = step.removeprefix(SLOT)
        _sub_config(draft, key, {**draft.entry["sub_configs"][key], "optional": False}, entries)


def _derive(draft: Draft, steps: Sequence[Any]) -> None:
    """Check what the class requires here, set what it derives, and take the keys away that it has used for it.

    A step is a name, the expression of its value and, where it is not always taken, that of its condition; an object
    is a check, or a condition under which nobody can tell; a name behind `-` is a key that is taken away where the
    expression is true.
    """
    for step in steps:
        if isinstance(step, dict) and "untold" in step:
            if _holds(draft, step["untold"]):
                raise Unresolvable(f"what {draft.label} makes of keys that older files have is not known")
        elif isinstance(step, dict):
            config_checks.require(draft, step)
    values = [(step[0], _value(draft, step)) for step in steps if not isinstance(step, dict)]
    for name in draft.entry.get("consumes", ()):
        # What a backbone makes of these two is the same for all of them, and no expression.
        if not (backbone.is_backbone(draft) and name in backbone.NAMES):
            draft.pending.pop(name, None)
    for name, value in values:
        if value is not ABSENT:
            _take(draft, name, value)


def _take(draft: Draft, name: str, value: object) -> None:
    """Take one step."""
    if name.startswith(REMOVED):
        _remove(draft, name.removeprefix(REMOVED), value)
    elif name.startswith(PENDING):
        draft.pending[name.removeprefix(PENDING)] = draft.unclaimed[name.removeprefix(PENDING)] = value
    elif "." in name:
        _set_inside(draft, name.split("."), value)
    elif name == "num_labels":
        _set_count(draft, value)
    else:
        draft.set(name, value)


def _holds(draft: Draft, text: str) -> bool:
    """Whether a condition holds; raises Unresolvable where that is not known."""
    value = draft.compute(text)
    if value is UNKNOWN:
        raise Unresolvable(f"what {draft.label} derives from its fields is not known")
    return truth(value)


def _value(draft: Draft, step: Sequence[str]) -> Any:  # noqa: ANN401 - a value of an expression
    """What a step sets; ABSENT where its condition does not hold."""
    condition = draft.compute(step[2]) if len(step) > 2 else True  # noqa: PLR2004 - the third is the condition
    if condition is UNKNOWN:
        return UNKNOWN
    return draft.compute(step[1]) if truth(condition) else ABSENT


def _remove(draft: Draft, key: str, condition: object) -> None:
    if condition is UNKNOWN and key in draft.pending:
        draft.pending[key] = UNKNOWN
    elif condition is not UNKNOWN and truth(condition):
        draft.pending.pop(key, None)


def _set_inside(draft: Draft, path: Sequence[str], value: object) -> None:
    """Set an attribute of a sub-config, or a key of the object that is still to become one."""
    first, *inner, last = path
    owner = deepcopy(draft.attribute(first))
    draft.values[draft.entry["aliases"].get(first, first)] = owner
    for name in inner:
        owner = owner.get(name) if isinstance(owner, (Resolved, dict)) else UNKNOWN
    if isinstance(owner, Resolved) and isinstance(owner.values, dict):
        owner.values[owner.aliases.get(last, last)] = value
    elif isinstance(owner, dict):
        owner[last] = value
    else:
        draft.values[draft.entry["aliases"].get(first, first)] = UNKNOWN


def _base(draft: Draft, entries: Entries) -> None:
    """`PreTrainedConfig.__post_init__`, in its order."""
    if backbone.is_backbone(draft) and ALIGN not in draft.entry.get("derive", ()):
        backbone.align(draft)
    for key, slot in draft.entry["sub_configs"].items():
        if "own" not in slot:
            _sub_config(draft, key, slot, entries)
    _dtype(draft)
    _labels(draft)
    if draft.has("rope_parameters") or (draft.pending.get("rope_scaling") and draft.pending.get("rope_theta")):
        rope.convert(draft)
    for key in POPPED:
        draft.pending.pop(key, None)
    draft.values["output_attentions"] = draft.pending.pop("output_attentions", False)
    draft.values["_attn_implementation"] = draft.pending.pop("attn_implementation", None)
    layers = draft.pending.pop("per_layer_config", None)
    for key, value in list(draft.pending.items()):
        _adopt(draft, key, value)
    draft.values |= {"is_heterogeneous": layers is not None, "per_layer_config": per_layer.overrides(draft, layers)}
    draft.pending = {}
    _legacy_layers(draft)


def _sub_config(draft: Draft, key: str, slot: Mapping[str, Any], entries: Entries) -> None:
    value = draft.attribute(key)
    if value is UNKNOWN or isinstance(value, Resolved) or (value is None and slot["optional"]):
        return
    if key == "backbone_config":
        value = _backbone(draft, key, value, slot)
    if value is None or value is ABSENT:
        value, kind = _decoded(slot["default"]), slot["type"]
    elif not isinstance(value, dict):
        raise draft.raises("TypeError", f"{key} is {shown(value)}, and a config is expected", key)
    else:
        kind = value.get("model_type", slot["type"])
    entry = _entry_of(draft, key, slot, kind, entries)
    if entry is None:
        name = quote(kind) if isinstance(kind, str) else shown(kind)
        message = f"{key} has the model type {name}, which transformers does not know"
        raise draft.raises("KeyError" if key == "backbone_config" else "ValueError", message, key, About.TYPE)
    draft.set(key, _build(entry, value, entries, draft.at(key)))


def _entry_of(
    draft: Draft, key: str, slot: Mapping[str, Any], kind: object, entries: Entries
) -> Mapping[str, Any] | None:
    """The config entry of a slot; a closed one has its class, whatever `model_type` says."""
    if slot["open"] or key == "backbone_config":
        return entries(kind) if isinstance(kind, str) else None
    inner = draft.entry.get("nested", {}).get(slot["class"])
    if inner is None and slot["type"] is not None:
        return entries(slot["type"])
    if inner is None:
        raise Unresolvable(f"there is no data for {slot['class']}")
    # What lies below a class without a type is kept beside it, in the entry of the type.
    return {**inner, "nested": draft.entry["nested"]}


def _backbone(draft: Draft, key: str, value: object, slot: Mapping[str, Any]) -> object:
    """`consolidate_backbone_kwargs_to_config`: a backbone is a config, or the name of a repository elsewhere."""
    for name in ("use_timm_backbone", "backbone_kwargs", "use_pretrained_backbone"):
        draft.pending.pop(name, None)
    if draft.pending.get("backbone") is not None and draft.pending.pop("backbone") and value is None:
        raise Unresolvable("its backbone is in another repository")
    if isinstance(value, dict) and "model_type" not in value:
        raise draft.raises("KeyError", f"{key} has no model_type", key, About.TYPE)
    if value is None and slot["type"] is None:
        raise Unresolvable("it has no backbone")
    return value


def _dtype(draft: Draft) -> None:
    old = draft.pending.pop("torch_dtype", None)
    if draft.values["dtype"] is None:
        draft.values["dtype"] = old
    name = draft.values["dtype"]
    if isinstance(name, str) and name not in DTYPES:
        place = "dtype" if "dtype" in draft.given else "torch_dtype"
        raise draft.raises("AttributeError", f"torch has no type of the name {quote(name)}", place, About.DTYPE)
    if isinstance(name, (float, list)) and "." not in str(name):  # the config is printed once it is read
        raise draft.raises(
            "IndexError", f"the type of the tensors is {shown(name)}, and not a name", "dtype", About.DTYPE
        )


def _labels(draft: Draft) -> None:
    labels = draft.values["id2label"]
    if labels is None:
        declared = draft.values.get("num_labels")
        _set_count(draft, draft.pending.get("num_labels", 2 if declared is None else declared))
    elif labels is not UNKNOWN:
        if not isinstance(labels, dict):
            raise draft.raises("AttributeError", f"id2label is {shown(labels)}, and not an object", "id2label")
        try:
            draft.set("id2label", {int(key): value for key, value in labels.items()})
        except ValueError:
            raise draft.raises("ValueError", "a key of id2label is no integer", "id2label") from None
    count = draft.attribute("num_labels")
    if draft.values["problem_type"] == "single_label_classification" and count == 1:
        message = "problem_type is single_label_classification, and there is one label"
        raise draft.raises("ValueError", message, "problem_type")


def _set_count(draft: Draft, count: object) -> None:
    """`config.num_labels = count`."""
    if "num_labels" in draft.entry["fields"]:  # hides the property, and is a number like any other
        draft.set("num_labels", count)
        return
    labels = draft.values["id2label"]
    if count is UNKNOWN:
        draft.values["id2label"] = UNKNOWN
    if labels is UNKNOWN or count is UNKNOWN or (labels is not None and len(labels) == count):
        return
    if not isinstance(count, int):
        raise draft.raises("TypeError", f"num_labels is {shown(count)}, and not an integer", "num_labels")
    if count > MAX_LABELS:
        raise Unresolvable(f"num_labels is {count}")
    draft.set("id2label", {index: f"LABEL_{index}" for index in range(count)})
    draft.set("label2id", {f"LABEL_{index}": index for index in range(count)})


def _adopt(draft: Draft, key: str, value: object) -> None:
    """An undeclared key becomes an attribute."""
    target = draft.entry["aliases"].get(key, key)
    if target in READ_ONLY or target in draft.entry.get("read_only", ()):
        message = f"{key} is computed by {draft.label}, and cannot be set"
        raise draft.raises("AttributeError", message, key)
    if target in draft.entry.get("settable", ()):
        _set_property(draft, target, value)
        return
    match key:
        case "num_labels":
            _set_count(draft, value)
        case "rope_scaling":
            draft.set("rope_parameters", deepcopy(value))
        case _:
            draft.set(key, value)


def _set_property(draft: Draft, key: str, value: object) -> None:
    """A key that is a property with a setter of its own."""
    effect = draft.entry["settable"][key]
    draft.pending["value"] = value  # what the expressions of `settable` call it
    if "to" in effect:
        draft.set(effect["to"], draft.compute(effect["value"]))
    elif "raises" in effect:
        if "unless" not in effect or draft.compute(effect["unless"]) is False:
            raise draft.raises(effect["raises"], f"{key} of {draft.label} is computed, and cannot be set to this", key)
    elif "ignored" not in effect:
        raise Unresolvable(f"{draft.label} computes {key} in a way that we do not know")


def _legacy_layers(draft: Draft) -> None:
    for name in ("layer_types", "mtp_layer_types"):
        names = draft.attribute(name)
        if names in (None, ABSENT, UNKNOWN):
            continue
        if not isinstance(names, (list, str, dict)):
            raise draft.raises("TypeError", f"{name} is {shown(names)}, and not a list", name, About.LAYERS)
        renamed = [LEGACY_LAYERS.get(item, item) if isinstance(item, str) else item for item in names]
        if renamed != names and name not in draft.entry.get("read_only", ()):
            draft.set(name, renamed)


def _decoded(value: Any) -> Any:  # noqa: ANN401 - any value of a document
    """The value as transformers reads it: an object `{"__float__": "Infinity"}` is the number that JSON lacks."""
    if isinstance(value, dict):
        if value.keys() == {"__float__"} and isinstance(value["__float__"], str):
            return _FLOATS.get(value["__float__"], value)
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
