"""The architecture atlas: what each model class of transformers 5.23 expects of a checkpoint, under any config.

`schemas/architectures/<model_type>.json` has an entry for each registered type; tools/atlas writes them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeAlias

from hfcheck.loading.classes import Check, ModelClass, Mount, below, model_class
from hfcheck.loading.draft import Resolved
from hfcheck.loading.expand import MAX_NAMES, Expansion, NegativeSize, NotCertain, TooMany
from hfcheck.loading.expression import MAX_STEPS, Scope
from hfcheck.loading.functions import Budget, truth
from hfcheck.loading.names import ABSENT, UNKNOWN
from hfcheck.loading.spec import Shape, Spec, Submodel, TiedKeys

__all__ = ["Entry", "NegativeSize", "NotCertain", "Part", "TooMany", "entry", "parts", "spec", "violated"]

MAX_MOUNTS = 8
"""Models within models."""

MAX_PARTS = 256
"""Models in a model, at all depths."""

_TYPE = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_MAX_TYPE = 80


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One registered type: `config` as resolve.py reads it, `auto` the class that each auto class has for it."""

    model_type: str
    config: Mapping[str, Any]
    auto: Mapping[str, str]
    classes: Mapping[str, Mapping[str, Any]]
    _models: dict[str, ModelClass] = field(default_factory=dict, repr=False)

    def model(self, class_name: str) -> ModelClass:
        """The class of that name, with what it inherits; raises NotCertain where the atlas has none."""
        found = self._models.get(class_name)
        if found is None:
            try:
                found = self._models[class_name] = model_class(self.classes, class_name, self.model_type)
            except KeyError as error:
                raise NotCertain("", "", f"the atlas has no such class of {self.model_type}") from error
        return found

    def certified(self, class_name: str) -> bool:
        """Whether the class was compared with the real one under enough configs; of its mounts it says nothing."""
        return class_name in self.classes and self.model(class_name).certified


@lru_cache(maxsize=128)
def entry(model_type: str) -> Entry | None:
    """The entry of a registered type, None for any other text."""
    # A config is a stranger's: this is the only thing that keeps its `model_type` from being a path.
    if len(model_type) > _MAX_TYPE or not _TYPE.fullmatch(model_type):
        return None
    file = files("hfcheck_schemas").joinpath("architectures").joinpath(f"{model_type}.json")
    try:
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    # Some file systems find "llama.json" under "LLAMA.json".
    return from_data(data) if data["model_type"] == model_type else None


