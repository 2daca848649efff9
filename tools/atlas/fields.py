"""What a config class of transformers accepts, as data: `config` of an entry of the atlas, without what it derives.

Read off the strict dataclass (`huggingface_hub.dataclasses.strict`): its annotations are checked against the Python
type of each value, its validators against the value. No text of transformers is copied.
"""

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, cast, get_args, get_origin

from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tools.atlas.rope import rope
from tools.atlas.setters import setter

Json = None | bool | int | float | str | list[Any] | dict[str, Any]

SIMPLE: Mapping[Any, str] = {
    Any: "any", types.NoneType: "null", None: "null", bool: "bool", int: "int", float: "float", str: "str",
    list: "list", dict: "dict", tuple: "tuple",
}  # fmt: skip
ORDER = ("any", "null", "bool", "int", "float", "str", "list", "dict", "tuple")
REPLACED = (
    "__post_init__",
    "convert_rope_params_to_dict", "get_text_config", "nested_rope_parameter_keys", "standardize_rope_params",
    "validate_architecture", "validate_layer_type", "validate_output_attentions", "validate_rope",
    "validate_token_ids", "from_dict",
)  # fmt: skip
"""Methods of the base class that decide what is loaded; a class that has its own is told apart by them."""

SHARED = frozenset(
    {"attribute_map", "backbones_supported", "base_config_key", "base_model_ep_plan", "base_model_fsdp_plan"}
    | {"base_model_pp_plan", "base_model_tp_plan", "decoders_supported", "default_rope_type", "default_theta"}
    | {"extra_config_files", "ignore_keys_at_rope_validation", "keys_to_ignore_at_inference", "model_type"}
    | {"sub_configs", "sub_configs_defaults", "supported_padding"}
)
"""Class attributes that are said elsewhere in the entry or that no config decides."""


def config_entry(config_class: type[PreTrainedConfig]) -> dict[str, Any]:
    """What the class accepts: the keys `class`, `model_type`, `fields`, `aliases`, `sub_configs`, `nested`, and others.

    `fields` leaves out what every class inherits unchanged and unchecked. The others are there where they are not
    empty: `read_only` and `settable` (properties of its own), `attributes` (constants of the class that a config may
    override), `rope` and `replaced` (base methods that the class has in its own form).
    """
    entry = _own(config_class)
    entry["nested"] = {inner.__name__: _own(inner) for inner in _unregistered(config_class)}
    return entry


def registered_types() -> tuple[str, ...]:
    """Every `model_type` that `AutoConfig` knows, sorted."""
    return tuple(sorted(CONFIG_MAPPING))


def registered_type(config_class: type[PreTrainedConfig]) -> str | None:
    """The `model_type` under which the atlas has an entry for this very class; None for one that has none."""
    own = config_class.model_type
    if own in CONFIG_MAPPING and CONFIG_MAPPING[own] is config_class:
        return own
    return next((name for name in registered_types() if CONFIG_MAPPING[name] is config_class), None)


def _own(config_class: type[PreTrainedConfig]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "class": config_class.__name__,
        "model_type": config_class.model_type,
        "fields": dict(sorted(_fields(config_class))),
        "aliases": dict(sorted(config_class.attribute_map.items())),
        "sub_configs": dict(sorted(_sub_configs(config_class))),
    }
    optional = {
        "read_only": sorted(_properties(config_class, settable=False)),
        "settable": {name: setter(config_class, name) for name in _properties(config_class, settable=True)},
        "attributes": dict(sorted(_attributes(config_class))),
        "order": _order(config_class),
        "rope": rope(config_class),
        "replaced": [
            name for name in REPLACED if _implementation(config_class, name) is not _implementation(None, name)
        ],
    }
    return entry | {key: value for key, value in optional.items() if value}


def _fields(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, dict[str, Any]]]:
    inherited = {field.name: field for field in dataclasses.fields(PreTrainedConfig)}
    for field in dataclasses.fields(config_class):
        default = field.default if field.default is not dataclasses.MISSING else _made(field)
        base = inherited.get(field.name)
        if base is not None and isinstance(field.type, str) and default == base.default:
            continue
        # An annotation that is a string is never looked at: those of the base class are.
        found = {} if isinstance(field.type, str) else {"type": accepted(field.type)}
        yield field.name, found | _limits(field) | {"default": to_json(default)}


def _order(config_class: type[PreTrainedConfig]) -> list[str]:
    """Fields that set the same attribute, as an alias does, in the order in which they are set: the last one counts."""
    names = [field.name for field in dataclasses.fields(config_class)]
    targets = [config_class.attribute_map.get(name, name) for name in names]
    return [name for name, target in zip(names, targets, strict=True) if targets.count(target) > 1]


def accepted(annotation: object) -> list[Any]:
    """The types of values of a parsed JSON document that an annotation accepts, in a fixed order.

    A name of `ORDER`, or an object: `{"list": [...]}`, `{"sequence": [...]}` and `{"dict": [[keys], [values]]}` with
    the types of the items, `{"literal": [...]}`. Instances of classes, which no document holds, are left out.
    """
    found = list(_alternatives(annotation))
    if "list" in found or any(isinstance(item, dict) and "list" in item for item in found):
        # A document has lists and no tuples: what the tuple would allow besides is for callers from Python.
        found = [item for item in found if item != "tuple" and not (isinstance(item, dict) and "tuple" in item)]
    names = [name for name in ORDER if name in found]
    others = [item for index, item in enumerate(found) if isinstance(item, dict) and item not in found[:index]]
    return [*names, *others]


