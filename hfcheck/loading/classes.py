"""The model classes of one entry of the atlas, each whole: what it inherits from its backbone put in its place.

A class with `backbone` has everything that class has, below `at`, without what `drop` names; what it gives itself is
added, and stands instead of what it inherits under the same name or at the same place. `drop` speaks of names as this
class has them, with `at`: single ones, or all that begin with a prefix that ends in a dot.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

Json = Mapping[str, Any]

INTEGERS = ("I", "U", "BOOL")
"""What the names of types that are not floating begin with, as safetensors spells them."""

MAX_BACKBONES = 8
"""Classes in a row that are each the backbone of the next."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a tensor: it has this shape where the condition holds. All are texts of expressions.

    `dtype` is that of the constructor, None for the type that the model is built in.
    """

    shape: tuple[str, ...] = ()
    condition: str | None = None
    is_buffer: bool = False
    is_integer: bool = False
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A template of names, with `{}` for each index, and its forms: the first whose condition holds."""

    template: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A submodule: `at` may have indices, `config` is the path of its config from that of the class."""

    at: str
    condition: str | None = None
    config: str = ""


@dataclass(frozen=True, slots=True)
class Inside(Place):
    """A submodule that is a `PreTrainedModel` of a fixed class."""

    class_name: str = ""
    model_type: str = ""


@dataclass(frozen=True, slots=True)
class Mount(Place):
    """A submodule whose class is chosen by the type of its config, as `auto` does; `changes` are made to it before."""

    auto: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ties(Place):
    """The `_tied_weights_keys` of a submodule, as they stand in its class."""

    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """Something that the constructor requires; it raises `error` otherwise."""

    name: str
    require: str
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelClass:
    """A class: expressions in `counts`, `buffers` and all else are texts, names are relative to the class.

    `counts` gives for the part of a template before a `{}` how many indices there are. `buffers` are not in the state;
    of them it matters only whether they exist.
    """

    name: str
    base_prefix: str
    certified: bool
    why_not: tuple[str, ...]
    counts: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    buffers: Mapping[str, str | None]
    submodels: tuple[Inside, ...]
    mounts: tuple[Mount, ...]
    ties: tuple[Ties, ...]
    ignore_missing: frozenset[str]
    ignore_unexpected: frozenset[str]
    checks: tuple[Check, ...]


_Placed = TypeVar("_Placed", bound=Place)


def below(at: str, name: str) -> str:
    """The path of a submodule's submodule; either may be the module itself."""
    return f"{at}.{name}" if at and name else at or name


def model_class(classes: Json, name: str, model_type: str) -> ModelClass:
    """The class of that name; raises KeyError where there is none."""
    return _whole(classes, name, model_type, MAX_BACKBONES)


def _whole(classes: Json, name: str, model_type: str, deepest: int) -> ModelClass:
    own = _own(classes[name], name, model_type)
    if "backbone" not in classes[name]:
        return own
    if not deepest:
        raise KeyError(f"{name} has too many backbones in a row")
    base = _whole(classes, classes[name]["backbone"], model_type, deepest - 1)
    return _with(own, _below(base, classes[name].get("at", ""), classes[name].get("drop", ())))


def _own(data: Json, name: str, model_type: str) -> ModelClass:
    """What the class itself gives."""
    submodels = [_inside(one) for one in data.get("submodels", ())] or [Inside("", None, "", name, model_type)]
    return ModelClass(
        name=name,
        base_prefix=data.get("base_prefix", ""),
        certified=data.get("certified", False),
        why_not=tuple(data.get("why_not", ())),
        counts={prefix: str(count) for prefix, count in data.get("counts", {}).items()},
        tensors={template: Tensor(template, _variants(form)) for template, form in data.get("tensors", {}).items()},
        buffers={template: _existence(forms) for template, forms in data.get("buffers", {}).items()},
        submodels=tuple(submodels),
        mounts=tuple(
            Mount(one["at"], one.get("if"), one.get("config", ""), one["auto"], one.get("set", {}))
            for one in data.get("mounts", ())
        ),
        ties=tuple(Ties(one["at"], one.get("if"), one.get("config", ""), one["keys"]) for one in data.get("tied", ())),
        ignore_missing=frozenset(data.get("ignore_missing", ())),
        ignore_unexpected=frozenset(data.get("ignore_unexpected", ())),
        checks=tuple(Check(one.get("name", ""), one["require"], one["raises"]) for one in data.get("checks", ())),
    )


def _inside(data: Json) -> Inside:
    return Inside(data["at"], data.get("if"), data.get("config", ""), data["class"], data["type"])


def _variants(forms: Json | list[Json]) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            tuple(map(str, form["shape"])),
            form.get("if"),
            form.get("buffer", False),
            form.get("dtype", "F32").startswith(INTEGERS),
            form.get("dtype"),
        )
        for form in (forms if isinstance(forms, list) else [forms])
    )


def _existence(forms: Json | list[Json]) -> str | None:
    """The condition under which there is a buffer, in any of its forms; None where there always is."""
    conditions = [form.get("if") for form in (forms if isinstance(forms, list) else [forms])]
    if any(condition is None for condition in conditions):
        return None
    return " or ".join(f"({condition})" for condition in conditions)


def _below(base: ModelClass, at: str, drop: Sequence[str]) -> ModelClass:
    """A class as a submodule of another, less what that one does not have."""
    prefix = f"{at}." if at else ""

    def is_kept(name: str) -> bool:
        return not any(name == one or (one.endswith(".") and name.startswith(one)) for one in drop)

    def moved(places: Iterable[_Placed]) -> list[_Placed]:
        found = [replace(place, at=below(at, place.at)) for place in places]
        return [place for place in found if is_kept(f"{place.at}.")]

    return replace(
        base,
        counts={prefix + stack: count for stack, count in base.counts.items()},
        tensors={
            name: replace(tensor, template=name)
            for template, tensor in base.tensors.items()
            if is_kept(name := prefix + template)
        },
        buffers={name: condition for template, condition in base.buffers.items() if is_kept(name := prefix + template)},
        submodels=tuple(moved(base.submodels)),
        mounts=tuple(moved(base.mounts)),
        ties=tuple(moved(base.ties)),
    )


def _with(own: ModelClass, base: ModelClass) -> ModelClass:
    """What a class gives itself, over what it inherits; what it gives comes first, so that its root is the root."""

    def both(places: Sequence[_Placed], inherited: Sequence[_Placed]) -> tuple[_Placed, ...]:
        taken = {place.at for place in places}
        return (*places, *(place for place in inherited if place.at not in taken))

    return replace(
        own,
        base_prefix=own.base_prefix or base.base_prefix,
        counts={**base.counts, **own.counts},
        tensors={**base.tensors, **own.tensors},
        buffers={**base.buffers, **own.buffers},
        submodels=both(own.submodels, base.submodels),
        mounts=both(own.mounts, base.mounts),
        ties=both(own.ties, base.ties),
        ignore_missing=own.ignore_missing | base.ignore_missing,
        ignore_unexpected=own.ignore_unexpected | base.ignore_unexpected,
        checks=tuple(dict.fromkeys((*base.checks, *own.checks))),
    )
