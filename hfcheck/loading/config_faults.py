"""Why transformers refuses a config file, all that our data tells of it: one list for the rules that report it."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from hfcheck.finding import pointer, quote
from hfcheck.loading import atlas
from hfcheck.loading.base_config import DTYPES, FLOATING
from hfcheck.loading.choose import index
from hfcheck.loading.draft import About, ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.fields import shown
from hfcheck.loading.names import UNKNOWN
from hfcheck.loading.resolve import auto_type, resolve
from hfcheck.loading.rope import REQUIRED


def config_faults(config: Mapping[str, Any]) -> tuple[ConfigRaises, ...]:
    """What AutoConfig raises for the file, and what any model raises that is built from it.

    None for a type that the atlas does not know, and where it does not tell what becomes of the file.
    """
    kind = auto_type(config)
    if not isinstance(kind, str):
        return ()
    try:
        resolved = resolve(config, kind)
    except ConfigRaises as error:
        return (error, *error.also)
    except Unresolvable:
        return ()
    return (*_dtype(config), *_rotary(resolved))


def is_known(model_type: str) -> bool:
    """Whether AutoConfig of transformers 5.23 has a class for the type."""
    return model_type in index()


def brings_config_class(config: Mapping[str, Any]) -> bool:
    """Whether the repository has a config class of its own, which a loader that trusts it uses instead."""
    auto_map = config.get("auto_map")
    return isinstance(auto_map, dict) and "AutoConfig" in auto_map


def _dtype(config: Mapping[str, Any]) -> Iterator[ConfigRaises]:
    """A type of tensors in which no model can be built: `PreTrainedModel._from_config`, `_get_dtype`."""
    place = "dtype" if config.get("dtype") is not None else "torch_dtype"
    name = config.get(place)
    if name is None or isinstance(name, dict) or "quantization_config" in config:
        return
    if not isinstance(name, str):
        message = f"the type of the tensors is {shown(name)}, and not the name of a type"
        yield ConfigRaises("AttributeError", pointer(place), message, About.DTYPE)
    elif name in DTYPES and name not in FLOATING:
        message = f"no model can be built with tensors of the type {quote(name)}"
        yield ConfigRaises("ValueError", pointer(place), message, About.DTYPE)


def _rotary(resolved: Resolved) -> Iterator[ConfigRaises]:
    """A kind of rotary embedding for which the model has no function, here and in all sub-configs."""
    for value in resolved.values.values():
        if isinstance(value, Resolved):
            yield from _rotary(value)
    entry = atlas.entry(resolved.model_type)
    parameters = resolved.get("rope_parameters")
    if entry is None or not entry.config.get("rope", {}).get("functions") or not isinstance(parameters, dict):
        return
    layers = resolved.get("layer_types")
    parts = [parameters[key] for key in parameters if isinstance(layers, list) and key in layers] or [parameters]
    for part in parts:
        kind = part.get("rope_type", UNKNOWN) if isinstance(part, dict) else UNKNOWN
        is_hashable = type(kind) not in (list, dict)
        if kind is not UNKNOWN and not (is_hashable and kind in REQUIRED):
            place = next((key for key in ("rope_scaling", "rope_parameters") if key in resolved.given), "")
            name = quote(kind) if isinstance(kind, str) else shown(kind)
            message = f"there is no rotary embedding of the type {name} in transformers"
            error = "KeyError" if is_hashable else "TypeError"
            yield ConfigRaises(error, resolved.pointer + pointer(place), message, About.ROPE)
            return


def similar_type(model_type: str) -> str | None:
    """A known type that is written almost like this one, if it is more than another number."""
    letters = _letters(model_type)
    same = [known for known in index() if _letters(known) == letters]
    if same:
        # Another number is another model; another hyphen or case is the same, misspelt.
        plain = model_type.lower().translate(_PLAIN)
        return next((known for known in same if known.lower().translate(_PLAIN) == plain), None)
    found = get_close_matches(model_type.lower(), index(), n=1, cutoff=0.85)
    return found[0] if found and len(model_type) > _SHORT else None


_PLAIN = str.maketrans("-. ", "___")
_SHORT = 3
"""Letters of a name that say too little to be a name misspelt."""


def _letters(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalpha())
