"""Writes `schemas/generation_config.schema.json` and `schemas/generation.json`, from the class GenerationConfig.

    python -m tools.atlas.generation_schema

The types of the fields are those of its docstring. What it refuses strictly is found by trying: each field with a few
values, with the modes of generation that could make use of it and without.
"""

import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from transformers import GenerationConfig, __version__, logging
from transformers.generation import configuration_utils

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SCHEMA: Final = ROOT / "schemas" / "generation_config.schema.json"
TABLE: Final = ROOT / "schemas" / "generation.json"
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

MODES: Final[Mapping[str, Mapping[str, Any]]] = {
    "do_sample": {"do_sample": True},
    "num_beams": {"num_beams": 2},
    "use_cache": {"use_cache": True},
    "return_dict_in_generate": {"return_dict_in_generate": True},
}
"""Fields that switch a mode on, with the value that does."""

BACKGROUND: Final[Mapping[str, Any]] = {"use_cache": False}
"""What is set while a field is tried: without it, settings of a cache are never for nothing."""

VALUES: Final = (0, 0.0, 1, 1.0, 50, 50.0, 0.5, 2, -1, True, False, "never", "dynamic", "static", {"a": 1}, [1])
ARGUMENTS: Final = re.compile(r"generate_arguments = \((.*?)\)", re.DOTALL)
FIELD: Final = re.compile(r"^ {8}(\w+) ?\((.*)\):", re.MULTILINE)

TYPES: Final = (
    ("list", "array"), ("dict", "object"), ("Config", "object"), ("bool", "boolean"), ("int", "integer"),
    ("float", "number"), ("str", "string"), ("tuple", "array"),
)  # fmt: skip
"""What a word in a docstring is in JSON."""

BY_HAND: Final[Mapping[str, list[str]]] = {
    "cache_config": ["object"], "forced_bos_token_id": ["integer"], "pad_token_id": ["integer"],
    "bos_token_id": ["integer"], "decoder_start_token_id": ["integer", "array"], "max_time": ["number"],
    "eos_token_id": ["integer", "array"], "forced_eos_token_id": ["integer", "array"], "use_mtp": ["boolean"],
    "transformers_version": ["string"], "_from_model_config": ["boolean"], "sequence_bias": ["array", "object"],
    "stop_strings": ["string", "array"], "early_stopping": ["boolean", "string"],
}  # fmt: skip
"""Where the docstring says more than there is in JSON, or nothing."""


def main() -> int:
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    table = found()
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    SCHEMA.write_text(text(schema(table)), encoding="utf-8")
    return 0


def found() -> dict[str, Any]:
    """What the class refuses: fields by the mode that they belong to, with the values that it lets pass without it.

    Where they are fewer, these are those that it does not let pass.
    """
    fields = sorted(GenerationConfig().__dict__)  # type: ignore[no-untyped-call]
    source = Path(configuration_utils.__file__).read_text(encoding="utf-8")
    arguments = ARGUMENTS.search(source)
    belongs: dict[str, dict[str, dict[str, list[Any]]]] = {mode: {} for mode in MODES}
    for field in fields:
        for mode, switch in MODES.items():
            if field != mode and (passed := _passed(field, mode, switch)) is not None:
                belongs[mode][field] = passed
    return {
        "transformers": __version__,
        "fields": fields,
        "belongs": belongs,
        "arguments": re.findall(r'"(\w+)"', arguments[1]) if arguments is not None else [],
        "cache_implementations": sorted((*configuration_utils.ALL_CACHE_IMPLEMENTATIONS, "paged")),
        "attributes": sorted(name for name in dir(GenerationConfig) if name not in fields),
    }


def _passed(field: str, mode: str, switch: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """The values that pass without the mode too, or do not; None where the field does not belong to it."""
    passed: list[Any] = []
    refused: list[Any] = []
    for value in VALUES:
        without = _refused({**BACKGROUND, mode: False if mode == "use_cache" else None, field: value}, field)
        if without is None:
            continue
        if not without:
            passed.append(value)
        elif _refused({**BACKGROUND, field: value, **switch}, field) is False:
            refused.append(value)
    if not refused:
        return None
    return {"passes": passed} if len(passed) <= len(refused) else {"fails": refused}


def _refused(values: Mapping[str, Any], field: str) -> bool | None:
    """Whether strict validation names the field; None where it is refused at once, in any mode."""
    try:
        config = GenerationConfig.from_dict(dict(values))
    except Exception:  # noqa: BLE001 - whatever a value brings about
        return None
    try:
        config.validate(strict=True)
    except ValueError as error:
        return f"- `{field}`:" in str(error)
    return False


def schema(table: Mapping[str, Any]) -> dict[str, Any]:
    """The schema: the type of each field, and the modes without which some are for nothing."""
    documented = dict(FIELD.findall(GenerationConfig.__doc__ or ""))
    properties = {field: _property(field, documented.get(field, "")) for field in table["fields"]}
    properties["cache_implementation"] = {"enum": [*table["cache_implementations"], None]}
    properties["early_stopping"] = {"enum": [True, False, "never", None]}
    properties["pad_token_id"] |= {"minimum": 0}
    properties["max_new_tokens"] |= {"exclusiveMinimum": 0}
    properties["compile_config"] = {"type": "null"}
    return {
        "$schema": DRAFT,
        "title": f"GenerationConfig of transformers {__version__}: what save_pretrained takes",
        "type": "object",
        "properties": properties,
        "allOf": [*_modes(table)],
        "not": {"anyOf": [{"required": [name]} for name in table["arguments"]]},
    }


def _property(field: str, documented: str) -> dict[str, Any]:
    types = BY_HAND.get(field) or [name for word, name in TYPES if word in documented]
    if field not in BY_HAND and "array" in types:
        types = ["array"]
    if "number" in types and "integer" in types:
        types = [name for name in types if name != "integer"]
    return {"type": [*dict.fromkeys(types), "null"]} if types else {}


def _modes(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for mode, switch in MODES.items():
        fields = table["belongs"][mode]
        if mode == "num_beams":
            on: dict[str, Any] = {"type": "number", "not": {"const": 1}}
        else:
            on = {"const": switch[mode]}
        if mode == "use_cache":
            condition: dict[str, Any] = {"not": {"properties": {mode: {"const": False}}, "required": [mode]}}
        else:
            condition = {"properties": {mode: on}, "required": [mode]}
        passing = {field: _values(listed) for field, listed in sorted(fields.items())}
        yield {"if": condition, "else": {"properties": passing}}


def _values(listed: Mapping[str, list[Any]]) -> dict[str, Any]:
    """JSON knows one number where Python has 1, 1.0 and True."""
    distinct = list(
        {
            json.dumps(int(one) if isinstance(one, float) and one.is_integer() else one): one
            for one in listed.get("passes", listed.get("fails", []))
            if not (one is True and "passes" in listed)
        }.values()
    )
    return {"enum": [None, *distinct]} if "passes" in listed else {"not": {"enum": distinct}}


def text(content: Mapping[str, Any]) -> str:
    """JSON with a field a line, so that a new release shows as a readable difference."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items() if key != "properties"]
    fields = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in content["properties"].items())
    return "{\n" + ",\n".join([*lines, f'  "properties": {{\n{fields}\n  }}']) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
