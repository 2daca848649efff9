"""A class of which the atlas has data that were not compared enough with the real one, where they fit the weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hfcheck.formats.tensor import Tensor
from hfcheck.loading import atlas
from hfcheck.loading.accept import Unmodelled, accept
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.expand import NotCertain, TooMany
from hfcheck.loading.judge import Load, of_choice


def fitting(load: Load, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Load | None:
    """A load that was not checked, with what the atlas has on its class, if by that every tensor has its place.

    Names and shapes then speak for the data. They say nothing of modules without tensors, so that it stays a guess.
    """
    choice = load.open_question
    entry = atlas.entry(choice.model_type) if choice is not None else None
    if choice is None or entry is None:
        return None
    try:
        spec = atlas.spec(entry, choice.class_name, of_choice(config, choice))
        outcome = accept(spec, {name: tensor.shape for name, tensor in tensors.items()})
    except (NotCertain, TooMany, Unresolvable, ConfigRaises, Unmodelled):
        return None
    if outcome.verdict != "loads" or outcome.unexpected or outcome.shadowed:
        return None
    return replace(load, spec=spec, choice=choice, sources=outcome.sources, converted=outcome.converted)
