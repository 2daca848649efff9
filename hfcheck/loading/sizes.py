"""Numbers of the config that do not fit the tensors: the field, what it says, and what it would have to say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hfcheck.finding import quote
from hfcheck.loading import config_fields
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.spec import Mismatch, Outcome
from hfcheck.loading.templates import grouped
from hfcheck.loading.wording import counted, listed, written

_TRIED = 5
_ASKED = 60
"""Parameters whose dimensions are looked up: one of each template, and a model has fewer."""

_ROUNDS = 3
"""A config of another size of the family differs in more than one field."""

Change = tuple[str, Any]
"""A field, and another value for it."""


def sizes(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """The fewest fields whose change makes the shapes fit, each tried; the labels of a head need no trial."""
    causes = list(_labels(evidence, remaining))
    remaining = remaining.without(causes)
    config, outcome = evidence.config, evidence.outcome
    for _ in range(_ROUNDS):
        wrong = [evidence.mismatches[name] for name in remaining.mismatched]
        best = _best(evidence, config, outcome, wrong) if wrong else None
        if best is None:
            break
        (path, value), outcome = best
        still = {mismatch.name for mismatch in outcome.mismatched} | {failure.target for failure in outcome.failed}
        mended = tuple(name for name in remaining.mismatched if name not in still)
        whole = tuple(name for name in remaining.failed if name not in still)
        if not mended:
            break
        cause = _field(evidence, path, value, mended, whole)
        open_ = set(outcome.missing) | set(outcome.unexpected)
        causes.append(
            replace(
                cause,
                missing=tuple(name for name in remaining.missing if name not in open_),
                unexpected=tuple(name for name in remaining.unexpected if name not in open_),
            )
        )
        remaining = remaining.without(causes[-1:])
        config = config_fields.changed(config, path, value)
    return causes if evidence.what_if is not None else [*causes, *_guessed(evidence, remaining)]


def _best(
    evidence: Evidence, config: Mapping[str, Any], before: Outcome, wrong: Sequence[Mismatch]
) -> tuple[Change, Outcome] | None:
    """The change that leaves the fewest shapes wrong, and the load with it; no other fault may come of it."""
    if evidence.what_if is None:
        return None
    best: tuple[int, Change, Outcome] | None = None
    for change in _candidates(evidence, wrong):
        outcome = evidence.what_if.with_config(config_fields.changed(config, *change), evidence.shapes)
        if outcome is None or _leaves_more(before, outcome):
            continue
        left = len(outcome.mismatched) + len(outcome.failed)
        if left < len(before.mismatched) + len(before.failed) and (best is None or left < best[0]):
            best = left, change, outcome
            if left == 0:
                break
    return best[1:] if best is not None else None


def _leaves_more(before: Outcome, after: Outcome) -> bool:
    """Whether something is wrong that was not: a model with fewer layers has fewer wrong shapes too."""
    if len(after.missing) > len(before.missing) or len(after.unexpected) > len(before.unexpected):
        return True
    wrong = {mismatch.name for mismatch in before.mismatched} | {failure.target for failure in before.failed}
    return not wrong.issuperset(mismatch.name for mismatch in after.mismatched)


def _candidates(evidence: Evidence, wrong: Sequence[Mismatch]) -> list[Change]:
    """Fields and values that would mend a dimension, those first that mend the most templates."""
    votes: Counter[tuple[str, str]] = Counter()
    values: dict[tuple[str, str], Change] = {}
    first = {template: names[0] for template, names in grouped(mismatch.name for mismatch in wrong).items()}
    for name in list(first.values())[:_ASKED]:
        mismatch = evidence.mismatches[name]
        if len(mismatch.stored) != len(mismatch.expected) or evidence.what_if is None:
            continue
        for dimension, (stored, expected) in enumerate(zip(mismatch.stored, mismatch.expected, strict=True)):
            if stored != expected:
                for path, value in evidence.what_if.sizes(name, dimension, stored).items():
                    key = path, repr(value)
                    votes[key] += 1
                    values[key] = path, value
    return [values[key] for key, _ in votes.most_common(_TRIED)]


def _field(evidence: Evidence, path: str, value: object, mended: tuple[str, ...], whole: tuple[str, ...]) -> Cause:
    now = evidence.what_if.value(path) if evidence.what_if is not None else config_fields.get(evidence.config, path)
    kind = _kind(path)
    given = config_fields.has(evidence.config, path)
    said = f"{quote(path)} is {now}{'' if given else ' by default'}"
    example = evidence.mismatches[mended[0]]
    shapes = f"{written(example.stored)} where the model expects {written(example.expected)}"
    if kind is Kind.VOCABULARY:
        verb = "has" if len(mended) == 1 else "have"
        message = f"{said} and {listed(mended)} {verb} {value} rows: {shapes}"
    else:
        first = (
            quote(mended[0]) if len(mended) == 1 else f"{counted(len(mended), 'parameter')}, {quote(mended[0])} first"
        )
        message = f"{said} and the files are those of {value}: {first}, {shapes}"
    return Cause(
        kind,
        message,
        f"Set {path} to {value}, or upload the weights that belong to this config.",
        pointer=config_fields.place(evidence.config, path),
        stored=example.sources[0] if example.sources else None,
        mismatched=mended,
        failed=whole,
    )


def _kind(path: str) -> Kind:
    name = path.rpartition(".")[2]
    if name in {"num_labels", "id2label"}:
        return Kind.LABELS
    if config_fields.VOCABULARY.search(name):
        return Kind.VOCABULARY
    if config_fields.EXPERTS.search(name) and not name.endswith(("per_tok", "size", "per_token")):
        return Kind.EXPERTS
    return Kind.FIELD


def _labels(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """A classifier with other rows than the config has labels."""
    count = config_fields.label_count(evidence.config)
    prefix = evidence.head_prefix
    wrong = [
        evidence.mismatches[name]
        for name in remaining.mismatched
        if prefix and not name.startswith(prefix) and _differ_in_rows(evidence.mismatches[name], count)
    ]
    if not wrong or len({mismatch.stored[0] for mismatch in wrong}) > 1:
        return ()
    field = config_fields.label_field(evidence.config)
    rows = wrong[0].stored[0]
    said = f"{quote(field)} says {count}" if field is not None else f"the config names none, which means {count}"
    names = tuple(mismatch.name for mismatch in wrong)
    verb = "has" if len(names) == 1 else "have"
    return (
        Cause(
            Kind.LABELS,
            f"{listed(names)} {verb} {counted(rows, 'row')}, one for each label, and {said}",
            f"Give the config the {rows} labels that the head was trained for, in id2label and label2id.",
            pointer=config_fields.place(evidence.config, field),
            stored=wrong[0].sources[0] if wrong[0].sources else None,
            mismatched=names,
        ),
    )


def _differ_in_rows(mismatch: Mismatch, count: int) -> bool:
    stored, expected = mismatch.stored, mismatch.expected
    return len(stored) == len(expected) > 0 and expected[0] == count != stored[0] > 0 and stored[1:] == expected[1:]


def _guessed(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """Without the formulas: the one field that says what is expected of every dimension that differs."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name in remaining.mismatched:
        mismatch = evidence.mismatches[name]
        different = {pair for pair in zip(mismatch.stored, mismatch.expected, strict=False) if pair[0] != pair[1]}
        if len(mismatch.stored) == len(mismatch.expected) and len(different) == 1:
            groups.setdefault(different.pop(), []).append(name)
    right = (
        name for name in evidence.outcome.sources if name not in evidence.mismatches and name in evidence.spec.state
    )
    fitting = {size for name in right for size in evidence.spec.state[name]}
    causes = []
    for (stored, expected), names in groups.items():
        numbers = [(path, value) for path, value in config_fields.walk(evidence.config) if type(value) is int]
        fields = [path for path, value in numbers if value == expected]
        if stored > 1 and len(fields) == 1 and expected not in fitting:
            causes.append(_field(evidence, fields[0], stored, tuple(names), ()))
    return causes
