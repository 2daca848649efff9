"""The types that a config field may have, from its annotation."""

import inspect
import types
import typing
from functools import cache
from typing import Any

from tools.atlas.symbolic.values import ANY, Kinds

NAMES = {int: "int", float: "float", bool: "bool", str: "str", type(None): "null", list: "list", tuple: "list",
         set: "list", dict: "dict"}  # fmt: skip


@cache
def field_kinds(cls: type) -> dict[str, Kinds]:
    """The kinds of all annotated fields of a config class, inherited ones too."""
    found: dict[str, Kinds] = {}
    for base in reversed(cls.__mro__):
        scope = vars(__import__(base.__module__, fromlist=["_"]))
        for name, annotation in inspect.get_annotations(base).items():
            found[name] = _kinds(annotation, scope)
    return found


def _kinds(annotation: Any, scope: dict[str, Any]) -> Kinds:
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, dict(scope))  # noqa: S307 — an annotation of transformers itself
        except Exception:  # noqa: BLE001 — whatever it was, the kinds are not known
            return ANY
    if annotation is None:
        return frozenset({"null"})
    if annotation in NAMES:
        return frozenset({NAMES[annotation]})
    origin = typing.get_origin(annotation)
    if origin in NAMES:
        return frozenset({NAMES[origin]})
    if origin in {typing.Union, types.UnionType}:
        return frozenset().union(*(_kinds(part, scope) for part in typing.get_args(annotation)))
    if origin is typing.Literal:
        return frozenset(NAMES[type(value)] for value in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0], scope)
    if isinstance(annotation, type) and issubclass(annotation, dict):
        return frozenset({"dict"})
    return ANY
