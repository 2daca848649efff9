"""Whole layers that are missing or too many: modules of one list of the class, `model.layers.` or `encoder.block.`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hfcheck.finding import quote
from hfcheck.loading import config_fields
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.templates import span
from hfcheck.loading.wording import counted

_INDEX = re.compile(r"(?<=\.)([0-9]{1,9})\.")
_DEPTH = 3
"""Lists within lists: Swin has blocks in stages, and a mixture of experts has experts in layers."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """A list of modules: the indices that the class has, those that were not found, and those it does not know."""

    prefix: str
    expected: tuple[int, ...]
    lost: tuple[int, ...]
    beyond: tuple[int, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def layers(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for each list with modules missing or too many, the outer lists first."""
    causes: list[Cause] = []
    for depth in range(_DEPTH):
        found = [_cause(evidence, stack) for stack in _stacks(evidence, remaining, depth)]
        causes += found
        remaining = remaining.without(found)
        if not remaining.missing and not remaining.unexpected:
            break
    return causes


def _stacks(evidence: Evidence, remaining: Remaining, depth: int) -> list[_Stack]:
    missing = _by_module(remaining.missing, depth)
    unexpected = _by_module(remaining.unexpected, depth)
    touched = {prefix for prefix, _ in (*missing, *unexpected)}
    if not touched:
        return []
    whole = {module: len(names) for module, names in _by_module(evidence.spec.state, depth).items()}
    expected: dict[str, set[int]] = {}
    for prefix, index in whole:
        if prefix in touched:
            expected.setdefault(prefix, set()).add(index)
    strange: dict[str, set[int]] = {}
    for prefix, index in unexpected:
        if index not in expected.get(prefix, ()):
            strange.setdefault(prefix, set()).add(index)
    stacks = []
    for prefix, indices in expected.items():
        # A tied or computed parameter of a layer may be there without a tensor: most of a layer is all of it.
        lost = {index for index in indices if 2 * len(missing.get((prefix, index), ())) > whole[prefix, index]}
        beyond = strange.get(prefix, set())
        if (lost or beyond) and len(lost) < len(indices):
            stacks.append(
                _Stack(
                    prefix,
                    tuple(sorted(indices)),
                    tuple(sorted(lost)),
                    tuple(sorted(beyond)),
                    tuple(name for index in sorted(lost) for name in missing[prefix, index]),
                    tuple(name for index in sorted(beyond) for name in unexpected[prefix, index]),
                )
            )
    return stacks


def _by_module(names: Iterable[str], depth: int) -> dict[tuple[str, int], list[str]]:
    """The names by the list and the index that they have at this depth: `("model.layers.", 3)`."""
    modules: dict[tuple[str, int], list[str]] = {}
    for name in names:
        at = _nth(name, depth)
        if at is not None:
            modules.setdefault((name[: at.start(1)], int(at.group(1))), []).append(name)
    return modules


def _nth(name: str, depth: int) -> re.Match[str] | None:
    at = _INDEX.search(name)
    for _ in range(depth):
        at = _INDEX.search(name, at.end()) if at is not None else None
    return at


def _cause(evidence: Evidence, stack: _Stack) -> Cause:
    kept = sorted(set(stack.expected) - set(stack.lost))
    if stack.lost and (stack.beyond or kept[-1] > stack.lost[0]):
        return _gap(stack)
    count, held = len(stack.expected), len(kept) + len(stack.beyond)
    field = _field(evidence, stack.prefix, count)
    where = config_fields.place(evidence.config, field)
    by_default = "" if where is not None else " by default"
    said = (
        f"{quote(field)} is {count}{by_default}" if field is not None else f"{evidence.spec.architecture} has {count}"
    )
    noun = "expert" if "expert" in stack.prefix else "layer"
    remedy = f"set {field} to {held}" if field is not None else "declare the number that was saved"
    if not stack.lost:
        return Cause(
            Kind.LAYERS_UNUSED,
            f"{said} and the files hold {held} of {quote(stack.prefix)}: {counted(len(stack.unexpected), 'tensor')} "
            f"of {_those(noun, stack.beyond)} {_is(stack.unexpected)} not used",
            f"If they belong to the model, {remedy}; if not, take the tensors out.",
            pointer=where,
            stored=next(iter(evidence.stored(stack.unexpected)), None),
            unexpected=stack.unexpected,
        )
    return Cause(
        Kind.EXPERTS if noun == "expert" else Kind.LAYERS,
        f"{said} and the files hold {held} of {quote(stack.prefix)}: {counted(len(stack.missing), 'parameter')} "
        f"of {_those(noun, stack.lost)} {_is(stack.missing)} filled with random numbers",
        f"Save the model with all its {noun}s, or {remedy}.",
        pointer=where,
        absent=stack.missing[0],
        missing=stack.missing,
    )


def _gap(stack: _Stack) -> Cause:
    more = f", and {span(stack.beyond)} is there, which the model does not have" if stack.beyond else ""
    return Cause(
        Kind.GAP,
        f"the files lack {span(stack.lost)} of the {len(stack.expected)} {quote(stack.prefix)}{more}: "
        f"{counted(len(stack.missing), 'parameter')} {_is(stack.missing)} filled with random numbers",
        "Save the model with all its layers, or number those that are there from 0 without a gap.",
        absent=stack.missing[0],
        missing=stack.missing,
        unexpected=stack.unexpected,
    )


def _those(noun: str, indices: Sequence[int]) -> str:
    return f"{noun} {indices[0]}" if len(indices) == 1 else f"{noun}s {span(indices)}"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _field(evidence: Evidence, prefix: str, count: int) -> str | None:
    """The field that says how many modules there are, if one does by itself."""
    what_if = evidence.what_if
    if what_if is not None:
        fields = [field for field in what_if.counts(prefix) if what_if.value(field) == count]
        if fields:
            return fields[0]
    words = config_fields.EXPERTS if "expert" in prefix else config_fields.LAYERS
    return config_fields.by_value(evidence.config, count, words, near=prefix)
