"""What a model class expects of a checkpoint, and what becomes of one: the two ends of the acceptance relation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Verdict = Literal["loads", "loads-reinitialised", "raises"]


@dataclass(frozen=True, slots=True)
class Submodel:
    """A `PreTrainedModel` inside the model, the root included: renames are looked up by its class and its type.

    `at` is its path ("" for the root); `heads` is `num_attention_heads` of its config, which a converter may ask for.
    """

    at: str
    class_name: str
    model_type: str
    heads: int | None = None


@dataclass(frozen=True, slots=True)
class TiedKeys:
    """The `_tied_weights_keys` of a submodel whose config ties: target to source, both relative to `at`, unexpanded."""

    at: str
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spec:
    """A model class under one config.

    `state` has what `state_dict()` has: parameters and persistent buffers with their shapes; `integers` those of them
    that are not floating. `model_type` is the one in the file, which selects the renames of the root. The ignore lists
    are regular expressions, searched for in names of parameters.
    """

    architecture: str
    model_type: str
    state: Mapping[str, Shape]
    integers: frozenset[str]
    base_prefix: str
    submodels: tuple[Submodel, ...]
    tied: tuple[TiedKeys, ...]
    ignore_missing: tuple[str, ...]
    ignore_unexpected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A parameter for which the files hold another shape; `sources` are the stored names it is made of."""

    name: str
    stored: Shape
    expected: Shape
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Stored tensors that cannot be converted into the parameter `target`."""

    target: str
    reason: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load comes to: the sets that `output_loading_info=True` reports, in natural order of names.

    `shadowed` are stored names that were dropped without a word because another name gave the same parameter;
    `sources` tells for every parameter that was found which stored names it is made of, `converted` which of them come
    from a converter, so that no stored tensor is one of them under another name.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    failed: tuple[Failure, ...]
    shadowed: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]]
    converted: frozenset[str] = frozenset()

    @property
    def verdict(self) -> Verdict:
        """Missing parameters are filled with random numbers and a warning; a wrong shape stops the load."""
        if self.mismatched or self.failed:
            return "raises"
        return "loads-reinitialised" if self.missing else "loads"