def from_data(data: Mapping[str, Any]) -> Entry:
    """The entry that a document of the atlas describes."""
    return Entry(data["model_type"], data["config"], data["auto"], data["classes"])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A model with its class, the whole or one that is mounted in it.

    `prefix` is what its names begin with, `path` the dotted path of its config from the outermost one.
    """

    model_type: str
    config: Resolved
    expansion: Expansion
    prefix: str
    path: str

    @property
    def model(self) -> ModelClass:
        return self.expansion.model


Entries: TypeAlias = Callable[[str], Entry | None]


def parts(
    entry: Entry, class_name: str, config: Resolved, *, limit: int = MAX_NAMES, entries: Entries = entry
) -> Iterator[Part]:
    """A class under a config and all that is mounted in it, the outermost first; raises NotCertain and TooMany."""
    budget = Budget(MAX_STEPS)
    pending = [(entry, class_name, config, "", "", MAX_MOUNTS)]
    number = 0
    while pending:
        inside, name, names, prefix, path, deepest = pending.pop()
        number += 1
        if not deepest or number > MAX_PARTS:
            raise NotCertain(prefix, "", "too many models are within each other")
        part = Part(
            inside.model_type, names, Expansion(inside.model(name), Scope(names, budget), prefix, limit), prefix, path
        )
        yield part
        mounted = [
            (*_chosen(part, mount, indices, entries), f"{at}." if at else "", below(path, mount.config), deepest - 1)
            for mount in part.model.mounts
            for indices, at in part.expansion.modules(mount.at, mount.condition)
        ]
        pending.extend(reversed(mounted))


def _chosen(part: Part, mount: Mount, indices: tuple[int, ...], entries: Entries) -> tuple[Entry, str, Resolved]:
    """Entry, class and config of what is mounted, chosen by the class of the config."""
    config = _config(part, mount.config, mount.at, indices)
    inside = entries(config.model_type)
    if inside is None or mount.auto not in inside.auto:
        raise NotCertain(
            part.prefix + mount.at, "", f"the atlas has no {mount.auto} for the type of `{mount.config or 'config'}`"
        )
    changes = {
        config.aliases.get(name, name): part.expansion.value(text, mount.at, indices)
        for name, text in mount.changes.items()
    }
    return inside, inside.auto[mount.auto], replace(config, values={**config.values, **changes}) if changes else config


def _config(part: Part, path: str, at: str, indices: tuple[int, ...] = ()) -> Resolved:
    """The config of a submodule."""
    found = part.expansion.value(path, at, indices) if path else part.config
    if not isinstance(found, Resolved):
        raise NotCertain(part.prefix + at, path, "it is no config")
    return found


def spec(entry: Entry, class_name: str, config: Resolved, *, limit: int = MAX_NAMES, entries: Entries = entry) -> Spec:
    """What a class expects of a checkpoint under a config.

    Raises NotCertain where the atlas does not determine it, and TooMany where it would be more than `limit` tensors.
    """
    state: dict[str, Shape] = {}
    integers: set[str] = set()
    submodels: list[Submodel] = []
    tied: list[TiedKeys] = []
    ignore_missing: set[str] = set()
    ignore_unexpected: set[str] = set()
    base_prefix = ""
    for part in parts(entry, class_name, config, limit=limit, entries=entries):
        base_prefix = base_prefix if part.prefix else part.model.base_prefix
        for variant, tensors in part.expansion.tensors():
            state.update(tensors)
            if variant.is_integer:
                integers.update(tensors)
        if len(state) > limit:
            raise TooMany("", "", len(state))
        submodels.extend(_submodels(part))
        tied.extend(_tied(part))
        ignore_missing |= part.model.ignore_missing
        ignore_unexpected |= part.model.ignore_unexpected | set(_buffers(part))
    return Spec(
        architecture=class_name,
        model_type=_type(config, config.model_type),
        state=state,
        integers=frozenset(integers),
        base_prefix=base_prefix,
        submodels=tuple(submodels),
        tied=tuple(tied),
        ignore_missing=tuple(sorted(ignore_missing)),
        ignore_unexpected=tuple(sorted(ignore_unexpected)),
    )


def _submodels(part: Part) -> Iterator[Submodel]:
    for place in part.model.submodels:
        for indices, at in part.expansion.modules(place.at, place.condition):
            config = _config(part, place.config, place.at, indices)
            heads = config.get("num_attention_heads")
            yield Submodel(
                at,
                place.class_name,
                _type(config, place.model_type),
                heads if isinstance(heads, int) and not isinstance(heads, bool) else None,
            )


def _type(config: Resolved, model_type: str) -> str:
    """What `config.model_type` reads: the value in the file stands instead of the class's own."""
    found = config.get("model_type")
    return found if isinstance(found, str) else model_type


def _tied(part: Part) -> Iterator[TiedKeys]:
    for place in part.model.ties:
        for indices, at in part.expansion.modules(place.at, place.condition):
            flag = _config(part, place.config, place.at, indices).get("tie_word_embeddings")
            if flag is UNKNOWN:
                raise NotCertain(part.prefix + place.at, "tie_word_embeddings", "it is not known")
            if flag is not ABSENT and truth(flag):
                yield TiedKeys(at, place.keys)


_IGNORED_BUFFERS = {"rotary_emb.inv_freq": r"rotary_emb\.inv_freq", "position_ids": r"(^|\.)position_ids$"}


def _buffers(part: Part) -> Iterator[str]:
    """The patterns that transformers ignores where the model has such a buffer, persistent or not.

    `_adjust_missing_and_unexpected_keys` of transformers/modeling_utils.py.
    """
    conditions = [
        *part.model.buffers.items(),
        *(
            (name, variant.condition)
            for name, tensor in part.model.tensors.items()
            for variant in tensor.variants
            if variant.is_buffer
        ),
    ]
    for suffix, pattern in _IGNORED_BUFFERS.items():
        if any(name.endswith(suffix) and part.expansion.rows(name, condition).stems for name, condition in conditions):
            yield pattern


def violated(entry: Entry, class_name: str, config: Resolved, *, entries: Entries = entry) -> Check | None:
    """The first thing that the constructors require and this config does not have; raises NotCertain and TooMany.

    A requirement of which we cannot tell whether it is met is passed over: it is no reason to refuse anything.
    """
    return next(
        (
            check
            for part in parts(entry, class_name, config, entries=entries)
            for check in part.model.checks
            if _is_broken(part, check)
        ),
        None,
    )


def _is_broken(part: Part, check: Check) -> bool:
    try:
        return not part.expansion.holds(check.require)
    except NotCertain:
        return False
