"""The cache of a model class under a config: the data on caches, applied to the layers that the config asks for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from hfcheck.loading import atlas
from hfcheck.loading.atlas import Entry, NotCertain, Part, TooMany
from hfcheck.loading.draft import Resolved
from hfcheck.loading.expression import MAX_STEPS, ExpressionInvalid, Scope, indices, parse
from hfcheck.loading.functions import Budget, NoValue, truth
from hfcheck.placement.cache import Cache, Kept, Kind, State
from hfcheck.placement.cache_data import CacheClass, CachePart, StateForm, cache_classes

MAX_LAYERS = 20_000
"""Layers of a model: the deepest that are published have some hundred."""

_TEXT = ("decoder", "generator", "text_config")
"""Where `PreTrainedConfig.get_text_config(decoder=True)` finds the config of what generates."""

_KINDS: Mapping[str, Kind] = {
    "attention": "attention",
    "sliding": "sliding",
    "latent": "latent",
    "cross": "cross",
    "indexer": "indexer",
    "state": "state",
}
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class _Source:
    """Parts of a cache with the config that their expressions read; `prefix` is what `layers` stand below."""

    parts: tuple[CachePart, ...]
    config: Resolved
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Expressions under one config; what does not ask for the index is evaluated once."""

    scope: Scope
    values: dict[str, object]

    def value(self, text: str, index: int) -> object:
        """Raises NoValue."""
        if text in self.values:
            return self.values[text]
        node = parse(text)
        found = self.scope.value(node, (index,))
        if not indices(node):
            self.values[text] = found
        return found

    def size(self, text: str, index: int) -> int:
        found = self.value(text, index)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise NoValue(f"`{text}` is no size")
        return found


def generates(model_type: str, class_name: str) -> CacheClass | None:
    """What is known of a class that generates; None for one that does not."""
    return cache_classes(model_type).get(class_name)


def cache_of(entry: Entry, class_name: str, config: Resolved) -> Cache | None:
    """What a class keeps under a config; None for a class that does not generate. Raises nothing."""
    known = generates(entry.model_type, class_name)
    if known is None:
        return None
    try:
        models = list(atlas.parts(entry, class_name, config))
        source = _source(known, models, entry)
        return _cache(source, models)
    except (NotCertain, TooMany) as error:
        return Cache((), unknown=(f"its layers: {error}",))


def _source(known: CacheClass, models: Sequence[Part], entry: Entry) -> _Source:
    """The data of the class, or of what generates inside of it: a slot may hold a model of any type."""
    whole = models[0]
    own = _Source(known.parts, whole.config)
    inside = next((found for one in models for found in _inside(one)), None)
    if inside is None or (_is_known(own.parts) and not _is_other(models, entry)):
        return own
    crosses = whole.config.get("is_encoder_decoder") is True or any(part.kind == "cross" for part in own.parts)
    if crosses and not any(part.kind == "cross" for part in inside.parts):
        inside = replace(inside, parts=(*inside.parts, *_crossing(inside.parts)))
    return inside if _is_known(inside.parts) or not _is_known(own.parts) else own


def _is_known(parts: Sequence[CachePart]) -> bool:
    return all(part.kind != "unknown" for part in parts)


def _is_other(models: Sequence[Part], entry: Entry) -> bool:
    """Whether what generates is of another type than the one that the data of the outer class was read from."""
    slots = entry.config["sub_configs"]
    return any(
        model.path in _TEXT and model.path in slots and slots[model.path]["type"] != model.model_type
        for model in models[1:]
    )


def _inside(model: Part) -> Iterator[_Source]:
    """The data of the models inside of a model whose config is that of a text model."""
    if model.path.rpartition(".")[2] in _TEXT:
        yield from _based(model.model_type, model.model.name, model.config, model.prefix)
    for place in model.model.submodels:
        if place.config.rpartition(".")[2] in _TEXT and place.at:
            for at, path in model.expansion.modules(place.at, place.condition):
                config = model.expansion.value(place.config, place.at, at)
                if isinstance(config, Resolved):
                    yield from _based(place.model_type, place.class_name, config, f"{path}.")


