"""The cache that a config tells, against the matrices in the weight files that make its keys and values."""

from collections.abc import Iterator, Mapping

from hfcheck.formats.tensor import Tensor
from hfcheck.placement.cache import Cache
from hfcheck.placement.dtype import is_floating

_KEYS, _VALUES = ".k_proj.weight", ".v_proj.weight"
_MATRIX = 2


def disagreements(cache: Cache, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """A sentence where some layer's matrices have other rows than the heads of the config would need.

    Only what attends and is not compressed can be compared, and only matrices that are stored as they are.
    """
    rows = dict(_rows(tensors))
    found = [
        (kept.path, kept.per_token, rows[kept.path])
        for kept in cache.kept
        if kept.kind in ("attention", "sliding") and kept.path in rows and rows[kept.path] != kept.per_token
    ]
    if not found:
        return ()
    path, told, stored = found[0]
    more = f", and so do {len(found) - 1} more" if len(found) > 1 else ""
    sentence = (
        f"the keys and values of a token are {told} numbers in {path} by its config, and its matrices make "
        f"{stored}{more}: the cache may be of another size"
    )
    return (sentence,)


def _rows(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, int]]:
    """For each layer the outputs of the matrices of keys and values together."""
    for name, tensor in tensors.items():
        other = tensors.get(name.removesuffix(_KEYS) + _VALUES) if name.endswith(_KEYS) else None
        if other is None or not all(len(one.shape) == _MATRIX and is_floating(one.dtype) for one in (tensor, other)):
            continue
        parts = name.split(".")
        last = max((index for index, part in enumerate(parts) if part.isdecimal()), default=None)
        if last is not None and not any(word in name for word in ("cross", "encoder_attn")):
            yield ".".join(parts[: last + 1]), tensor.shape[0] + other.shape[0]
