"""Who the engine speaks to: who hears of a rule that crashed, who is asked, and which devices somebody asks for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hfcheck.facts import Facts
from hfcheck.loading.answer import Ask
from hfcheck.opinion.answer import Voice
from hfcheck.placement.target import Target
from hfcheck.rule import Rule

if TYPE_CHECKING:  # a plain check need not wait for what only a dry run needs
    from hfcheck.placement.rehearsed import Rehearsed

Crashed = Callable[[Rule, BaseException], None]
Rehearse = Callable[[Facts], "Rehearsed"]


def _unheard(_rule: Rule, _error: BaseException) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The devices that a load is asked for, in every unit of a repository or in the one of this folder alone."""

    target: Target
    folder: str | None = None

    def at(self, facts: Facts) -> Facts:
        """The facts of a unit, with the target where it is meant for it."""
        return replace(facts, target=self.target) if self.folder in {None, facts.folder} else facts


@dataclass(frozen=True, slots=True)
class Company:
    """Who hears of a rule that crashed, who is asked, and which devices somebody asks for.

    `ask` is asked where our own data does not tell what a class expects, `voice` for a second opinion on each pickle.
    `rehearse` really reads the weights, and copies them to the devices of the aim.
    """

    on_crash: Crashed = _unheard
    ask: Ask | None = None
    voice: Voice | None = None
    aim: Aim | None = None
    rehearse: Rehearse | None = None

    def aimed(self, facts: Facts) -> Facts:
        """The facts of a unit, with the target if there is one for it."""
        return facts if self.aim is None else self.aim.at(facts)


ALONE = Company()
