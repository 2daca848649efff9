"""What no other search explains: the parameters that nothing gives, and the tensors that nothing takes."""

from collections import Counter
from collections.abc import Iterable, Sequence

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.prefixes import WRAPPERS
from hfcheck.loading.templates import grouped, indices, template
from hfcheck.loading.wording import counted, is_or_are, listed

_NAMED = 3
"""Fields that a message names."""

_MOST = 4
"""Findings about missing parameters; the rest is told together."""


def missing(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for each module of which everything is missing, else for each template."""
    if not remaining.missing:
        return ()
    # What is tied to a missing parameter is missing with it, and told with it.
    alone = [name for name in remaining.missing if evidence.tied.get(name) not in remaining.missing]
    groups = [(where, names) for (where, _), names in _modules(evidence, alone).items()]
    if 2 * len(remaining.missing) > len(evidence.spec.state):
        groups = [("", alone)]  # no module is missing, but the model
    elif len(groups) > _MOST:
        groups[_MOST - 1 :] = [("", [name for _, names in groups[_MOST - 1 :] for name in names])]
    instead = grouped(remaining.unexpected)
    causes: list[Cause] = []
    for where, names in groups:
        within = [pattern for pattern in instead if where.endswith(".") and pattern.startswith(where)]
        others = [name for pattern in within for name in instead.pop(pattern)]
        causes.append(_lost(evidence, where, names, others))
    return causes


def _modules(evidence: Evidence, names: Iterable[str]) -> dict[tuple[str, frozenset[tuple[int, ...]]], list[str]]:
    """The names by the outermost module of which everything is missing, and else by the last list they are in.

    Of two templates in one list those belong together that miss in the same places: the biases of layers 0 to 3.
    """
    patterns = grouped(names)
    complete = {pattern for pattern, group in patterns.items() if len(group) == len(evidence.templates[pattern])}
    whole = Counter(prefix for pattern in evidence.templates for prefix in _prefixes(pattern))
    lost = Counter(prefix for pattern in complete for prefix in _prefixes(pattern))
    modules: dict[tuple[str, frozenset[tuple[int, ...]]], list[str]] = {}
    for pattern, group in patterns.items():
        within = (prefix for prefix in _prefixes(pattern) if lost[prefix] == whole[prefix] > 1)
        module = next(within, None) if pattern in complete else None
        if module is not None:
            key = module, frozenset[tuple[int, ...]]()
        else:
            start, index, _ = pattern.rpartition("{}")
            key = start + index or pattern, frozenset(map(indices, group))
        modules.setdefault(key, []).extend(group)
    return modules


def _prefixes(pattern: str) -> list[str]:
    """The modules around a parameter, the outermost first: `vision_tower.`, `vision_tower.encoder.`."""
    parts = pattern.split(".")
    return [".".join(parts[:count]) + "." for count in range(1, min(len(parts), 40))]


def _lost(evidence: Evidence, where: str, names: Sequence[str], others: Sequence[str]) -> Cause:
    """`others` are tensors of the same module that the class does not know."""
    if where.endswith("."):
        what = f"no tensor gives a parameter of {quote(where.removesuffix('.'))}: {counted(len(names), 'parameter')}"
    else:
        what = f"no tensor gives {listed(names)}: {counted(len(names), 'parameter')} of {evidence.spec.architecture}"
    stored = evidence.stored(others)
    instead = f"; in its place there {is_or_are(stored)} {listed(stored)}" if stored else ""
    fields = evidence.what_if.switches(names[0]) if evidence.what_if is not None else ()
    decided = f"; whether it is needed, the config says in {', '.join(map(quote, fields[:_NAMED]))}" if fields else ""
    return Cause(
        Kind.MISSING,
        f"{what} {is_or_are(names)} filled with random numbers{instead}{decided}",
        absent=names[0],
        missing=tuple(names),
        unexpected=tuple(others),
    )


def unused(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for all tensors that the class has no place for."""
    names = tuple(remaining.unexpected)
    if not names:
        return ()
    stored = evidence.stored(names) or names
    message = f"{listed(stored)} {is_or_are(stored)} not used: {evidence.spec.architecture} has no such parameter"
    return (Cause(Kind.UNUSED, message, stored=stored[0], unexpected=names),)


def shadowed(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """Tensors that are dropped because another one came first for the same parameter."""
    names = tuple(remaining.shadowed)
    if not names:
        return ()
    alone = evidence.trial({names[0]: evidence.shapes[names[0]]})
    found = alone.sources if alone is not None else {}
    target = next((name for name, stored in found.items() if names[0] in stored), None)
    winner = next(iter(evidence.outcome.sources.get(target or "", ())), None)
    instead = f" of {quote(winner)}" if winner is not None else ""
    if winner is not None and all(evidence.are_one(name, winner) for name in names):
        return ()
    return (
        Cause(
            Kind.SHADOWED,
            f"{listed(names)} {is_or_are(names)} dropped in favour{instead}: both give the same parameter",
            stored=names[0],
            shadowed=names,
        ),
    )


def nothing(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """Files that have nothing, or next to nothing, of the class."""
    if not evidence.shapes:
        return (_all(Kind.EMPTY, "", None, remaining),)
    used = len(evidence.used)
    if 10 * used > len(evidence.shapes) or 10 * len(remaining.missing) < 9 * len(evidence.spec.state):
        return ()
    if not remaining.unexpected or not remaining.missing:
        return ()  # a prefix accounts for them already
    stored = next((name for name in evidence.shapes if name not in evidence.used), None)
    example = template(next(iter(remaining.missing)))
    names = f", {quote(stored)} among them," if stored is not None else ""
    message = (
        f"of {counted(len(evidence.shapes), 'tensor')}{names} {evidence.spec.architecture} uses {used or 'none'}: "
        f"its own begin with {quote(example)}, and the whole model is filled with random numbers"
    )
    # A class of the repository's own may call a part of itself `module`.
    wrapped = "auto_map" not in evidence.config and any(
        all(name.startswith(prefix) for name in evidence.shapes) for prefix in WRAPPERS
    )
    return (_all(Kind.WRAPPER if wrapped else Kind.NOTHING, message, stored, remaining),)


def _all(kind: Kind, message: str, stored: str | None, remaining: Remaining) -> Cause:
    return Cause(
        kind,
        message,
        stored=stored,
        missing=tuple(remaining.missing),
        unexpected=tuple(remaining.unexpected),
        mismatched=tuple(remaining.mismatched),
        failed=tuple(remaining.failed),
        shadowed=tuple(remaining.shadowed),
    )
