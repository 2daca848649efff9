"""Where the map of a weight index and the headers of its shards differ."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Tensor
from hfcheck.weights import Index

Headers = Mapping[str, SafetensorsFacts]
"""The headers of weight files by their path, in the order in which a loader opens them."""


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


def compare(index: Index, headers: Headers) -> Comparison:
    """An index with the headers of all its shards."""
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
    absent = [tensor for tensor in weight_map if tensor in astray and tensor not in homes]
    renamed = kindred(absent, [tensor for _, tensor in unmapped])
    meant = kindred([tensor for _, tensor in unmapped], absent)
    return Comparison(
        absent=tuple(tensor for tensor in absent if tensor not in renamed),
        renamed=tuple(tensor for tensor in absent if tensor in renamed),
        misplaced=tuple((tensor, homes[tensor]) for tensor in weight_map if tensor in astray and tensor in homes),
        unmapped=tuple((path, tensor) for path, tensor in unmapped if tensor not in meant),
    )


def kindred(names: Iterable[str], others: Collection[str]) -> set[str]:
    """Those of the names that may be one of the others, renamed: of the same module, or with other words in front.

    `a.q_proj.weight` is kin to `a.q_proj.weight_packed`, as quantisers rename it, and to `model.a.q_proj.weight`.
    """
    if not others:
        return set()
    modules = {_module(other) for other in others} - {""}
    tails = {tail for other in others for tail in _tails(other)}
    whole = set(others)
    return {
        name
        for name in names
        if _module(name) in modules or name in tails or any(tail in whole for tail in _tails(name))
    }


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _tails(name: str) -> Iterable[str]:
    """`b.c` of `a.b.c`: what is left of a name when whole words are taken from its front; one word says too little."""
    tail = name.partition(".")[2]
    while "." in tail:
        yield tail
        tail = tail.partition(".")[2]


def copies(headers: Headers) -> dict[str, list[str]]:
    """Tensors that are in more than one file, each with its files in the order in which a loader opens them."""
    first: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for path, header in headers.items():
        for tensor in header.tensors.keys() & first.keys():
            found.setdefault(tensor, [first[tensor]]).append(path)
        first.update(dict.fromkeys(header.tensors, path) | {tensor: first[tensor] for tensor in found})
    return found


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Tensors that both store, with another dtype or shape."""
    return [
        name
        for name, tensor in one.items()
        if name in other and (tensor.dtype, tensor.shape) != (other[name].dtype, other[name].shape)
    ]