def _based(model_type: str, class_name: str, config: Resolved, prefix: str) -> Iterator[_Source]:
    """The data of a class that is mounted, or of one that generates and has it as its base."""
    classes, inside = cache_classes(model_type), atlas.entry(model_type)
    if class_name in classes:
        yield _Source(classes[class_name].parts, config, prefix)
    for name, one in classes.items():
        data = inside.classes.get(name, {}) if inside is not None else {}
        if data.get("backbone") == class_name and _is_known(one.parts):
            at = f"{data['at']}." if data.get("at") else ""
            parts = tuple(replace(part, layers=part.layers.removeprefix(at)) for part in one.parts)
            yield _Source(parts, config, prefix)


def _crossing(parts: Sequence[CachePart]) -> list[CachePart]:
    """Keys and values of the source, in every layer that attends: of the same sizes as those of the target."""
    return [replace(part, kind="cross", window="") for part in parts if part.kind in ("attention", "sliding")]


def _cache(source: _Source, models: Sequence[Part]) -> Cache:
    reader = _Reader(Scope(source.config, Budget(MAX_STEPS)), {})
    kept: list[Kept] = []
    unknown: dict[str, list[str]] = {}
    stacks = dict.fromkeys(source.prefix + part.layers for part in source.parts)
    counts = {stack: _count(stack, models) for stack in stacks}
    for stack, count in counts.items():
        parts = [part for part in source.parts if source.prefix + part.layers == stack]
        for index in range(count):
            path = f"{stack}{index}"
            reason, found = _layer(parts, reader, path, index)
            kept.extend(found)
            if reason:
                unknown.setdefault(reason, []).append(path)
    phrases = tuple(f"{paths[0]}{_more(paths)}: {reason}" for reason, paths in unknown.items())
    return Cache(tuple(kept), counts, phrases, tuple(path for paths in unknown.values() for path in paths))


def _more(paths: Sequence[str]) -> str:
    return f" and {len(paths) - 1} more" if len(paths) > 1 else ""


def _count(stack: str, models: Sequence[Part]) -> int:
    """How many layers a stack has."""
    for model in models:
        head = stack.removeprefix(model.prefix)
        if stack and stack.startswith(model.prefix) and head in model.model.counts:
            number = model.expansion.number(head, ())
            if number > MAX_LAYERS:
                raise TooMany(stack, model.model.counts[head], number)
            return number
    raise NotCertain(stack, "", "nobody has seen what it keeps" if not stack else "the atlas does not count them")


def _layer(parts: Sequence[CachePart], reader: _Reader, path: str, index: int) -> tuple[str, list[Kept]]:
    """What one layer keeps; why nobody can tell, where it is so."""
    found: list[Kept] = []
    seen = False
    for part in parts:
        try:
            if part.condition is not None and not truth(reader.value(part.condition, index)):
                continue
            seen = True
            if part.kind == "none":
                continue
            if part.kind == "unknown":
                return "no rule for this kind of layer", found
            found.append(_kept(part, reader, path, index))
        except (NoValue, ExpressionInvalid) as error:
            return str(error), found
    return "" if seen else "no layer of this kind has been seen", found


def _kept(part: CachePart, reader: _Reader, path: str, index: int) -> Kept:
    kind = _KINDS[part.kind]
    if kind == "state":
        return Kept(path, kind, states=tuple(_state(form, reader, index) for form in part.states))
    window = reader.size(part.window, index) if part.window else None
    itemsize = _SIZES.get(part.dtype) if part.dtype is not None else None
    return Kept(path, kind, reader.size(part.per_token, index), window, itemsize=itemsize)


def _state(form: StateForm, reader: _Reader, index: int) -> State:
    elements = prod(reader.size(text, index) for text in form.shape)
    return State(elements, _SIZES.get(form.dtype) if form.dtype is not None else None)
