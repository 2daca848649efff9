"""What becomes of a checkpoint: its names and shapes against what a model class expects.

The second half of `convert_and_load_state_dict_in_model` in
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/core_model_loading.py , then `tie_weights` and
`_adjust_missing_and_unexpected_keys` of `modeling_utils.py`. The type of a tensor is never compared there, only cast.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from hfcheck.loading import tie
from hfcheck.loading.conversions import Unmodelled
from hfcheck.loading.convert import TAKE_FIRST, Fails, Heads, Place, convert
from hfcheck.loading.order import natural
from hfcheck.loading.plan import Gathered, Plan, plan
from hfcheck.loading.rename import LONGEST
from hfcheck.loading.spec import Failure, Mismatch, Outcome, Shape, Spec

__all__ = ["Unmodelled", "accept"]


def accept(spec: Spec, tensors: Mapping[str, Shape]) -> Outcome:
    """The outcome of loading tensors with these names and shapes. Raises `Unmodelled` where hfcheck cannot tell."""
    made = plan(spec, tensors)
    loaded = _load(spec, tensors, made)
    try:
        tied = tie.pairs(spec.tied, spec.submodels, spec.state)
    except tie.Untieable as error:
        tied = {}
        loaded.failed.append(Failure("", str(error), ()))
    missing = tie.still_missing(spec.state.keys() - loaded.sources.keys(), tied)
    unexpected = made.unexpected | loaded.unexpected
    return Outcome(
        tuple(natural(_reported(missing, spec.ignore_missing))),
        tuple(_reported(unexpected, spec.ignore_unexpected)),
        tuple(loaded.mismatched),
        tuple(loaded.failed),
        (*made.shadowed, *loaded.shadowed),
        loaded.sources,
        frozenset(loaded.converted),
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What has been put into the model, and what could not be."""

    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mismatched: list[Mismatch] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unexpected: dict[str, None] = field(default_factory=dict)
    shadowed: list[str] = field(default_factory=list)
    converted: set[str] = field(default_factory=set)


def _load(spec: Spec, tensors: Mapping[str, Shape], made: Plan) -> _Loaded:
    loaded = _Loaded()
    absent: dict[str, tuple[str, ...]] = {}
    for target, taken in made.takes.items():
        sources = (
            (taken,) if isinstance(taken, str) else tuple(name for names in taken.names.values() for name in names)
        )
        try:
            results = {target: tensors[taken]} if isinstance(taken, str) else _converted(spec, tensors, target, taken)
        except Fails as error:
            loaded.failed.append(Failure(target, str(error), sources))
            continue
        if isinstance(taken, Gathered) and taken.converter.operations[0].name in TAKE_FIRST:
            loaded.shadowed.extend(name for names in taken.names.values() for name in names[1:])
        for name, shape in results.items():
            expected = spec.state.get(name)
            if expected is None:
                absent[name] = sources
                continue
            loaded.sources[name] = sources
            if isinstance(taken, Gathered):
                loaded.converted.add(name)
            if shape != expected:
                loaded.mismatched.append(Mismatch(name, shape, expected, sources))
    if absent:
        _without_parameter(loaded, absent, spec.state)
    return loaded


def _converted(spec: Spec, tensors: Mapping[str, Shape], target: str, taken: Gathered) -> dict[str, Shape]:
    collected = {pattern: [tensors[name] for name in names] for pattern, names in taken.names.items()}
    return convert(taken.converter, collected, Place(target, spec.state, _heads(spec)))


def _without_parameter(loaded: _Loaded, absent: Mapping[str, tuple[str, ...]], state: Iterable[str]) -> None:
    """Results of converters that the model has no parameter for: the load stops unless they are there as None.

    A linear layer without a bias has it as None. What a module has is not known here; that it has a parameter of its
    own tells the modules that exist from names that fused and single experts side by side are given.
    """
    modules = {name.rpartition(".")[0] for name in state}
    for name, sources in absent.items():
        if name.rpartition(".")[0] in modules:
            loaded.unexpected[name] = None
        else:
            loaded.failed.append(Failure(name, "the model has no such module", sources))


def _heads(spec: Spec) -> Heads:
    """Heads of the root's config, or of a sub-config: that of the sub-model named after it, if there is one.

    Upstream takes 1 where a config has no such field.
    """

    def heads(config: str | None) -> int:
        part = (config or "").removesuffix("_config")
        named = [each for each in spec.submodels[1:] if part and each.at.rpartition(".")[2].startswith(part)]
        found = (named or spec.submodels)[0].heads
        return 1 if found is None else found

    return heads


def _reported(names: Collection[str], ignored: tuple[str, ...]) -> Collection[str]:
    if not ignored or not names:
        return names
    pattern = _any(ignored)
    return [name for name in names if len(name) > LONGEST or not pattern.search(name)]


@lru_cache(maxsize=64)
def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"({pattern})" for pattern in patterns))