def _alternatives(annotation: object) -> Iterator[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        for arg in args:
            yield from _alternatives(arg)
    elif origin is not None:
        yield _composed(origin, args)
    elif isinstance(annotation, Hashable) and annotation in SIMPLE:
        yield SIMPLE[annotation]
    elif isinstance(annotation, (str, typing.ForwardRef)):
        yield "any"
    elif not isinstance(annotation, type):
        message = f"an annotation of a kind that is not known: {annotation!r}"
        raise TypeError(message)


def _composed(origin: object, args: tuple[Any, ...]) -> dict[str, Any]:
    if origin is typing.Literal:
        return {"literal": list(args)}
    if origin is list:
        return {"list": accepted(args[0])}
    if origin is Sequence:
        return {"sequence": accepted(args[0])}
    if origin is tuple:
        return {"tuple": [accepted(arg) for arg in args if arg is not Ellipsis]}
    if origin is dict:
        return {"dict": [accepted(args[0]), accepted(args[1])]}
    message = f"an annotation of a kind that is not known: {origin!r}"
    raise TypeError(message)


def _limits(field: dataclasses.Field[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    validators = field.metadata.get("validator", [])
    for validator in validators if isinstance(validators, list) else [validators]:
        found |= _limit(validator)
    return found


def _limit(validator: Callable[[Any], None]) -> dict[str, Any]:
    # `as_validated_field` gives the makers of fields all one name, and leaves the validators theirs.
    if validator.__qualname__ == "positive_int_field":
        return {"exclusive_min": 0, "null_passes": True}
    if validator.__qualname__ == "activation_fn_key":
        return {"enum": sorted(ACT2FN)}
    if validator.__qualname__ == "interval.<locals>._inner":
        bounds = inspect.getclosurevars(validator).nonlocals
        low = {"exclusive_min" if bounds["exclude_min"] else "min": bounds["min"]}
        high = {"exclusive_max" if bounds["exclude_max"] else "max": bounds["max"]}
        return {key: value for key, value in (low | high).items() if math.isfinite(value)}
    if validator.__qualname__ == "is_divisible_by.<locals>._inner":
        return {"multiple_of": inspect.getclosurevars(validator).nonlocals["divisor"]}
    message = f"a validator of a kind that is not known: {validator.__qualname__}"
    raise TypeError(message)


def _sub_configs(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, slot in config_class.sub_configs_defaults.items():
        is_open = not issubclass(slot.config_class, PreTrainedConfig)
        # A type that AutoConfig does not know stands in one slot of 5.23: its default cannot be built.
        known = not is_open or slot.model_type in CONFIG_MAPPING
        inner = (CONFIG_MAPPING[slot.model_type] if is_open else slot.config_class) if known else None
        yield (
            key,
            {
                "type": slot.model_type if inner is None or is_open else registered_type(inner),
                "class": inner.__name__ if inner is not None else None,
                "open": is_open,
                "optional": slot.optional,
                "default": to_json(slot.init_kwargs),
            },
        )
    for key, inner in _own_slots(config_class).items():
        slot_type = registered_type(inner)
        yield (
            key,
            {"type": slot_type, "class": inner.__name__, "open": False, "optional": True, "default": {}, "own": True},
        )


def _own_slots(config_class: type[PreTrainedConfig]) -> Mapping[str, type[PreTrainedConfig]]:
    """Slots of which the base class knows nothing: the class makes their configs itself."""
    slots = cast("Mapping[str, type[PreTrainedConfig]]", config_class.sub_configs)  # a property of the class
    return {
        key: inner
        for key, inner in slots.items()
        if key not in config_class.sub_configs_defaults and issubclass(inner, PreTrainedConfig)
    }


def _unregistered(config_class: type[PreTrainedConfig]) -> list[type[PreTrainedConfig]]:
    """Config classes below this one that no `model_type` leads to, in the order of their names."""
    found: dict[str, type[PreTrainedConfig]] = {}
    pending = [config_class]
    while pending:
        outer = pending.pop()
        slots = [slot.config_class for slot in outer.sub_configs_defaults.values()]
        for inner in [*slots, *_own_slots(outer).values()]:
            if not issubclass(inner, PreTrainedConfig) or inner.__name__ in found or registered_type(inner) is not None:
                continue
            found[inner.__name__] = inner
            pending.append(inner)
    return [found[name] for name in sorted(found)]


def _properties(config_class: type[PreTrainedConfig], *, settable: bool) -> Iterator[str]:
    for name in dir(config_class):
        member = inspect.getattr_static(config_class, name)
        if not isinstance(member, property) or member is inspect.getattr_static(PreTrainedConfig, name, None):
            continue
        if (member.fset is not None) == settable:
            yield name


def _attributes(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, Any]]:
    known = {field.name for field in dataclasses.fields(config_class)} | SHARED
    for name in dir(config_class):
        member = inspect.getattr_static(config_class, name)
        if name.startswith("__") or name in known or callable(member):
            continue
        if isinstance(member, (property, classmethod, staticmethod)) or hasattr(PreTrainedConfig, name):
            continue
        if member is None or isinstance(member, (bool, int, float, str, list, tuple, dict)):
            yield name, to_json(member)


def _implementation(config_class: type[PreTrainedConfig] | None, name: str) -> object:
    member = inspect.getattr_static(config_class or PreTrainedConfig, name)
    return getattr(member, "__func__", member)


def _made(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is dataclasses.MISSING:
        message = f"the field {field.name!r} has no default"
        raise TypeError(message)
    return field.default_factory()


def to_json(value: object) -> Json:
    """The value as a JSON document has it: tuples as lists, numbers that are none the way transformers writes them."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    message = f"a value that JSON does not have: {value!r}"
    raise TypeError(message)
