"""Writes `schemas/conversions.json`: how transformers renames and converts the tensors of a checkpoint, as data.

    python -m tools.atlas.conversions

One list of transforms for each class name or model type that has one (`conversion_mapping.py`), a list that equals
another is its name. Patterns are written as `WeightTransform.__init__` leaves them. A transform is `{from, to}` with
`ops` if it converts tensors, `group` if only its first pattern opens the others, `offset` if it moves an index.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers.core_model_loading import ConversionOps, WeightTransform

OUTPUT = Path(__file__).resolve().parents[2] / "schemas" / "conversions.json"

SOURCES = ("conversion_mapping.py", "core_model_loading.py")

RENAMES = frozenset({"WeightRenaming", "PrefixChange", "GroupWeightRename", "Inkling2IndexOffsetWeightRename"})

OPERATIONS: Mapping[str, Mapping[str, str]] = {
    "Chunk": {"dim": "dim", "num_shards_attribute": ""},
    "Concatenate": {"dim": "dim", "num_shards_attribute": ""},
    "ErnieFuseAndSplitTextVisionExperts": {"stack_dim": "dim", "concat_dim": "other"},
    "Interleave": {"dim": "dim", "inverse": ""},
    "MergeModulelist": {"dim": "dim"},
    "PermuteForRope": {"subconfig_key": "config", "permute_layer_names": "only", "inverse": ""},
    "Split": {"dim": "dim"},
    "Transpose": {"dim0": "dim", "dim1": "other", "check_dims": "unless_fits"},
}
"""What becomes of each attribute; "" says that it changes no shape. `Chunk` by a config field is refused below."""


def write(path: Path = OUTPUT) -> None:
    """Write the file; the same release of transformers gives the same bytes."""
    path.write_text(render(), encoding="utf-8")


def render() -> str:
    """The text of the file: a line for each transform, so that two releases can be compared."""
    import transformers  # noqa: PLC0415 - seconds, which a test that only reads the file need not spend
    from transformers import conversion_mapping  # noqa: PLC0415

    build: Callable[[str], object] = conversion_mapping.get_checkpoint_conversion_mapping
    build("llama")  # gives one list of a mapping, and keeps the whole
    mapping: dict[str, list[WeightTransform]] = vars(conversion_mapping)["_checkpoint_conversion_mapping_cache"]
    lists = {name: [_transform(transform) for transform in mapping[name]] for name in sorted(mapping)}
    folder = Path(conversion_mapping.__file__).parent
    head = {
        "schema_version": 1,
        "engine": {"transformers": transformers.__version__, "generator": 1},
        "source": {
            "license": "Apache-2.0",
            "files": {name: "sha256:" + sha256((folder / name).read_bytes()).hexdigest() for name in SOURCES},
        },
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    return "{\n" + ",\n".join([*parts, f'"lists": {{\n{_lists(lists)}\n}}']) + "\n}\n"


def _lists(lists: Mapping[str, Sequence[Any]]) -> str:
    first: dict[str, str] = {}
    lines = []
    for name, transforms in lists.items():
        text = ",\n".join(f"  {json.dumps(transform)}" for transform in transforms)
        same = first.setdefault(text, name)
        lines.append(f"{json.dumps(name)}: " + (f"[\n{text}\n]" if same == name else json.dumps(same)))
    return ",\n".join(lines)


def _transform(transform: "WeightTransform") -> dict[str, Any]:
    kind = type(transform).__name__
    if transform.scope_prefix is not None or transform.base_model_prefix is not None:
        raise SystemExit(f"{transform}: a transform of the mapping has a scope of its own")
    data: dict[str, Any] = {"from": _short(transform.source_patterns), "to": _short(transform.target_patterns)}
    if kind == "WeightConverter":
        operations: list[ConversionOps] = getattr(transform, "operations", [])
        return data | {"ops": [_operation(operation) for operation in operations]}
    if kind not in RENAMES:
        raise SystemExit(f"{kind} is a kind of transform that hfcheck/loading/rename.py does not know")
    if kind == "GroupWeightRename":
        return data | {"group": True}
    offset = getattr(transform, "offset", None)
    return data if offset is None else data | {"offset": offset}


def _short(patterns: list[str]) -> list[str] | str:
    return patterns[0] if len(patterns) == 1 else patterns


def _operation(operation: "ConversionOps") -> dict[str, Any]:
    """An operation that is not in the table is named only: models that use it are then not checked."""
    name = type(operation).__name__
    meaning = OPERATIONS.get(name)
    if meaning is None:
        return {"op": name}
    if set(vars(operation)) != set(meaning) or (name == "Chunk" and vars(operation)["num_shards_attribute"]):
        raise SystemExit(f"{name} has an attribute that hfcheck/loading/convert.py does not know: {vars(operation)}")
    told = {key: vars(operation)[attribute] for attribute, key in meaning.items() if key}
    return {"op": name} | {key: value for key, value in told.items() if value is not None and value is not False}


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else OUTPUT)
