"""What a model keeps between two tokens, layer by layer, and the bytes of it at three moments of a generation.

As the caches of transformers 5.23 allocate them (`DynamicCache`, cache_utils.py): keys and values of all tokens, of the
last ones where a layer has a window, one compressed vector for both, those of a source, and states without tokens.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["attention", "sliding", "latent", "cross", "indexer", "state"]


class Moment(Enum):
    """When a cache is looked at.

    At the end of a prompt that was read in one pass a sliding layer holds all of it: what it keeps is a view of that.
    While it generates, it holds its window.
    """

    PROMPT = "end of the prompt"
    GENERATING = "generating"


@dataclass(frozen=True, slots=True)
class State:
    """A tensor without an axis of tokens: `elements` for each sequence, `itemsize` None where it is the model's."""

    elements: int
    itemsize: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the module at `path` keeps: `per_token` elements of each token of each sequence, or `states`.

    `window` is that of a sliding layer, `itemsize` that of an element where it is not the model's. One layer may keep
    several things.
    """

    path: str
    kind: Kind
    per_token: int = 0
    window: int | None = None
    states: tuple[State, ...] = ()
    itemsize: int | None = None


@dataclass(frozen=True, slots=True)
class Sequences:
    """What is read and generated: `tokens` of each of `batch` sequences, prompt included, and `source` tokens of each.

    `itemsize` is the bytes of an element of the model's hidden states.
    """

    tokens: int
    batch: int = 1
    itemsize: int = 2
    source: int = 0


@dataclass(frozen=True, slots=True)
class Cache:
    """All that a model keeps. `layers` counts its layers by the prefix of their stack.

    `unknown` are layers of which nobody can tell, as a phrase each, and `unknown_layers` their paths: they keep
    something that is not among `kept`.
    """

    kept: tuple[Kept, ...]
    layers: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    unknown_layers: tuple[str, ...] = ()

    @property
    def has_source(self) -> bool:
        return any(kept.kind == "cross" for kept in self.kept)


def nbytes(kept: Kept, sequences: Sequences, moment: Moment) -> int:
    """Bytes that are allocated for it."""
    if kept.kind == "state":
        return sequences.batch * sum(state.elements * (state.itemsize or sequences.itemsize) for state in kept.states)
    return sequences.batch * _tokens(kept, sequences, moment) * kept.per_token * (kept.itemsize or sequences.itemsize)


def total(kept: Iterable[Kept], sequences: Sequences, moment: Moment) -> int:
    return sum(nbytes(one, sequences, moment) for one in kept)


def _tokens(kept: Kept, sequences: Sequences, moment: Moment) -> int:
    if kept.kind == "cross":
        return sequences.source
    if kept.kind == "sliding" and kept.window is not None and moment is Moment.GENERATING:
        return min(sequences.tokens, max(kept.window, 1))
    return sequences.tokens
