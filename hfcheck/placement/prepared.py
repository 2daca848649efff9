"""What a planner knows of a model before it looks at a device: sizes, layers and ties, counted once for many plans."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from hfcheck.placement.model import Model, Module, walk
from hfcheck.placement.target import Dialect

Entry: TypeAlias = tuple[str, Module | None]
"""A module with its path, or a tensor, which is None here."""


class Layer(NamedTuple):
    """The largest of the layers in a module: modules that are not split, or have no children."""

    name: str
    size: float


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model as one dialect counts it. `sizes` are bytes by the path of a module, `tensors` those of counted tensors.

    A module in which no tensor is counted has no size. `block` is the largest module that is not split as the balanced
    budgets see it, `leaf` the largest or the mean innermost module; `has_blocks` is False where no module is of a kind
    that is not split though there are such kinds. `groups` are names of tied parameters, in order.
    """

    model: Model
    dialect: Dialect
    sizes: Mapping[str, float]
    tensors: Mapping[str, float]
    layers: Mapping[str, Layer]
    groups: tuple[tuple[str, ...], ...]
    block: float
    leaf: float
    has_blocks: bool
    _relevant: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    _pieces: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.sizes.get("", 0)

    def size(self, name: str, module: Module | None) -> float:
        """Bytes of an entry."""
        return self.tensors.get(name, 0) if module is None else self.sizes.get(name, 0)

    def is_split(self, module: Module | None) -> bool:
        """Whether the planners may take the children of this one apart."""
        return module is not None and bool(module.children) and module.kind not in self.model.no_split

    def pieces(self, name: str, module: Module) -> tuple[Entry, ...]:
        """What a module is replaced by when it is split: its parameters and its children, but not its buffers."""
        found = self._pieces.get(name)
        if found is None:
            tensors: list[Entry] = [(f"{name}.{part}", None) for part in module.parameters]
            found = (*tensors, *((f"{name}.{part}", child) for part, child in module.children.items()))
            self._pieces[name] = found
        return found

    def outside(self, name: str) -> tuple[str, ...]:
        """Parameters that are tied to one inside of this entry and are outside of it themselves.

        Both libraries ask whether `name.` is anywhere in the name of the parameter, not whether it begins with it.
        """
        groups = self._relevant.get(name)
        if groups is None:
            part = f"{name}."
            groups = self._relevant[name] = tuple(
                rest
                for group in self.groups
                if len(rest := tuple(each for each in group if part not in f"{each}.")) < len(group) and rest
            )
        return tuple(each for rest in groups for each in rest)


def prepared(model: Model, dialect: Dialect) -> Prepared:
    """A model, counted as the planner of this dialect does.

    `compute_module_sizes`, `get_max_layer_size`, `find_tied_parameters` and the first half of `get_balanced_memory` in
    accelerate 1.15.0 (utils/modeling.py) and transformers 5.23.0 (integrations/accelerate.py).
    """
    modules = list(walk(model.root))
    if dialect == "accelerate":
        groups = _identical(model, modules)
        counts = _Counts(_counted_elsewhere(groups, modules), _bools(model))
    else:
        groups = _by_source(model.ties)
        counts = _Counts(frozenset(model.ties), frozenset())
    _counted(model, modules, counts)
    return Prepared(
        model=model,
        dialect=dialect,
        sizes=counts.sizes,
        tensors=counts.tensors,
        layers=counts.layers,
        groups=groups,
        block=_first_blocks(model, modules, counts) if dialect == "accelerate" else _all_blocks(model, modules, counts),
        leaf=_mean_leaf(counts) if dialect == "accelerate" else max(counts.direct.values(), default=0),
        has_blocks=not model.no_split or any(module.kind in model.no_split for _, module in modules),
    )


@dataclass(slots=True, eq=False)
class _Counts:
    """What is counted from the innermost modules outwards. Names in `skipped` are those that ties leave out."""

    skipped: frozenset[str]
    in_bits: frozenset[str]
    """Buffers of which the dialect counts a bit for each element where torch keeps a byte."""
    sizes: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, float] = field(default_factory=dict)
    direct: dict[str, float] = field(default_factory=dict)
    """Bytes of the tensors of a module itself; the root is not among them."""
    layers: dict[str, Layer] = field(default_factory=dict)
    with_parameters: set[str] = field(default_factory=set)
    """Modules in which a parameter is counted, at any depth."""
    outer: set[str] = field(default_factory=set)
    """Modules around another one that has a size."""


