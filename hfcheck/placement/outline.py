"""What a class of the atlas says of placement, whole: what it inherits from its backbone put in its place.

The rules are those by which `tools/atlas/compress.py` writes a class as the difference from another one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hfcheck.loading.atlas import Entry
from hfcheck.loading.classes import MAX_BACKBONES
from hfcheck.loading.expand import NotCertain

Json = Mapping[str, Any]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Buffer:
    """One form of a buffer that is not stored: expressions of its shape, None where the atlas has none.

    It exists where `condition` holds. `dtype` is that of the constructor ("F32"), None for the default of torch, which
    is the type that the model is built in.
    """

    shape: tuple[str, ...] | None
    condition: str | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A class that is never split, as which a module is there where `condition` holds."""

    class_name: str
    condition: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A class as a planner asks for it; paths are relative to the class, with `{}` for each index.

    `order` has the children of every module that a device map may divide, those without tensors too, under whatever
    config; nothing below a module of `no_split`. Where such a child is not always there, `present` has the condition.
    `parameters` has those of a module in order, where that is not `parameter_order`. `buffers` are those that are not
    in the state dict. `keep_fp32`, `keep_fp32_strict`, `skip_keys` and `no_placement` are the lists of
    transformers by these names. `tp` and `ep` are plans, pattern (with `*` for an index) to style, `pp` names the
    stages of a pipeline.
    """

    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    present: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_split: Mapping[str, tuple[Kind, ...]] = field(default_factory=dict)
    buffers: Mapping[str, tuple[Buffer, ...]] = field(default_factory=dict)
    keep_fp32: frozenset[str] = frozenset()
    keep_fp32_strict: frozenset[str] = frozenset()
    skip_keys: frozenset[str] = frozenset()
    no_placement: frozenset[str] = frozenset()
    tp: Mapping[str, str] = field(default_factory=dict)
    ep: Mapping[str, str] = field(default_factory=dict)
    pp: tuple[str, ...] = ()


def parameter_order(name: str) -> str:
    """A key by which the parameters of a module are sorted: by name, but a weight before its bias."""
    return name.replace("bias", "weight~")


def outline(entry: Entry, class_name: str) -> Outline:
    """The outline of a class; raises NotCertain where the atlas has none of that name."""
    lineage: list[Json] = []
    name: str | None = class_name
    while name is not None:
        data = entry.classes.get(name)
        if data is None or len(lineage) > MAX_BACKBONES:
            raise NotCertain("", "", f"the atlas has no such class of {entry.model_type}")
        lineage.append(data)
        name = data.get("backbone")
    found = Outline()
    for data in reversed(lineage):
        found = _over(found, data)
    return found


def _over(base: Outline, data: Json) -> Outline:
    """What a class gives itself, over what it inherits; `no_placement` is never inherited."""
    at, drop = data.get("at", ""), tuple(data.get("drop", ()))
    prefix = f"{at}." if at else ""
    below = tuple(one for one in drop if one.endswith("."))

    def is_kept(name: str) -> bool:
        return name not in drop and not name.startswith(below)

    def modules(table: Mapping[str, _Value]) -> dict[str, _Value]:
        moved = {prefix + path if path else at: value for path, value in table.items()}
        return {path: value for path, value in moved.items() if is_kept(f"{path}.")}

    def own(key: str, inherited: Mapping[str, _Value], read: Callable[[Any], _Value]) -> dict[str, _Value]:
        given: Json = data.get(key, {})
        return _own(
            modules(inherited), given, {path: read(value) for path, value in given.items() if value is not None}
        )

    buffers: Json = data.get("buffers", {})
    kept = {name: forms for path, forms in base.buffers.items() if is_kept(name := prefix + path)}
    return Outline(
        order=own("order", base.order, tuple),
        present=own("present", base.present, str),
        parameters=own("parameters", base.parameters, tuple),
        no_split=own("no_split", base.no_split, _kinds),
        buffers=_own(kept, buffers, {path: _forms(forms) for path, forms in buffers.items() if forms is not None}),
        keep_fp32=base.keep_fp32 | _set(data, "keep_fp32"),
        keep_fp32_strict=base.keep_fp32_strict | _set(data, "keep_fp32_strict"),
        skip_keys=base.skip_keys | _set(data, "skip_keys"),
        no_placement=_set(data, "no_placement"),
        tp=own("tp", base.tp, str),
        ep=own("ep", base.ep, str),
        pp=tuple(data["pp"]) if "pp" in data else tuple(prefix + stage for stage in base.pp),
    )


def _own(inherited: Mapping[str, _Value], given: Json, read: Mapping[str, _Value]) -> dict[str, _Value]:
    """A table with its own entries over inherited ones; a null takes one away."""
    gone = {path for path, value in given.items() if value is None}
    return {path: value for path, value in {**inherited, **read}.items() if path not in gone}


def _set(data: Json, key: str) -> frozenset[str]:
    names: Iterable[str] = data.get(key) or ()
    return frozenset(names)


def _kinds(given: str | list[Json]) -> tuple[Kind, ...]:
    if isinstance(given, str):
        return (Kind(given),)
    return tuple(Kind(one["class"], one.get("if")) for one in given)


def _forms(forms: Json | list[Json]) -> tuple[Buffer, ...]:
    return tuple(
        Buffer(
            None if form["shape"] is None else tuple(map(str, form["shape"])),
            form.get("if"),
            form.get("dtype"),
        )
        for form in (forms if isinstance(forms, list) else [forms])
    )
