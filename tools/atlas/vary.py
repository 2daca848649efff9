"""Valid variations of a tiny config, in which every field that the constructor or a derivation reads is moved."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from tools.atlas.moves import Move, Moves, Path, moves
from tools.atlas.reality import TooLong, reality
from tools.atlas.recorded import Case, Reality, Refused
from tools.atlas.tiny import Value, tiny

MOST_PAIRS: Final = 12


@dataclass(slots=True)
class Variations:
    """The moves of one class, and what became of them: `refused` do not build even alone."""

    model_type: str
    class_name: str
    base: Mapping[str, Any]
    moves: tuple[Move, ...]
    towers: tuple[Move, ...]
    read: frozenset[str]
    moved: set[str] = field(default_factory=set)
    refused: dict[str, Refused] = field(default_factory=dict)

    def unmoved(self) -> tuple[str, ...]:
        """Fields that the constructor reads and that no valid case moved, though the class may accept another value."""
        open_fields = {move.field for move in self.moves if str(move) not in self.refused}
        return tuple(sorted((self.read - self.moved) & open_fields))


def vary(model_type: str, class_name: str, rng: random.Random) -> dict[str, Any]:
    """A valid config of the class, away from the tiny one in about a third of what can be moved."""
    found = variations(model_type, class_name)
    chosen = [move for move in (*found.towers, *found.moves) if rng.random() < 1 / 3]
    valid = [case for case in settled(found, chosen) if isinstance(case.truth, Reality)]
    return valid[-1].config if valid else dict(found.base)


def cases(found: Variations, count: int, seed: int) -> Iterator[Case]:
    """`count` valid configs that together move every field, and the refused ones met on the way.

    The first is the tiny config itself, the last ones have each another type in one of the slots for a sub-config.
    `found` is told what was moved and what is refused alone.
    """
    yield Case(dict(found.base), (), reality(found.class_name, found.base, found.model_type))
    rng = random.Random(f"{seed} {found.model_type} {found.class_name}")  # noqa: S311 - reproducible on purpose
    piles: list[list[Move]] = [[] for _ in range(count)]
    by_field: dict[str, list[Move]] = {}
    for move in found.moves:
        by_field.setdefault(move.field, []).append(move)
    for options in by_field.values():
        first = rng.randrange(max(count, 1))
        rng.shuffle(options)
        for step, move in enumerate(options[:count]):
            piles[(first + step) % count].append(move)
    for pile in piles:
        rng.shuffle(pile)
        yield from settled(found, pile)
    for name in sorted(found.read - found.moved):
        yield from _together(found, name)
    for slot in sorted({move.field for move in found.towers}):
        others = [move for move in found.towers if move.field == slot]
        yield from settled(found, [rng.choice(others)])


def settled(found: Variations, chosen: Sequence[Move]) -> Iterator[Case]:
    """As many of the moves at once as the class accepts; before that each one that it refuses, or takes only alone."""
    kept: list[Move] = []
    best: Case | None = None
    queue = [[move for move in chosen if str(move) not in found.refused]]
    while queue:
        chunk = queue.pop(0)
        case = _tried(found, [*kept, *chunk]) if chunk else None
        if case is not None and isinstance(case.truth, Reality):
            kept, best = [*kept, *chunk], case
        elif len(chunk) > 1:
            half = len(chunk) // 2
            queue[:0] = [chunk[:half], chunk[half:]]
        elif chunk:
            yield from _alone(found, chunk[0])
    if best is not None:
        found.moved |= {move.field for move in kept}
        yield best


def _alone(found: Variations, move: Move) -> Iterator[Case]:
    """A move that does not go with others: a case if it is refused alone too, or if its field was not moved yet."""
    case = _tried(found, [move]) if str(move) not in found.refused else None
    if case is not None and isinstance(case.truth, Refused):
        found.refused[str(move)] = case.truth
        yield case
    elif case is not None and move.field not in found.moved:
        found.moved.add(move.field)
        yield case


def _together(found: Variations, name: str) -> Iterator[Case]:
    """A field that moves only with others: with all that have its value, or a flag with one other flag."""
    for move in (move for move in found.moves if move.field == name):
        path, value = move.changes[0]
        before = _at(found.base, path)
        same = [
            other for other in found.moves if other.changes[0][1] == value and type(value) is type(other.changes[0][1])
        ]
        if isinstance(value, bool):
            groups = [[move, other] for other in found.moves if isinstance(other.changes[0][1], bool) and other != move]
        else:
            groups = [[other for other in same if _at(found.base, other.changes[0][0]) == before]]
        for group in groups[:MOST_PAIRS]:
            case = _tried(found, group) if len(group) > 1 else None
            if case is not None and isinstance(case.truth, Reality):
                found.moved |= {each.field for each in group}
                yield case
                return


def _at(config: Mapping[str, Any], path: Path) -> Value:
    place: Value = config
    for key in path:
        place = place.get(key) if isinstance(place, dict) else None
    return place


def _tried(found: Variations, chosen: Sequence[Move]) -> Case | None:
    config = moved(found.base, chosen)
    names = tuple(str(move) for move in chosen)
    try:
        return Case(config, names, reality(found.class_name, config, found.model_type))
    except Refused as refusal:
        return Case(config, names, refusal)
    except TooLong:
        return None


def moved(base: Mapping[str, Any], chosen: Sequence[Move]) -> dict[str, Any]:
    """The config with all the changes; a change below a tower that another one exchanged is dropped."""
    config: dict[str, Any] = json.loads(json.dumps(base))
    changes = sorted((change for move in chosen for change in move.changes), key=lambda change: len(change[0]))
    exchanged = {path for path, value in changes if isinstance(value, dict) and "model_type" in value}
    for path, value in changes:
        if any(path[: len(other)] == other and path != other for other in exchanged):
            continue
        place: Any = config
        for key in path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[path[-1]] = json.loads(json.dumps(value))
    return config


def variations(model_type: str, class_name: str) -> Variations:
    """All moves of the class from its tiny config. Raises `Refused` or `TooLong` if that one does not build."""
    base, found = _variations(model_type, class_name)
    return Variations(model_type, class_name, base, found.fields, found.towers, found.read)


@cache
def _variations(model_type: str, class_name: str) -> tuple[dict[str, Any], Moves]:
    base = json.loads(json.dumps(tiny(model_type, class_name)))
    return base, moves(model_type, class_name, base)
