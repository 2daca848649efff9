"""The command `hfcheck convert`, from a path to what was written: everything but its options and its words."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from hfcheck.budget import ticking
from hfcheck.conversion import source as sources
from hfcheck.conversion.obstacles import Obstacle, obstacles
from hfcheck.conversion.plan import Plan, TooLarge, plan
from hfcheck.conversion.source import CONVERTED, SUFFIX, Source
from hfcheck.conversion.write import Advance, write, writing
from hfcheck.rule import Rule

SECONDS = 60.0
"""For reading the pickles and judging them, all rules together."""


class InTheWay(Exception):
    """Files that would be written exist, or one that a loader would open instead; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A conversion that nothing stands in the way of."""

    source: Source
    plan: Plan
    folder: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands in the way."""

    obstacles: tuple[Obstacle, ...]


def prepare(
    path: str, rules: tuple[Rule, ...], *, output: str | None, max_shard_size: int | None, force: bool
) -> Prepared | Refused:
    """Look at what is to be converted; nothing is written. Raises NothingToConvert and InTheWay."""
    with ticking(SECONDS) as clock, clock.limit(SECONDS):
        source = sources.find(path)
        found = tuple(obstacles(source, rules))
        if found:
            return Refused(found)
        try:
            planned = plan(source, max_shard_size)
        except TooLarge as error:
            return Refused((Obstacle(source.taken, str(error)),))
    folder = source.facts.shelf.repository.root if output is None else output
    _check_free(planned, folder, force=force)
    return Prepared(source, planned, folder)


def _check_free(planned: Plan, folder: str, *, force: bool) -> None:
    taken = [name for name in planned.names if os.path.lexists(os.path.join(folder, name))]
    if taken and not force:
        raise InTheWay(f"{taken[0]} exists: --force writes over it")
    single = f"{CONVERTED}{SUFFIX}"
    if planned.index is not None and single not in planned.names and os.path.lexists(os.path.join(folder, single)):
        raise InTheWay(f"{single} is there, and a loader would open it instead: move it away first")


Progress = Callable[[int], AbstractContextManager[Advance]]
"""A bar for so many bytes."""


def convert(prepared: Prepared, progress: Progress, *, force: bool) -> None:
    """Write what was planned. Raises as `write` does."""
    with writing():
        os.makedirs(prepared.folder, exist_ok=True)
    with progress(2 * prepared.plan.nbytes) as advance:
        write(prepared.plan, prepared.source.facts.shelf.repository, prepared.folder, advance, force=force)
