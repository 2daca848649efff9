"""The module that somebody meant who wrote a key of a device map that no module has."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from hfcheck.placement.model import Model, Module

_LONGEST = 300
"""Characters of a key, and children of a module, up to which similar names are looked for."""


def meant(model: Model, modules: Collection[str], key: str) -> str:
    """The path of a module for this key; empty where none comes to mind.

    Tried in turn: the names in the files, which transformers renames on the way in; a prefix too few or too many; a
    letter or two.
    """
    return next(filter(None, _guesses(model, modules, key)), "")


def _guesses(model: Model, modules: Collection[str], key: str) -> Iterator[str]:
    yield _stored(model, modules, key)
    ends = [path for path in modules if path.endswith(f".{key}")]
    yield ends[0] if len(ends) == 1 else ""
    dot = key.find(".")
    while dot >= 0:
        yield key[dot + 1 :] if key[dot + 1 :] in modules else ""
        dot = key.find(".", dot + 1)
    yield _similar(model.root, key)


def _stored(model: Model, modules: Collection[str], key: str) -> str:
    """The module into which goes what the files have under this name."""
    below = f"{key}."
    paths: set[str] = set()
    for weight in model.weights.values():
        for source in weight.sources:
            if source == key:
                paths.add(weight.name)
            elif source.startswith(below):
                rest = source[len(key) :]
                paths.add(weight.name.removesuffix(rest) if weight.name.endswith(rest) else weight.name)
    if not paths:
        return ""
    common = _common(min(paths), max(paths))
    return common if common in modules else common.rpartition(".")[0]


def _common(one: str, other: str) -> str:
    """The dotted prefix of both, which is that of all names between them."""
    parts: list[str] = []
    for ours, theirs in zip(one.split("."), other.split("."), strict=False):
        if ours != theirs:
            break
        parts.append(ours)
    return ".".join(parts)


def _similar(root: Module, key: str) -> str:
    """The path with the first part that is in no module replaced by the most similar one that is."""
    module, path = root, ""
    if len(key) > _LONGEST:
        return ""
    for part in key.split("."):
        child = module.children.get(part)
        if child is None:
            if part.isdecimal() or len(module.children) > _LONGEST:
                return ""
            close = get_close_matches(part, module.children, 1)
            return _joined(path, close[0]) if close else ""
        module, path = child, _joined(path, part)
    return ""


def _joined(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
