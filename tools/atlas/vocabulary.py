"""What the source of a model says of the values that its config fields may have: strings it compares, keys it reads."""

import ast
import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from transformers import PreTrainedConfig

READERS: Final = ("getattr", "pop", "get", "setdefault")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Of a field name: the strings that the code compares it with or looks up by it, and its fallback if undeclared.

    `derived` are the fields and keys that the config classes of the module read while they resolve themselves.
    """

    strings: Mapping[str, frozenset[str]]
    fallbacks: Mapping[str, Any]
    derived: frozenset[str]


@dataclass(slots=True)
class _Found:
    strings: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    fallbacks: dict[str, Any] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)


def vocabulary(config_class: type[PreTrainedConfig]) -> Vocabulary:
    """That of the module of the config class and of the modelling module beside it."""
    return _vocabulary(config_class.__module__)


@cache
def _vocabulary(module: str) -> Vocabulary:
    found = _Found()
    _read(_tree(module), found, config=True)
    _read(_tree(module.replace(".configuration_", ".modeling_")), found, config=False)
    strings = {name: frozenset(values) for name, values in found.strings.items()}
    return Vocabulary(strings, found.fallbacks, frozenset(found.derived))


@cache
def _tree(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ast.Module(body=[], type_ignores=[])
    return ast.parse(Path(spec.origin).read_text("utf-8"))


def _read(tree: ast.Module, found: _Found, *, config: bool) -> None:
    tables = {
        target.id: {
            key.value for key in node.value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            _compared(node, found)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in tables:
            for name in _names(node.slice):
                found.strings[name] |= tables[node.value.id]
        elif isinstance(node, ast.Call):
            _reader(node, found, config=config)
        elif (
            config and isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        ):
            found.derived.add(node.attr)


def _compared(node: ast.Compare, found: _Found) -> None:
    sides = [node.left, *node.comparators]
    constants = {text for side in sides for text in _texts(side)}
    for side in sides:
        for name in _names(side):
            found.strings[name] |= constants


def _reader(node: ast.Call, found: _Found, *, config: bool) -> None:
    """`getattr(config, "name", fallback)` and, in a config class, `kwargs.pop("name", fallback)`."""
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    arguments = node.args[1:] if called == "getattr" else node.args
    if called not in READERS or not arguments or not isinstance(arguments[0], ast.Constant):
        return
    name = arguments[0].value
    if not isinstance(name, str) or not name.isidentifier() or (called != "getattr" and not config):
        return
    if config:
        found.derived.add(name)
    if len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
        found.fallbacks.setdefault(name, arguments[1].value)


def _names(node: ast.expr) -> Iterator[str]:
    """The field that an expression reads: `config.name`, `self.name`, `name[i]`, `getattr(config, "name")`."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript):
        yield from _names(node.value)
    elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
        yield str(node.args[1].value)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for element in node.elts:
            yield from _texts(element)
