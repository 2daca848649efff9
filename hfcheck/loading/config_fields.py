"""Where a config says a number: fields by their value and the words of their name."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hfcheck.finding import pointer

LAYERS = re.compile(r"layer|depth|block|stage")
EXPERTS = re.compile(r"expert")
VOCABULARY = re.compile(r"^(?!type_).*vocab")
LABELS = ("id2label", "label2id")
"""They map, and are no configs."""

_DEPTH = 4
_LONGEST = 10_000
"""Entries of the config that are looked at: it is a stranger's."""


def walk(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields with their dotted paths, a config before the configs within it; lists are values."""
    pending: list[tuple[str, Mapping[str, Any]]] = [("", config)]
    seen = 0
    while pending:
        above, part = pending.pop(0)
        for name, value in part.items():
            seen += 1
            if seen > _LONGEST:
                return
            path = f"{above}{name}"
            if type(value) is dict and path.count(".") < _DEPTH and name not in LABELS:
                pending.append((f"{path}.", value))
            else:
                yield path, value


def get(config: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - a config holds anything
    """The value at a dotted path; None where there is nothing."""
    part: Any = config
    for name in path.split("."):
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def has(config: Mapping[str, Any], path: str) -> bool:
    above, _, name = path.rpartition(".")
    part = get(config, above) if above else config
    return isinstance(part, Mapping) and name in part


def changed(config: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A copy of the config that says another value at a dotted path."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**config, name: value}
    inner = config.get(name)
    return {**config, name: changed(inner if isinstance(inner, Mapping) else {}, rest, value)}


def place(config: Mapping[str, Any], path: str | None) -> str | None:
    """The JSON pointer to a field that the file gives; None where the loader fills it in."""
    return pointer(*path.split(".")) if path is not None and has(config, path) else None


def by_value(config: Mapping[str, Any], value: int, words: re.Pattern[str], near: str = "") -> str | None:
    """The field of this value whose name has one of the words; of several, the one that shares a word with `near`."""
    numbers = (path for path, given in walk(config) if type(given) is int and given == value)
    found = [path for path in numbers if words.search(path.rpartition(".")[2])]
    if len(found) > 1:
        found = [path for path in found if set(re.split(r"[._]", near)) & set(re.split(r"[._]", path)) - {""}]
    return found[0] if len(found) == 1 else None


def label_field(config: Mapping[str, Any]) -> str | None:
    """The field that says how many labels there are: `num_labels` overrules the names in transformers 5.23."""
    if type(config.get("num_labels")) is int:
        return "num_labels"
    return "id2label" if isinstance(config.get("id2label"), Mapping) else None


def label_count(config: Mapping[str, Any]) -> int:
    """How many labels the loader takes the config to have; two where it says nothing."""
    value = config.get(label_field(config) or "")
    if isinstance(value, Mapping):
        return len(value)
    return value if type(value) is int else 2