def _counted(model: Model, modules: list[tuple[str, Module]], counts: _Counts) -> None:
    """Every tensor adds its bytes to each module around it. Children come before their parents."""
    inside: dict[str, float] = {}
    largest: dict[str, Layer] = {}
    for path, module in reversed(modules):
        own = _own(path, module, counts)
        below = inside.pop(path, None)
        parent = path.rpartition(".")[0]
        if own is not None or below is not None:
            counts.sizes[path] = nbytes = (own or 0) + (below or 0)
            if path:
                inside[parent] = inside.get(parent, 0) + nbytes
                counts.outer.add(parent)
        if path and own is not None:
            counts.direct[path] = own
        if path and path in counts.with_parameters:
            counts.with_parameters.add(parent)
        layer = largest.pop(path, None)
        if layer is None or module.kind in model.no_split:
            layer = Layer(path, counts.sizes.get(path, 0))
        counts.layers[path] = layer
        if path and (parent not in largest or layer.size >= largest[parent].size):  # the first one, from behind
            largest[parent] = layer


def _own(path: str, module: Module, counts: _Counts) -> float | None:
    """Bytes of the counted tensors of a module itself, None where it has none."""
    prefix = f"{path}." if path else ""
    own: float | None = None
    for part, nbytes in module.parameters.items():
        name = prefix + part
        if name not in counts.skipped:
            counts.tensors[name] = nbytes
            counts.with_parameters.add(path)
            own = nbytes + (own or 0)
    for part, nbytes in module.buffers.items():
        name = prefix + part
        if name not in counts.skipped:
            counts.tensors[name] = counted = nbytes / 8 if name in counts.in_bits else nbytes
            own = counted + (own or 0)
    return own


def _bools(model: Model) -> frozenset[str]:
    return frozenset(name for name, weight in model.weights.items() if weight.dtype == "BOOL" and weight.is_buffer)


def _all_blocks(model: Model, modules: list[tuple[str, Module]], counts: _Counts) -> float:
    return max((counts.sizes.get(path, 0) for path, module in modules if module.kind in model.no_split), default=0)


def _first_blocks(model: Model, modules: list[tuple[str, Module]], counts: _Counts) -> float:
    """The largest of the first modules of each kind, in the order of tensors: parameters first, then buffers."""
    blocks = [each for each in modules if each[1].kind in model.no_split and each[0] and each[0] in counts.sizes]
    first: dict[str, str] = {}
    for is_first in (True, False):
        for path, module in blocks:
            if (path in counts.with_parameters) is is_first:
                first.setdefault(module.kind, path)
    return max((counts.sizes[path] for path in first.values()), default=0)


def _mean_leaf(counts: _Counts) -> float:
    """Whole bytes of the mean of the innermost modules that hold tensors."""
    leaves = [nbytes for path, nbytes in counts.sizes.items() if path and path not in counts.outer]
    return int(sum(leaves) / max(len(leaves), 1))


def _by_source(ties: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for target, source in ties.items():
        groups[source].append(target)
    return tuple(tuple(sorted([*targets, source])) for source, targets in groups.items())


def _identical(model: Model, modules: list[tuple[str, Module]]) -> tuple[tuple[str, ...], ...]:
    """Names of the same parameter, through any number of ties."""
    representative: dict[str, str] = {}

    def found(name: str) -> str:
        while (above := representative.get(name, name)) != name:
            representative[name] = representative.get(above, above)
            name = above
        return name

    for target, source in model.ties.items():
        representative[found(target)] = found(source)
    tied = {*model.ties, *model.ties.values()}
    groups: dict[str, list[str]] = {found(target): [] for target in model.ties}
    for name in _parameter_names(modules):
        if name in tied:
            groups[found(name)].append(name)
    return tuple(tuple(sorted(names)) for names in groups.values() if len(names) > 1)


def _counted_elsewhere(groups: tuple[tuple[str, ...], ...], modules: list[tuple[str, Module]]) -> frozenset[str]:
    """All names of a parameter but the first in the order of the model."""
    group_of = {name: index for index, group in enumerate(groups) for name in group}
    seen: set[int] = set()
    skipped: list[str] = []
    for name in _parameter_names(modules):
        index = group_of.get(name)
        if index is not None:
            if index in seen:
                skipped.append(name)
            seen.add(index)
    return frozenset(skipped)


def _parameter_names(modules: list[tuple[str, Module]]) -> Iterable[str]:
    for path, module in modules:
        prefix = f"{path}." if path else ""
        for part in module.parameters:
            yield prefix + part
