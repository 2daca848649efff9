"""What a field of a config accepts: the Python type of the parsed value, then its limits.

transformers 5.23 checks each declared field of a config class with `huggingface_hub.dataclasses.strict`. That is not
what JSON Schema means by the same words: a `float` refuses 1, an `int` refuses 4096.0 and true.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hfcheck.finding import quote
from hfcheck.formats.json_ import type_of

Types = Sequence[Any]
"""Names of types, and objects for lists, dictionaries and literals: `accepted` of tools/atlas/fields.py."""

_SIMPLE: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),), "bool": (bool,), "int": (int,), "float": (float,), "str": (str,), "list": (list,),
    "dict": (dict,),
}  # fmt: skip

_WORDS: Mapping[str, str] = {
    "null": "null", "bool": "true or false", "int": "an integer", "float": "a number with a decimal point",
    "str": "a string", "list": "a list", "dict": "an object",
}  # fmt: skip


def accepts(types: Types, value: object) -> bool:
    """Whether one of the types is that of the value, as `type_validator` of huggingface_hub 2.4 sees it."""
    return any(_accepts(kind, value) for kind in types)


def _accepts(kind: str | Mapping[str, Any], value: object) -> bool:
    if isinstance(kind, str):
        if kind == "any":
            return True
        return isinstance(value, _SIMPLE.get(kind, ())) and not (kind == "int" and isinstance(value, bool))
    ((name, inner),) = kind.items()
    if name == "literal":
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if name == "list":
        return isinstance(value, list) and all(accepts(inner, item) for item in value)
    if name == "sequence":  # a string is a sequence of strings to Python
        return isinstance(value, (list, str)) and all(accepts(inner, item) for item in value)
    if name == "dict":
        keys, values = inner
        return isinstance(value, dict) and all(accepts(keys, k) and accepts(values, v) for k, v in value.items())
    return False  # a tuple: no JSON document holds one


def fault(field: Mapping[str, Any], value: object) -> str | None:
    """What a field expects instead of the value, to be read after "expected"; None where it takes the value."""
    if "type" in field and not accepts(field["type"], value):
        return expected(field["type"])
    return _limit(field, value)


def _limit(field: Mapping[str, Any], value: object) -> str | None:
    if "enum" in field and value not in field["enum"]:
        return "one of the activation functions of transformers"
    bounds = [key for key in _BOUNDS if key in field]
    if not bounds or (value is None and "null_passes" in field):
        return None
    # NaN is in no interval, and null in none that says nothing of it.
    if isinstance(value, (int, float)) and all(_BOUNDS[key][1](value, field[key]) for key in bounds):
        return None
    return "a value " + " and ".join(f"{_BOUNDS[key][0]} {field[key]}" for key in bounds)


_BOUNDS: Mapping[str, tuple[str, Any]] = {
    "min": (">=", lambda value, bound: value >= bound),
    "exclusive_min": (">", lambda value, bound: value > bound),
    "max": ("<=", lambda value, bound: value <= bound),
    "exclusive_max": ("<", lambda value, bound: value < bound),
    "multiple_of": ("divisible by", lambda value, bound: value % bound == 0),
}


def expected(types: Types) -> str:
    """The types in words: "an integer or null"."""
    words = list(dict.fromkeys(_words(kind) for kind in types if kind != "null"))
    if {"an integer", "a number with a decimal point"} <= set(words):
        words = ["a number", *(word for word in words if word not in {"an integer", "a number with a decimal point"})]
    if "null" in types:
        words.append("null")
    return " or ".join(words) or "nothing that JSON has"


def _words(kind: str | Mapping[str, Any]) -> str:
    if isinstance(kind, str):
        return _WORDS.get(kind, "anything")
    ((name, inner),) = kind.items()
    if name == "literal":
        return f"one of {', '.join(map(shown, inner))}"
    if name in {"list", "sequence"}:
        return f"a list with {expected(inner)} in each place"
    if name == "dict":
        return f"an object with {expected(inner[1])} for each key" if "any" not in inner[1] else "an object"
    return "nothing that JSON has"


def shown(value: object) -> str:
    """A value of the config for a message: what is short as it stands there, of the rest its type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {quote(value, 40)}"
    if isinstance(value, (int, float)):
        return repr(value)[:40]
    return type_of(value)


def names_of(values: Iterable[str], limit: int = 5) -> str:
    """Some strings for a message."""
    found = [quote(value, 40) for value in values]
    return ", ".join(found[:limit]) + (f" and {len(found) - limit} more" if len(found) > limit else "")
