"""What the operations of a converter make of tensors, on shapes alone.

`ConversionOps` and `WeightConverter.convert` of
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/core_model_loading.py . Upstream takes any
exception of an operation, one of torch too, as a conversion error that stops the load: here it is `Fails`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from hfcheck.loading.conversions import Operation, Transform, Unmodelled
from hfcheck.loading.spec import Shape

Tensors = dict[str, Shape | list[Shape]]
"""By pattern: a list as long as nothing has put it together, as upstream tells tensors and lists of them apart."""

TAKE_FIRST = frozenset({"Chunk", "Interleave", "Split", "Transpose"})
"""Operations that look at the first tensor of a list only."""


class Fails(ValueError):
    """The load stops with a conversion error; the text says why, as a phrase after "they cannot be converted: "."""


Heads = Callable[[str | None], int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversion happens: the parameter that it was started for, and what the model says about shapes.

    `heads` gives the number of attention heads of a sub-config, for None of the config itself.
    """

    target: str
    state: Mapping[str, Shape]
    heads: Heads


def convert(transform: Transform, collected: Mapping[str, Sequence[Shape]], place: Place) -> dict[str, Shape]:
    """The shapes of the parameters that come out, by full name; `collected` has the stored tensors by source pattern.

    Raises `Fails` or `Unmodelled`.
    """
    tensors: Tensors = {pattern: list(shapes) for pattern, shapes in collected.items()}
    for operation in transform.operations:
        run = _OPERATIONS.get(operation.name)
        if run is None:
            raise Unmodelled(f"the operation {operation.name} of a conversion is not known")
        tensors = run(operation, transform, tensors, place)
    return {name: _first(value) for name, value in _named(tensors, place.target).items()}


def _named(tensors: Tensors, target: str) -> Tensors:
    """Results are named by pattern: the first that is part of the full name tells what is before and behind all."""
    full = target.replace("*.", "0.")
    for pattern in tensors:
        if pattern in full:
            before, _, behind = full.partition(pattern)
            return {before + name + behind: value for name, value in tensors.items()}
    return tensors


def _merge(operation: Operation, transform: Transform, tensors: Tensors, _: Place) -> Tensors:
    merged: Tensors = {pattern: _merged(value, operation.dim) for pattern, value in tensors.items()}
    return {_only(transform.targets): _single(merged)} if len(merged) == 1 else merged


def _merged(value: Shape | list[Shape], dim: int) -> Shape:
    return _stack(value, dim) if isinstance(value, list) else value


def _concatenate(operation: Operation, transform: Transform, tensors: Tensors, _: Place) -> Tensors:
    target = _only(transform.targets)
    parts: list[Shape] = []
    for value in (tensors[source] for source in transform.sources if source in tensors):
        parts += value if isinstance(value, list) else [value]
    return {target: _join(parts, operation.dim)}


