"""What the search for causes looks at: files, class, outcome, and what would come of it if one thing were different."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from hfcheck.loading import tie
from hfcheck.loading.accept import accept
from hfcheck.loading.conversions import Unmodelled, transforms
from hfcheck.loading.legal import is_leftover
from hfcheck.loading.order import natural
from hfcheck.loading.quantised import Quantisation
from hfcheck.loading.rename import LONGEST, Renamer
from hfcheck.loading.spec import Failure, Mismatch, Outcome, Shape, Spec
from hfcheck.loading.templates import grouped

Review = Callable[[Outcome], Outcome]
"""What is left of an outcome when what cannot be judged is taken out of it: parameters of quantised layers."""


def as_it_is(outcome: Outcome) -> Outcome:
    return outcome


class WhatIf(Protocol):
    """Loads that differ in one thing. Each answer is None where it cannot be known."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the auto classes know for this type, the declared one among them."""
        ...  # pragma: no cover

    @property
    def named_elsewhere(self) -> tuple[tuple[str, str], ...]:
        """Type and name of the class in `architectures`, where it belongs to other types than the declared one."""
        ...  # pragma: no cover

    def as_type(self, model_type: str, name: str, shapes: Mapping[str, Shape]) -> Outcome | None:
        """The same files through a class of another type."""
        ...  # pragma: no cover

    def as_class(self, name: str, shapes: Mapping[str, Shape]) -> Outcome | None:
        """The same files through another class of the type."""
        ...  # pragma: no cover

    def with_config(self, config: Mapping[str, Any], shapes: Mapping[str, Shape]) -> Outcome | None:
        """The same files under another config."""
        ...  # pragma: no cover

    def sizes(self, parameter: str, dimension: int, size: int) -> Mapping[str, Any]:
        """The fields of the config, as dotted paths, that a dimension of a parameter depends on.

        Each has the value under which the dimension would have this size, with all else as it is.
        """
        ...  # pragma: no cover

    def switches(self, parameter: str) -> tuple[str, ...]:
        """The fields that decide whether there is such a parameter; also for one that this config does not have."""
        ...  # pragma: no cover

    def counts(self, stack: str) -> tuple[str, ...]:
        """The fields that the number of modules behind a prefix depends on: behind `model.layers.`, say."""
        ...  # pragma: no cover

    def is_declared(self, field: str) -> bool:
        """Whether the config class has this field, and does not work it out from others."""
        ...  # pragma: no cover

    def value(self, field: str) -> Any:  # noqa: ANN401 - a config holds anything
        """What the loader takes a field to be, its default included."""
        ...  # pragma: no cover


@dataclass(frozen=True, eq=False)
class Evidence:
    """One load and its surroundings.

    `outcome` is what `review` leaves of what `accept` says. `shapes` and `dtypes` are those of the stored tensors.
    `elsewhere` are tensors that the loader does not open and of which other findings speak: in a shard that the index
    forgets, or in no shard. They have an empty shape where nobody knows it. `shared` are stored tensors that are
    another one's bytes under a second name, with the first. `is_named` is false where the class was
    chosen for want of a name in `architectures`.
    """

    spec: Spec
    outcome: Outcome
    shapes: Mapping[str, Shape]
    config: Mapping[str, Any]
    dtypes: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, Shape] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    quantisation: Quantisation | None = None
    is_named: bool = True
    review: Review = as_it_is
    what_if: WhatIf | None = None

    @cached_property
    def mismatches(self) -> dict[str, Mismatch]:
        return {mismatch.name: mismatch for mismatch in self.outcome.mismatched}

    @cached_property
    def failures(self) -> dict[str, Failure]:
        return {failure.target: failure for failure in self.outcome.failed}

    @cached_property
    def used(self) -> frozenset[str]:
        """The stored names that a parameter is made of."""
        state = self.spec.state
        found = {stored for name, names in self.outcome.sources.items() if name in state for stored in names}
        found.update(stored for failure in self.outcome.failed for stored in failure.sources)
        return frozenset(found)

    @cached_property
    def tied(self) -> dict[str, str]:
        """Parameters that are tied, with those that they are tied to."""
        try:
            return tie.pairs(self.spec.tied, self.spec.submodels, self.spec.state)
        except tie.Untieable:
            return {}

    @cached_property
    def templates(self) -> dict[str, list[str]]:
        """The parameters of the class, by template."""
        return grouped(self.spec.state)

    @cached_property
    def _origins(self) -> dict[str, list[str]]:
        """The names under which the loader looked for the tensors that it does not use, with the stored names."""
        unused = natural(name for name in self.shapes if name not in self.used and len(name) <= LONGEST)
        renamer = Renamer(transforms(self.spec))
        found: dict[str, list[str]] = {}
        for name, (target, pattern) in zip(unused, renamer.all(unused), strict=True):
            targets = renamer.converters[pattern].targets if pattern is not None else ()
            for other in targets or (target,):
                found.setdefault(target.replace(targets[0], other) if targets else target, []).append(name)
        return found

    def trial(self, shapes: Mapping[str, Shape]) -> Outcome | None:
        """What would come of other files; None where it cannot be known."""
        try:
            return self.review(accept(self.spec, shapes))
        except Unmodelled:
            return None

    def stored(self, unexpected: Iterable[str]) -> tuple[str, ...]:
        """The stored tensors that the outcome calls unexpected under these names: renames come before the verdict."""
        names = tuple(unexpected)
        if all(name in self.shapes for name in names):
            return names
        return tuple(
            dict.fromkeys(
                stored for name in names for stored in ((name,) if name in self.shapes else self._origins.get(name, ()))
            )
        )

    def are_one(self, stored: str, other: str) -> bool:
        """Whether two stored tensors are the same bytes."""
        return self.shared.get(stored, stored) == self.shared.get(other, other)

    def is_whole(self, outcome: Outcome | None) -> bool:
        """Whether a load leaves nothing open but legal leftovers."""
        if outcome is None or outcome.missing or outcome.mismatched or outcome.failed:
            return False
        return all(is_leftover(name, self.shapes.get(name)) for name in outcome.unexpected)

    @property
    def head_prefix(self) -> str:
        """What the names of the base begin with, and those of the head do not; empty where the class is a base."""
        prefix = f"{self.spec.base_prefix}."
        return prefix if self.spec.base_prefix and any(name.startswith(prefix) for name in self.spec.state) else ""
