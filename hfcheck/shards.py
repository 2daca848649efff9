"""Where the map of a weight index and the headers of its shards differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hfcheck.formats.tensor import Header, Tensor
from hfcheck.tying import explained
from hfcheck.weights import Index

Headers = Mapping[str, Header]
"""The headers of weight files by their path, in the order in which a loader opens them."""

MAX_PREFIX = 4
"""Words in front of a name that wrappers add: `base_model.model.language_model.model.` are as many."""


@dataclass(frozen=True, slots=True)
class WeightSet:
    """Weight files that belong together: a single one, or numbered shards of one total.

    `tensors` is what they store, None where one of them is not known; `whole` says that no number is missing.
    """

    paths: tuple[str, ...]
    tensors: Mapping[str, Tensor] | None
    whole: bool
    single: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, in the order of the index or of the file.

    `absent` are tensors of the map that no shard stores, under their own or a kindred name; those with a kindred one
    are `renamed`. `misplaced` are tensors of the map with the other shard that stores them, `unmapped` shards with a
    tensor that the map does not name and for which no absent one can stand.
    """

    absent: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    misplaced: tuple[tuple[str, str], ...] = ()
    unmapped: tuple[tuple[str, str], ...] = ()

    @property
    def agrees(self) -> bool:
        return not (self.absent or self.renamed or self.misplaced or self.unmapped)


def compare(index: Index, headers: Headers, unlisted: Headers) -> Comparison:
    """An index with the headers of all its shards; what `unlisted` files of the same set store is not absent."""
    astray = {
        tensor
        for path, tensors in index.tensors_by_shard().items()
        for tensor in tensors
        if tensor not in headers[path].tensors
    }
    weight_map = index.facts.weight_map
    unmapped = [(path, tensor) for path in headers for tensor in headers[path].tensors if tensor not in weight_map]
    if not astray and not unmapped:
        return Comparison()
    homes = {tensor: path for path in headers for tensor in headers[path].tensors}
    beside = {tensor for header in unlisted.values() for tensor in header.tensors}
    absent = [tensor for tensor in weight_map if tensor in astray and tensor not in homes and tensor not in beside]
    renamed, meant = kindred(absent, (tensor for _, tensor in unmapped))
    return Comparison(
        absent=tuple(tensor for tensor in absent if tensor not in renamed),
        renamed=tuple(tensor for tensor in absent if tensor in renamed),
        misplaced=tuple((tensor, homes[tensor]) for tensor in weight_map if tensor in astray and tensor in homes),
        unmapped=tuple((path, tensor) for path, tensor in unmapped if tensor not in meant),
    )


def kindred(absent: Iterable[str], unmapped: Iterable[str]) -> tuple[set[str], set[str]]:
    """Those of the absent names that may be an unmapped one, renamed, and those of the unmapped.

    `a.q_proj.weight` is kin to `a.q_proj.weight_packed`, as quantisers rename it, and to `model.a.q_proj.weight`.
    """
    left, right = set(absent), set(unmapped)
    modules = {_module(name) for name in left} & {_module(name) for name in right} - {""}
    renamed = {name for name in left if _module(name) in modules}
    meant = {name for name in right if _module(name) in modules}
    for names, others, found, kin in ((left, right, renamed, meant), (right, left, meant, renamed)):
        for name in names - found if others else ():
            tails = [tail for tail in _tails(name) if tail in others]
            if tails:
                found.add(name)
                kin.update(tails)
    return renamed, meant


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _tails(name: str) -> list[str]:
    """`c.d` of `a.b.c.d`, and so on: a name without its first words; a single word that is left says too little."""
    found: list[str] = []
    at = name.find(".") + 1
    while at and len(found) < MAX_PREFIX and (end := name.find(".", at) + 1):
        found.append(name[at:])
        at = end
    return found


def copies(headers: Headers) -> dict[str, list[str]]:
    """Tensors that are in more than one file, each with its files in the order in which a loader opens them."""
    first: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for path, header in headers.items():
        for tensor in header.tensors:
            if (before := first.setdefault(tensor, path)) != path:
                found.setdefault(tensor, [before]).append(path)
    return found


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two sets that are not the same model, and the tensors that tell them apart."""

    loaded: WeightSet
    other: WeightSet
    tensors: tuple[str, ...]


def disagreement(loaded: WeightSet, other: WeightSet, *, untied: bool) -> Disagreement | None:
    """Tensors with another dtype or shape or in one set alone; None where there are none, or a set is not known.

    Unless the model is `untied`, one of embedding and head is enough.
    """
    if loaded.tensors is None or other.tensors is None:
        return None
    mine, theirs = loaded.tensors, other.tensors
    found = [
        name
        for name, tensor in theirs.items()
        if name in mine and (tensor.dtype, tensor.shape) != (mine[name].dtype, mine[name].shape)
    ]
    found += _only(theirs, mine, untied=untied)
    found += _only(mine, theirs, untied=untied) if other.whole else []
    return Disagreement(loaded, other, tuple(found)) if found else None


def _only(one: Mapping[str, Tensor], other: Mapping[str, Tensor], *, untied: bool) -> list[str]:
    """Tensors that only the one stores."""
    names = [name for name in one if name not in other]
    needless = set() if untied or not names else explained(names, other)
    return [name for name in names if name not in needless]
