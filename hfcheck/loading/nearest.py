"""Names that were changed: a tensor nobody asks for, and a parameter of the same shape and nearly the same name."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.spec import Shape
from hfcheck.loading.templates import grouped, indices, shown, template
from hfcheck.loading.wording import is_or_are, listed

_ALIKE = 0.7
"""The part of the longer name that both have in common, at the start and at the end."""

_COMPARED = 50_000
"""Pairs of templates: a tenth of a second. A file of made-up names has more, and is told as a whole."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Unexpected names and the parameters that they may be meant for, of one template each.

    `word` is what stands in the names, and what should.
    """

    unexpected: list[str]
    parameters: list[str]
    word: tuple[str, str]


def nearest(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for each word that was changed, with all templates that have it."""
    by_word: dict[tuple[str, str], list[_Pair]] = {}
    for pair in _pairs(evidence, remaining):
        by_word.setdefault(pair.word, []).append(pair)
    return [_cause(evidence, pairs) for pairs in by_word.values()]


def _pairs(evidence: Evidence, remaining: Remaining) -> list[_Pair]:
    unexpected = _single(evidence, remaining.unexpected)
    stored, wanted = grouped(unexpected), grouped(remaining.missing)
    on_disk = _on_disk(evidence, wanted)
    by_shape: dict[tuple[Shape, int], list[str]] = {}
    for pattern, names in wanted.items():
        by_shape.setdefault((evidence.spec.state[names[0]], pattern.count("{}")), []).append(pattern)
    in_file = {pattern: template(evidence.stored(names[:1])[0]) for pattern, names in stored.items()}
    scored: list[tuple[float, str, str, tuple[str, str]]] = []
    compared = 0
    for pattern, names in stored.items():
        candidates = by_shape.get((unexpected[names[0]], pattern.count("{}")), [])
        compared += len(candidates)
        if compared > _COMPARED:
            break
        for other in candidates:
            spellings = [(one, meant) for one in (pattern, in_file[pattern]) for meant in on_disk[other]]
            score, word = max((_likeness(*pair), _changed(*pair)) for pair in spellings)
            if score >= _ALIKE:
                scored.append((-score, pattern, other, word))
    pairs: list[_Pair] = []
    for _, pattern, other, word in sorted(scored):  # the likest first, and each template once
        if pattern in stored and other in wanted and _same_indices(stored[pattern], wanted[other]):
            pairs.append(_Pair(stored.pop(pattern), wanted.pop(other), word))
    return pairs


def _single(evidence: Evidence, unexpected: Iterable[str]) -> dict[str, Shape]:
    """Unexpected names that stand for one stored tensor each, with its shape."""
    found = {name: evidence.stored((name,)) for name in unexpected}
    return {name: evidence.shapes[stored[0]] for name, stored in found.items() if len(stored) == 1}


def _on_disk(evidence: Evidence, wanted: Collection[str]) -> dict[str, set[str]]:
    """Templates that a parameter may have in a file: its own, without the prefix, and as its neighbours are stored."""
    prefix = f"{evidence.spec.base_prefix}."
    spellings = {pattern: {pattern, pattern.removeprefix(prefix)} for pattern in wanted}
    for name, stored in evidence.outcome.sources.items():
        if len(stored) == 1 and name != stored[0] and (known := spellings.get(template(name))) is not None:
            known.add(template(stored[0]))
    return spellings


def _likeness(one: str, other: str) -> float:
    start = _shared(one, other)
    end = _shared(one[start:][::-1], other[start:][::-1])
    return (start + end) / max(len(one), len(other))


def _shared(one: str, other: str) -> int:
    """Characters at the start that two texts have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (char, match) in pairs if char != match), min(len(one), len(other)))


def _same_indices(stored: Iterable[str], meant: Iterable[str]) -> bool:
    return {indices(name) for name in stored} <= {indices(name) for name in meant}


def _changed(stored: str, meant: str) -> tuple[str, str]:
    """The components in which two templates differ, without those before and behind that they share."""
    one, other = stored.split("."), meant.split(".")
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return ".".join(one[start : len(one) - end]), ".".join(other[start : len(other) - end])


def _cause(evidence: Evidence, pairs: Sequence[_Pair]) -> Cause:
    written, needed = pairs[0].word
    remedy = f"; did you mean {quote(needed)}?" if needed else f"; is {quote(written)} too much?"
    others = f", and {len(pairs) - 1} more such names" if len(pairs) > 1 else ""
    missing = [_filled(pair) for pair in pairs]
    stored = evidence.stored(pairs[0].unexpected)
    return Cause(
        Kind.RENAMED,
        f"{listed(stored)} {is_or_are(stored)} not used and {quote(shown(missing[0]))} {is_or_are(missing[0])} filled "
        f"with random numbers{others}{remedy}",
        stored=stored[0],
        missing=tuple(name for names in missing for name in names),
        unexpected=tuple(name for pair in pairs for name in pair.unexpected),
    )


def _filled(pair: _Pair) -> list[str]:
    """The parameters in the places of the names that are there: one layer may have the word, and another not."""
    places = {indices(name) for name in pair.unexpected}
    return [name for name in pair.parameters if indices(name) in places]
