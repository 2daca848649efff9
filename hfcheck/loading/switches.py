"""Switches of the config that do not fit the tensors: `attention_bias` is true, and there are no biases."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hfcheck.finding import quote
from hfcheck.loading import config_fields
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.templates import grouped
from hfcheck.loading.wording import counted, is_or_are, listed

_ASKED = 60
_TRIED = 4


def switches(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """The one switch that, turned, leaves the least unexplained, if it leaves nothing new."""
    if evidence.what_if is None or not (remaining.missing or remaining.unexpected):
        return ()
    before = set(evidence.outcome.missing) | set(evidence.outcome.unexpected)
    best: Cause | None = None
    for path, value in _candidates(evidence, remaining):
        outcome = evidence.what_if.with_config(config_fields.changed(evidence.config, path, value), evidence.shapes)
        if outcome is None or len(outcome.mismatched) > len(evidence.outcome.mismatched):
            continue
        still = set(outcome.missing) | set(outcome.unexpected)
        if still - before or len(outcome.failed) > len(evidence.outcome.failed):
            continue
        if evidence.outcome.sources.keys() - outcome.sources.keys():
            continue  # it takes away what is there, too: a part of a module is missing, not the module
        missing = tuple(name for name in remaining.missing if name not in still)
        unexpected = tuple(name for name in remaining.unexpected if name not in still)
        if best is None or len(missing) + len(unexpected) > len(best.missing) + len(best.unexpected):
            best = _cause(evidence, (path, value), missing, unexpected)
    return (best,) if best is not None and (best.missing or best.unexpected) else ()


def _candidates(evidence: Evidence, remaining: Remaining) -> list[tuple[str, bool]]:
    """The switches that decide about the most templates, each with the value that it does not have."""
    if evidence.what_if is None:
        return []
    votes: Counter[str] = Counter()
    for names in (*grouped(remaining.missing).values(), *grouped(remaining.unexpected).values()):
        if len(votes) < _ASKED:
            votes.update(evidence.what_if.switches(names[0]))
    values: Mapping[str, Any] = {path: evidence.what_if.value(path) for path in votes}
    turned = [(path, not values[path]) for path, _ in votes.most_common() if type(values[path]) is bool]
    return turned[:_TRIED]


def _cause(
    evidence: Evidence, change: tuple[str, bool], missing: tuple[str, ...], unexpected: tuple[str, ...]
) -> Cause:
    path, value = change
    by_default = "" if config_fields.has(evidence.config, path) else " by default"
    said = f"{quote(path)} is {str(not value).lower()}{by_default}"
    stored = evidence.stored(unexpected)
    told = []
    if missing:
        told.append(
            f"the files lack {listed(missing)}: {counted(len(missing), 'parameter')} filled with random numbers"
        )
    if stored:
        told.append(f"{listed(stored)} {is_or_are(stored)} not used")
    return Cause(
        Kind.SWITCH,
        f"{said} and {', and '.join(told)}",
        _remedy(evidence, path, value=value),
        pointer=config_fields.place(evidence.config, path),
        stored=next(iter(stored), None),
        absent=next(iter(missing), None),
        missing=missing,
        unexpected=unexpected,
    )


def _remedy(evidence: Evidence, path: str, *, value: bool) -> str | None:
    if evidence.what_if is None or not evidence.what_if.is_declared(path):
        return None  # the class works it out from other fields, and nobody writes it into a config
    return f"Set {path} to {str(value).lower()} if the model was trained so; else upload the weights of this config."
