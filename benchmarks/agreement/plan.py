"""Which cases a seed means: classes, kinds of damage, random numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.agreement.models import Architecture
from benchmarks.agreement.mutations import CLEAN, MUTATIONS


@dataclass(frozen=True, slots=True)
class Plan:
    """The classes in the order in which they are taken, and how many cases each has.

    Each case draws its random numbers from seed, class and kind alone, so it is the same in every run that has it.
    """

    seed: int
    architectures: tuple[Architecture, ...]
    each: int

    @classmethod
    def of(cls, seed: int, architectures: Sequence[Architecture], cases: int) -> "Plan":
        """About so many cases in all, at least two for each class, in an order that the seed decides."""
        ordered = sorted(architectures)
        Random(str(seed)).shuffle(ordered)  # noqa: S311 - has to be repeatable, is no secret
        return cls(seed, tuple(ordered), max(2, -(-cases // max(1, len(ordered)))))

    def part(self, number: int, of: int) -> "Plan":
        """The share of one of several processes."""
        return Plan(self.seed, self.architectures[number::of], self.each)

    def kinds(self, architecture: Architecture) -> list[str]:
        """The undamaged model, then all kinds of damage in an order that the seed decides: those that apply count."""
        damage = [kind for kind in MUTATIONS if kind != CLEAN]
        self.rng(architecture, "kinds").shuffle(damage)
        return [CLEAN, *damage]

    def rng(self, architecture: Architecture, purpose: str) -> Random:
        return Random(f"{self.seed}/{architecture}/{purpose}")  # noqa: S311 - has to be repeatable, is no secret
