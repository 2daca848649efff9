"""Tied parameters: those that are missing together, and those that are stored twice."""

from collections.abc import Sequence
from dataclasses import replace

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.wording import counted, is_or_are


def stored_twice(evidence: Evidence) -> Sequence[Cause]:
    """One cause for all parameters that are tied to another and have a tensor of their own beside its."""
    sources = evidence.outcome.sources
    twice = [
        (target, source)
        for target, source in evidence.tied.items()
        if target in sources
        and source in sources
        and set(sources[target]).isdisjoint(sources[source])
        and not evidence.are_one(sources[target][0], sources[source][0])
    ]
    if not twice:
        return ()
    target, source = twice[0]
    stored, other = sources[target][0], sources[source][0]
    more = f", and so {is_or_are(twice[1:])} {counted(len(twice) - 1, 'other pair')}" if len(twice) > 1 else ""
    message = f"{quote(stored)} is stored although it is tied to {quote(other)}{more}: if they differ, readers do too"
    return (Cause(Kind.STORED_TWICE, message, stored=stored),)


def with_tied(evidence: Evidence, remaining: Remaining, causes: Sequence[Cause]) -> Sequence[Cause]:
    """The causes, each with the missing parameters that are tied to one of its own."""
    if not evidence.tied or not causes:
        return causes
    taken = {name for cause in causes for name in cause.missing}
    group = {name: evidence.tied.get(name, name) for name in remaining.missing}
    found: list[Cause] = []
    for cause in causes:
        sources = {group[name] for name in cause.missing if name in group}
        partners = tuple(name for name, source in group.items() if source in sources and name not in taken)
        taken.update(partners)
        found.append(replace(cause, missing=cause.missing + partners) if partners else cause)
    return found
