"""JSON Schemas (draft 2020-12) of the configs, for editors: `schemas/config/<model_type>.schema.json`.

They say what `tools.atlas.fields` read off the config classes, as far as JSON Schema has words for it: its `number`
takes 1 where transformers wants 1.0. There `x-python` keeps what transformers says. One line for each field, so that a
new release shows as a readable difference.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import __version__
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tools.atlas.fields import config_entry, registered_types

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BASE = "base"
NUMBER_THAT_IS_NONE = {
    "properties": {"__float__": {"enum": ["Infinity", "-Infinity", "NaN"]}},
    "required": ["__float__"],
}
"""How transformers writes a number that JSON does not have."""

_TYPES: Mapping[str, str] = {
    "null": "null", "bool": "boolean", "int": "integer", "float": "number", "str": "string", "list": "array",
    "dict": "object",
}  # fmt: skip
_TEXT = {"type": ["string", "null"]}
_LABELS = {"type": ["object", "null"]}
BASE_FIELDS: Mapping[str, Any] = {
    "architectures": {"items": {"type": "string"}, "type": ["array", "null"]},
    "chunk_size_feed_forward": {"default": 0, "type": "integer"},
    "dtype": {"type": ["string", "object", "null"]},
    "id2label": {"additionalProperties": {"type": "string"}, **_LABELS},
    "is_encoder_decoder": {"default": False, "type": "boolean"},
    "label2id": {"additionalProperties": {"type": "integer"}, **_LABELS},
    "model_type": {"type": "string"},
    "output_hidden_states": {"default": False, "type": ["boolean", "null"]},
    "problem_type": {"enum": ["regression", "single_label_classification", "multi_label_classification", None]},
    "return_dict": {"default": True, "type": ["boolean", "null"]},
    "torch_dtype": {"deprecated": True, "type": ["string", "object", "null"]},
    "transformers_version": _TEXT,
}
"""What every config has. transformers does not check these; an editor may."""


def schema(model_type: str) -> dict[str, Any]:
    """The schema of `config.json` for a registered type."""
    entry = config_entry(CONFIG_MAPPING[model_type])
    return {
        "$schema": DRAFT,
        "title": f"{entry['class']} of transformers {__version__}",
        "$ref": "#/$defs/config",
        "properties": {"model_type": {"const": model_type}},
        "required": ["model_type"],
        "$defs": {"config": _object(entry)} | {name: _object(inner) for name, inner in entry["nested"].items()},
    }


def base_schema() -> dict[str, Any]:
    """The schema that all others refer to."""
    return {
        "$schema": DRAFT,
        "title": f"PreTrainedConfig of transformers {__version__}",
        "type": "object",
        "properties": dict(BASE_FIELDS),
    }


def write(folder: Path) -> int:
    """Write all schemas into a folder and remove those of types that are gone; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {BASE: base_schema()} | {model_type: schema(model_type) for model_type in registered_types()}
    for path in folder.glob("*.schema.json"):
        if path.name.removesuffix(".schema.json") not in names:
            path.unlink()
    for name, content in names.items():
        (folder / f"{name}.schema.json").write_text(text(content), encoding="utf-8")
    return len(names)


def text(content: Mapping[str, Any]) -> str:
    """The schema as text: keys sorted, one line for each property of a config."""
    return _lines(content, 0) + "\n"


def _lines(value: object, depth: int) -> str:
    if not isinstance(value, dict) or depth > _NESTING or not value:
        return json.dumps(value, sort_keys=True)
    pad = "  " * (depth + 1)
    inner = ",\n".join(f"{pad}{json.dumps(key)}: {_lines(value[key], depth + 1)}" for key in sorted(value))
    return "{\n" + inner + "\n" + "  " * depth + "}"


_NESTING = 3
"""Levels that are broken into lines: the schema, `$defs`, a config, its properties."""


def _object(entry: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: _field(name, field, entry) for name, field in entry["fields"].items()}
    for alias, field in entry["aliases"].items():
        properties.setdefault(alias, {"x-alias": field})
    return {"$ref": f"{BASE}.schema.json", "properties": properties}


def _field(name: str, field: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    slot = entry["sub_configs"].get(name)
    if slot is not None:
        return _slot(slot, field)
    found = _types(field.get("type", ["any"])) | {"default": field["default"]} | _limits(field)
    if "type" in field and _refuses_whole_numbers(field["type"]):
        found["x-python"] = field["type"]
    if "__float__" in json.dumps(field["default"]):
        return {"anyOf": [found, NUMBER_THAT_IS_NONE, {"type": "array"}]}
    return found


def _refuses_whole_numbers(types: Sequence[Any]) -> bool:
    inner = [
        kind for item in types if isinstance(item, dict) for key, kind in item.items() if key in {"list", "sequence"}
    ]
    return ("float" in types and "int" not in types) or any(map(_refuses_whole_numbers, inner))


def _slot(slot: Mapping[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
    if slot["open"]:
        inner: dict[str, Any] = {"properties": {"model_type": {"default": slot["type"]}}, "type": "object"}
    elif slot["type"] is not None:
        inner = {"$ref": f"{slot['type']}.schema.json#/$defs/config"}
    else:
        inner = {"$ref": f"#/$defs/{slot['class']}"}
    return {"anyOf": [inner, {"type": "null"}]} if "null" in field.get("type", ["null"]) else inner


def _limits(field: Mapping[str, Any]) -> dict[str, Any]:
    words = {
        "min": "minimum",
        "exclusive_min": "exclusiveMinimum",
        "max": "maximum",
        "exclusive_max": "exclusiveMaximum",
        "multiple_of": "multipleOf",
    }
    return {word: field[key] for key, word in words.items() if key in field} | (
        {"enum": field["enum"]} if "enum" in field else {}
    )


def _types(types: Sequence[Any]) -> dict[str, Any]:
    """One schema for the alternatives: a list of types where that says it all, else `anyOf`."""
    if "any" in types:
        return {}
    simple = [_TYPES[kind] for kind in types if isinstance(kind, str) and kind in _TYPES]
    if "number" in simple and "integer" in simple:
        simple.remove("integer")
    composed = [_composed(kind) for kind in types if isinstance(kind, dict) and "tuple" not in kind]
    if len(composed) == 1 and "enum" in composed[0] and set(simple) <= {"null"}:
        return {"enum": [*composed[0]["enum"], *([None] if simple else [])]}
    if len(composed) == 1 and "type" in composed[0]:
        return {**composed[0], "type": _one([*simple, composed[0]["type"]])}
    if not composed:
        return {"type": _one(simple)} if simple else {}
    return {"anyOf": [*([{"type": _one(simple)}] if simple else []), *composed]}


def _composed(kind: Mapping[str, Any]) -> dict[str, Any]:
    ((name, inner),) = kind.items()
    if name == "literal":
        return {"enum": inner}
    if name == "dict":
        return {"additionalProperties": _types(inner[1]), "type": "object"}
    return {"items": _types(inner), "type": "array"}


def _one(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


if __name__ == "__main__":
    print(write(Path(__file__).parents[2] / "schemas" / "config"), "schemas")