def _chunk(operation: Operation, transform: Transform, tensors: Tensors, _: Place) -> Tensors:
    shape = _single(tensors)
    size, pieces = _size(shape, operation.dim), len(transform.targets)
    step = -(-size // pieces)
    sizes = [min(step, size - start) for start in range(0, size, step)] if size else [0] * pieces
    return dict(zip(transform.targets, (_resized(shape, operation.dim, each) for each in sizes), strict=False))


def _split(operation: Operation, transform: Transform, tensors: Tensors, place: Place) -> Tensors:
    shape = _single(tensors)
    pieces: Tensors = {}
    rows = 0
    for target in transform.targets:
        wanted = place.state.get(place.target.replace(transform.targets[0], target))
        if wanted is None:
            raise Fails("the model has no parameter for one of the pieces")
        size = _size(wanted, operation.dim)
        rows += size
        pieces[target] = _resized(shape, operation.dim, size)
    if rows != _size(shape, operation.dim):
        raise Fails(f"the pieces need {rows} rows, {list(shape)} has {_size(shape, operation.dim)}")
    return pieces


def _transpose(operation: Operation, transform: Transform, tensors: Tensors, place: Place) -> Tensors:
    shape = _single(tensors)
    name = transform.targets[0]
    if len(transform.targets) > 1:
        name = _only(transform.sources)
    if operation.unless_fits and shape == place.state[place.target]:
        return {name: shape}
    first, second = _size(shape, operation.dim), _size(shape, operation.other)
    return {name: _resized(_resized(shape, operation.dim, second), operation.other, first)}


def _interleave(operation: Operation, transform: Transform, tensors: Tensors, _: Place) -> Tensors:
    shape = _first(next(iter(tensors.values())))
    if _size(shape, operation.dim) % 2 and prod(shape):
        raise Fails(f"{list(shape)} has an odd number of rows to interleave")
    return {transform.targets[0]: shape}


def _permute(operation: Operation, transform: Transform, tensors: Tensors, place: Place) -> Tensors:
    sources, targets = len(transform.sources), len(transform.targets)
    if sources > 1 and targets > 1:
        raise Fails("several tensors for several parameters")
    permuted: Tensors = {}
    for pattern, value in tensors.items():
        if operation.only is None or any(part in pattern for part in operation.only):
            if isinstance(value, list) and len(value) > 1:
                raise Fails("several tensors where one is expected")
            _permutable(_first(value), place.heads(operation.config))
        permuted[transform.targets[0] if sources == targets else pattern] = value
    return permuted


def _permutable(shape: Shape, heads: int) -> None:
    rows = _size(shape, 0)
    if heads == 0:
        raise Fails("there is no head to permute for")
    fits = heads * 2 * (rows // heads // 2) == rows or not prod(shape[1:])
    if len(shape) <= 2 and not fits:  # noqa: PLR2004 - a matrix or a vector; others stay as they are
        raise Fails(f"{rows} rows cannot be divided among {heads} heads in pairs")


def _ernie(operation: Operation, transform: Transform, tensors: Tensors, _: Place) -> Tensors:
    """The experts of a layer, first those for text, then those for images: stacked each, then joined over sources."""
    groups: dict[str, list[Shape]] = {target: [] for target in transform.targets}
    for source in transform.sources:
        shapes = tensors.get(source)
        if not isinstance(shapes, list):
            raise Fails("one of the tensors to be joined is absent")
        step = -(-len(shapes) // len(groups))
        for place, parts in enumerate(groups.values()):
            parts.append(_stack(shapes[place * step : (place + 1) * step], operation.dim))
    return {target: _join(parts, operation.other) for target, parts in groups.items()}


Run = Callable[[Operation, Transform, Tensors, Place], Tensors]

_OPERATIONS: Mapping[str, Run] = {
    "Chunk": _chunk,
    "Concatenate": _concatenate,
    "ErnieFuseAndSplitTextVisionExperts": _ernie,
    "Interleave": _interleave,
    "MergeModulelist": _merge,
    "PermuteForRope": _permute,
    "Split": _split,
    "Transpose": _transpose,
}

KNOWN = frozenset(_OPERATIONS)
"""Names of the operations that are modelled."""


def _only(names: Sequence[str]) -> str:
    if len(names) > 1:
        raise Fails("several tensors where the conversion takes or gives one")
    return names[0]


def _single(tensors: Tensors) -> Shape:
    return _first(tensors[_only(tuple(tensors))])


def _first(value: Shape | list[Shape]) -> Shape:
    return value[0] if isinstance(value, list) else value


def _size(shape: Shape, dim: int) -> int:
    if dim >= len(shape):
        raise Fails(f"{list(shape)} has no dimension {dim}")
    return shape[dim]


def _resized(shape: Shape, dim: int, size: int) -> Shape:
    return (*shape[:dim], size, *shape[dim + 1 :])


def _stack(shapes: Sequence[Shape], dim: int) -> Shape:
    """`torch.stack`."""
    if not shapes:
        raise Fails("there is nothing to stack")
    first = shapes[0]
    if any(shape != first for shape in shapes):
        other = next(shape for shape in shapes if shape != first)
        raise Fails(f"tensors of different shapes cannot be stacked: {list(first)} and {list(other)}")
    if dim > len(first):
        raise Fails(f"{list(first)} has no dimension {dim} to stack along")
    return (*first[:dim], len(shapes), *first[dim:])


def _join(shapes: Iterable[Shape], dim: int) -> Shape:
    """`torch.cat`, which passes over empty vectors among other tensors."""
    given = list(shapes)
    if not given:
        raise Fails("there is nothing to join")
    kept = [shape for shape in given if shape != (0,)]
    if not kept:
        return (0,)
    first = kept[0]
    rows = sum(_size(shape, dim) for shape in kept)
    for shape in kept:
        if _resized(shape, dim, 0) != _resized(first, dim, 0):
            raise Fails(f"tensors of these shapes cannot be joined: {list(first)} and {list(shape)}")
    return _resized(first, dim, rows)
