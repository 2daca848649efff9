"""Single tensors of another shape than the parameter: placeholders, transposed matrices, other dimensions."""

from collections.abc import Callable, Sequence
from math import prod

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.spec import Mismatch
from hfcheck.loading.templates import grouped
from hfcheck.loading.wording import counted, listed, written

_MATRIX = 2

_MOST = 3
"""Templates with one kind of fault that are told each by itself."""


def placeholders(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for all tensors of which only a placeholder was saved."""
    wrong = [evidence.mismatches[name] for name in remaining.mismatched]
    left = {mismatch.stored for mismatch in wrong if _is_placeholder(mismatch)}
    # A vector of one element may be right by itself: beside a matrix that shrank to one it is a placeholder.
    empty = [mismatch for mismatch in wrong if mismatch.stored in left]
    return [_placeholders(evidence, empty)] if empty else []


def shapes(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for each template of the mismatches that are left."""
    causes: list[Cause] = []
    rest = [evidence.mismatches[name] for name in remaining.mismatched]
    for kind, test in _TESTS:
        chosen = {mismatch.name: mismatch for mismatch in rest if test(mismatch)}
        rest = [mismatch for mismatch in rest if mismatch.name not in chosen]
        groups = list(grouped(chosen).values())
        if len(groups) > _MOST:  # this many faults are one: the weights are those of another model
            groups = [list(chosen)]
        causes += [_cause(kind, [chosen[name] for name in names]) for names in groups]
    return causes


def _is_placeholder(mismatch: Mismatch) -> bool:
    """What ZeRO-3 and FSDP leave of a parameter: no element, or a single one in the place of a matrix."""
    if 0 in mismatch.stored:
        return 0 not in mismatch.expected
    return mismatch.stored == (1,) and len(mismatch.expected) >= _MATRIX


def _is_transposed(mismatch: Mismatch) -> bool:
    return len(mismatch.stored) == _MATRIX and mismatch.stored == mismatch.expected[::-1]


def _has_other_dimensions(mismatch: Mismatch) -> bool:
    return len(mismatch.stored) != len(mismatch.expected) and prod(mismatch.stored) == prod(mismatch.expected)


_TESTS: tuple[tuple[Kind, Callable[[Mismatch], bool]], ...] = (
    (Kind.TRANSPOSED, _is_transposed),
    (Kind.DIMENSIONS, _has_other_dimensions),
    (Kind.SHAPE, lambda _: True),
)
_HINTS = {
    Kind.TRANSPOSED: "Transpose the tensor: a Linear of torch stores rows for what comes out.",
    Kind.DIMENSIONS: "Save the tensor in the shape that the model has.",
    Kind.SHAPE: "Upload the tensor of this model: no number of the config explains its shape.",
}


def _placeholders(evidence: Evidence, wrong: Sequence[Mismatch]) -> Cause:
    names = tuple(mismatch.name for mismatch in wrong)
    first = wrong[0]
    return Cause(
        Kind.PLACEHOLDER,
        f"{counted(len(names), 'tensor')} of {len(evidence.shapes)}, {quote(names[0])} first, "
        f"{'is a placeholder' if len(names) == 1 else 'are placeholders'} of shape {written(first.stored)} where the "
        f"model expects {written(first.expected)}",
        stored=first.sources[0] if first.sources else None,
        mismatched=names,
    )


def _cause(kind: Kind, wrong: Sequence[Mismatch]) -> Cause:
    names = tuple(mismatch.name for mismatch in wrong)
    first = wrong[0]
    found = {
        Kind.TRANSPOSED: "transposed, ",
        Kind.DIMENSIONS: "the same numbers in other dimensions, ",
        Kind.SHAPE: "",
    }[kind]
    verb = "is" if len(names) == 1 else "are"
    alike = len({(mismatch.stored, mismatch.expected) for mismatch in wrong}) == 1
    shape = f"{written(first.stored)} where the model expects {written(first.expected)}"
    told = f"{verb} {found}{shape}" if alike else f"do not fit: {found}the first is {shape}"
    return Cause(
        kind,
        f"{listed(names)} {told}",
        _HINTS[kind],
        stored=first.sources[0] if first.sources else None,
        absent=first.name,
        mismatched=names,
    )
