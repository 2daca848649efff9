"""Experts of a mixture that the loader puts together from single tensors, and of which a part is not there."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.conversions import transforms
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.spec import Failure, Shape
from hfcheck.loading.templates import grouped, indices, shown, template
from hfcheck.loading.wording import counted, is_or_are, listed, written

_PLAIN = re.compile(r"[\w.*]+")
"""A pattern that is a name but for its numbers."""


@dataclass(frozen=True, slots=True)
class _Lack:
    """A parameter that needs stored tensors which are not there, and those that came near them by name."""

    target: str
    absent: tuple[str, ...]


def experts(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for all experts with a part missing, one for each other reason why a conversion fails."""
    if not remaining.failed and not remaining.mismatched:
        return ()
    lacks: list[_Lack] = []
    for target in remaining.failed:
        lacks += _lack(evidence, target, evidence.failures[target].sources)
    for target in remaining.mismatched:
        lacks += _lack(evidence, target, evidence.mismatches[target].sources)
    causes = [_parts(evidence, remaining, lacks)] if lacks else []
    left = remaining.without(causes)
    by_reason: dict[tuple[str, str], list[str]] = {}
    for target in left.failed:
        by_reason.setdefault((template(target), evidence.failures[target].reason), []).append(target)
    return [*causes, *(_failed(evidence, left, names) for names in by_reason.values())]


def _lack(evidence: Evidence, target: str, sources: Sequence[str]) -> Sequence[_Lack]:
    """The stored names that a stack of experts needs, by the names and the numbers of those that are there."""
    stack = _stack(evidence, sources[0]) if sources else None
    count = next(iter(evidence.spec.state.get(target, ())), 0)
    parts: dict[tuple[str, tuple[int, ...]], set[int]] = {}
    shapes: dict[str, set[Shape]] = {}
    for name in sources if stack is not None else ():
        numbers = indices(name)
        if not numbers or numbers[-1] >= count:
            return ()
        parts.setdefault((template(name), numbers[:-1]), set()).add(numbers[-1])
        shapes.setdefault(template(name), set()).add(evidence.shapes.get(name, ()))
    if stack is None or any(len(alike) > 1 for alike in shapes.values()):
        return ()  # stacked tensors of two shapes: nothing is missing, one is wrong
    for pattern in stack.patterns:
        plain = pattern.replace("\\.", ".").strip("^$")
        if _PLAIN.fullmatch(plain) and not any(_match(pattern, name) for name in sources):
            parts.setdefault((template(stack.prefix) + plain.replace("*", "{}"), indices(sources[0])[:-1]), set())
    absent = tuple(
        _filled(pattern, (*outer, index))
        for (pattern, outer), there in sorted(parts.items())
        for index in range(count)
        if index not in there
    )
    return (_Lack(target, absent),) if absent else ()


@dataclass(frozen=True, slots=True)
class _Stack:
    """A converter that stacks experts: the patterns of its parts, and what stands before them in a stored name."""

    patterns: tuple[str, ...]
    prefix: str


def _stack(evidence: Evidence, name: str) -> _Stack | None:
    """The converter that takes a stored name, if it takes one tensor for each expert: `experts.*.up_proj.weight`."""
    for scoped in transforms(evidence.spec):
        patterns = scoped.transform.sources if scoped.transform.operations else ()
        for pattern in patterns:
            found = _match(pattern, name)
            if found is not None:
                return _Stack(patterns, name[: found.start()]) if "*." in pattern else None
    return None


def _match(pattern: str, name: str) -> re.Match[str] | None:
    return re.search(pattern.replace("*.", r".*\."), name)


def _filled(pattern: str, numbers: Iterable[int]) -> str:
    for number in numbers:
        pattern = pattern.replace("{}", str(number), 1)
    return pattern


def _parts(evidence: Evidence, remaining: Remaining, lacks: Sequence[_Lack]) -> Cause:
    absent = tuple(dict.fromkeys(name for lack in lacks for name in lack.absent))
    targets = {lack.target for lack in lacks}
    misspelt = _misspelt(evidence, remaining, absent)
    stored = evidence.stored(misspelt)
    meant = f"; did {quote(shown(next(iter(grouped(stored).values()))))} get another name?" if stored else ""
    return Cause(
        Kind.EXPERT_PART,
        f"{listed(absent)} {'is' if len(absent) == 1 else 'are'} not in the files, and without "
        f"{'it' if len(absent) == 1 else 'them'} the experts of {counted(len(targets), 'parameter')} cannot be put "
        f"together{meant}",
        stored=stored[0] if stored else None,
        absent=absent[0],
        missing=tuple(name for name in remaining.missing if name in targets),
        unexpected=misspelt,
        mismatched=tuple(name for name in remaining.mismatched if name in targets),
        failed=tuple(name for name in remaining.failed if name in targets),
    )


def _misspelt(evidence: Evidence, remaining: Remaining, absent: Sequence[str]) -> tuple[str, ...]:
    """Names of tensors that nobody uses, in the place of those that are missing: the same numbers, another word."""
    wanted = {(indices(name), name.count(".")) for name in absent}
    found: list[str] = []
    for name in remaining.unexpected:
        stored = evidence.stored((name,))
        if stored and all((indices(one), one.count(".")) in wanted for one in stored):
            found.append(name)
    return tuple(found)


def _failed(evidence: Evidence, remaining: Remaining, targets: Sequence[str]) -> Cause:
    failure = evidence.failures[targets[0]]
    odd = _odd(evidence, failure)
    what = f"{listed(targets)} cannot be put together from the files: {odd or failure.reason}"
    if not targets[0]:
        what = f"the model cannot tie its parameters: {failure.reason}"
    first = next(iter(failure.sources), None)
    return Cause(
        Kind.CONVERSION,
        what,
        stored=first,
        absent=targets[0] or None,
        missing=tuple(name for name in targets if name in remaining.missing),
        failed=tuple(targets),
    )


def _odd(evidence: Evidence, failure: Failure) -> str:
    """The stored tensors that spoil it, where they can be told from the others."""
    alike = grouped(failure.sources)
    most = min(map(len, alike.values()), default=0)
    more = [name for names in alike.values() if len(names) > most for name in names[most:]]
    if more:
        return f"{listed(more)} {is_or_are(more)} more than there are of the other parts"
    for names in alike.values():
        shapes = Counter(evidence.shapes[name] for name in names if name in evidence.shapes)
        (usual, _), *others = shapes.most_common() or [((), 0)]
        if others:
            wrong = [name for name in names if evidence.shapes.get(name) != usual]
            shape = written(evidence.shapes[wrong[0]])
            return f"{listed(wrong)} {is_or_are(wrong)} {shape} where the others are {written(usual)}"
    return ""
