"""Another module before the names: a wrapper that was saved along, a prefix too many or too few.

What stands before the names in the files and in the class is put to the vote, and the winner is tried: the tensors are
renamed and the load is judged again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.spec import Outcome, Shape
from hfcheck.loading.templates import grouped, template
from hfcheck.loading.wording import counted

WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "base_model.model.")
"""DataParallel and DDP, torch.compile, FSDP, activation checkpointing, peft."""

WITHIN = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Wrappers of torch that no model calls a part of itself."""

TOWERS = ("language_model.", "text_model.", "vision_model.")
"""Parts of a composite model whose name a save through a class of their own writes twice.

Not `vision_tower.`: the first LLaVA checkpoints have it twice by right, and not `model.` or `encoder.`.
"""

_DEPTH = 6
"""Components before a name that can be a prefix: `base_model.model.model.language_model.model.` has five."""

_ALIKE = 8
"""Parameters with the same end that one tensor votes for; in a large model hundreds end in `.norm.weight`."""

_TRIED = 3
_ROUNDS = 3
"""A composite model can have another prefix before each of its towers."""


def prefixes(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """The prefixes that, exchanged for others, bring most of the missing parameters back."""
    if not remaining.missing or not remaining.unexpected:
        return ()
    causes = list(_within(evidence, remaining))
    remaining = remaining.without(causes)
    shapes, outcome = evidence.shapes, evidence.outcome
    for _ in range(_ROUNDS):
        if not remaining.missing or not remaining.unexpected:
            break
        used = _used(outcome)
        unused = [name for name in shapes if name not in used]
        best = _best(evidence, shapes, unused, list(remaining.missing))
        if best is None:
            break
        renamed = _renamed(shapes, unused, *best)
        after = evidence.trial(renamed)
        if after is None:
            break
        cause = _cause(evidence, remaining, best, after, [name for name in unused if name.startswith(best[0])])
        if len(cause.missing) == 0:
            break
        causes.append(cause)
        remaining = remaining.without((cause,))
        shapes, outcome = renamed, after
    return causes


def _within(evidence: Evidence, remaining: Remaining) -> Iterator[Cause]:
    """Wrappers of torch in the middle of names, around each layer: they are taken out and the load is tried."""
    for part in WITHIN:
        names = [name for name in evidence.shapes if f".{part}" in name]
        after = (
            evidence.trial({name.replace(part, ""): shape for name, shape in evidence.shapes.items()})
            if names
            else None
        )
        missing = tuple(_without(remaining.missing, after.missing)) if after is not None else ()
        if after is not None and missing:
            message = (
                f"{quote(part)} of a wrapper is in the names of {counted(len(names), 'tensor')}, which leaves "
                f"{counted(len(missing), 'parameter')} of {evidence.spec.architecture} filled with random numbers"
            )
            yield _consumed(Cause(Kind.WRAPPER, message, stored=names[0]), remaining, after)
            return


def _consumed(cause: Cause, remaining: Remaining, after: Outcome) -> Cause:
    """A cause with all names that are no longer in the outcome once it is removed."""
    return replace(
        cause,
        missing=tuple(_without(remaining.missing, after.missing)),
        unexpected=tuple(_without(remaining.unexpected, after.unexpected)),
        mismatched=tuple(_without(remaining.mismatched, (mismatch.name for mismatch in after.mismatched))),
        failed=tuple(_without(remaining.failed, (failure.target for failure in after.failed))),
    )


def _used(outcome: Outcome) -> frozenset[str]:
    gone = frozenset(outcome.unexpected)
    return frozenset(stored for name, names in outcome.sources.items() if name not in gone for stored in names)


def _best(
    evidence: Evidence, shapes: Mapping[str, Shape], unused: Sequence[str], missing: Sequence[str]
) -> tuple[str, str] | None:
    """What stands before the names and what should, as far as a trial with one tensor of each template confirms it."""
    sample = _sample(shapes)
    before = evidence.trial(sample)
    if before is None:
        return None
    rest = grouped(name for name in unused if name in sample)
    scores: list[tuple[int, int, str, str]] = []
    for order, ((old, new), votes) in enumerate(_candidates(unused, missing).items()):
        if new and ("pooler." in old) != ("pooler." in new):
            continue  # any head of BERT has a `dense` too
        candidates = [name for names in rest.values() for name in names if name.startswith(old)]
        after = evidence.trial(_renamed(sample, candidates, old, new))
        if after is None:
            continue
        gained = len(set(before.missing) - set(after.missing))
        taken = len(before.unexpected) - len(after.unexpected)
        # A prefix is that of a whole module: what happens to end like a parameter elsewhere is not meant.
        if gained > 1 and 2 * gained >= votes and 10 * taken >= 8 * min(len(candidates), len(before.unexpected)):
            scores.append((-gained, order, old, new))
    if not scores:
        return None
    _, _, old, new = min(scores)
    return old, new


def _candidates(unused: Sequence[str], missing: Sequence[str]) -> dict[tuple[str, str], int]:
    """Pairs to try, the simplest first, each with its votes.

    A name on disk is not always that in the model: what is voted for with another prefix may need none.
    """
    voted = _votes(grouped(unused), grouped(missing)).most_common(_TRIED)
    wrapped = [prefix for prefix in WRAPPERS if 2 * sum(name.startswith(prefix) for name in unused) > len(unused)]
    found = {(prefix, ""): 0 for prefix in wrapped}
    for (old, new), votes in voted:
        if old:
            found.setdefault((old, ""), votes)
        found[old, new] = votes
    return found


def _sample(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """One tensor of each template: the first of the file."""
    seen: dict[str, str] = {}
    for name in shapes:
        seen.setdefault(template(name), name)
    return {name: shapes[name] for name in seen.values()}


def _votes(unused: Mapping[str, list[str]], missing: Mapping[str, list[str]]) -> Counter[tuple[str, str]]:
    """Pairs of prefixes, each with the number of templates that it would lead from the files to the class."""
    wanted: dict[str, list[str]] = {}
    for name in missing:
        for start, rest in _cuts(name):
            if len(starts := wanted.setdefault(rest, [])) < _ALIKE:
                starts.append(start)
    votes: Counter[tuple[str, str]] = Counter()
    for name in unused:
        found = next(((start, rest) for start, rest in _cuts(name) if rest in wanted), None)
        if found is not None:
            votes.update((found[0], start) for start in wanted[found[1]] if start != found[0])
    return votes


def _cuts(name: str) -> Iterator[tuple[str, str]]:
    """A template in two, at each dot from the left: the longest rest first. A rest has two components or more."""
    yield "", name
    at = -1
    for _ in range(_DEPTH):
        at = name.find(".", at + 1)
        if at < 0 or "." not in name[at + 1 :] or "{}" in name[:at]:
            return
        yield name[: at + 1], name[at + 1 :]


def _renamed(shapes: Mapping[str, Shape], names: Sequence[str], old: str, new: str) -> dict[str, Shape]:
    chosen = {name for name in names if name.startswith(old)}
    return {new + name[len(old) :] if name in chosen else name: shape for name, shape in shapes.items()}


def _cause(
    evidence: Evidence, remaining: Remaining, pair: tuple[str, str], after: Outcome, renamed: Sequence[str]
) -> Cause:
    old, new = pair
    missing = tuple(_without(remaining.missing, after.missing))
    whole = len(renamed) == len(evidence.shapes)
    who = f"all {len(renamed):,} tensors" if whole and len(renamed) > 1 else counted(len(renamed), "tensor")
    lost = f"{counted(len(missing), 'parameter')} of {evidence.spec.architecture} filled with random numbers"
    found = Cause(Kind.PREFIX, f"{_said(old, new, who)}, which leaves {lost}", stored=renamed[0])
    cause = _consumed(found, remaining, after)
    if old in WRAPPERS and not new:
        return replace(cause, kind=Kind.WRAPPER)
    twice = any(f".{tower}{tower}" in f".{renamed[0]}" for tower in TOWERS)
    return replace(cause, kind=Kind.REPEATED) if twice else cause


def _said(old: str, new: str, who: str) -> str:
    if not new:
        return f"{quote(old)} stands before the names of {who}, and no parameter begins so"
    if not old:
        return f"the names of {who} lack {quote(new)} in front"
    return f"the names of {who} begin with {quote(old)} and not with {quote(new)}"


def _without(names: Iterable[str], gone: Iterable[str]) -> Iterator[str]:
    taken = set(gone)
    return (name for name in names if name not in taken)
