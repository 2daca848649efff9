"""How a parallel style cuts one parameter into the shares of the ranks.

After `distributed/tensor_parallel.py` and `distributed/expert_parallel.py` of transformers 5.23: each style is a
placement of torch (`Shard`, `_StridedShard`, `Replicate`) for the parameters of the module that it is given for.
"""

from dataclasses import dataclass

COLWISE = frozenset({"colwise", "colwise_gather_output", "colwise_rep"})
ROWWISE = frozenset({"rowwise", "rowwise_split_input", "rowwise_rep"})
EMBEDDING = {"embedding_rowwise": 0, "embedding_colwise": 1}
EXPERTS = "grouped_gemm"

PACKED = frozenset({"packed_colwise", "packed_rowwise"})

CUTTING = COLWISE | ROWWISE | PACKED | EMBEDDING.keys() | {EXPERTS}
"""Styles that cut something; with any other one a parameter is whole on every rank."""

LINEAR = COLWISE | ROWWISE
"""Styles that a module can have only if it is a linear layer: it has `out_features` and `in_features`."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An axis of `size`, cut into `shares`; where two matrices are packed into one, each of the `halves` is cut.

    Shares are those of `torch.chunk`: the first ones have ceil(size / shares), the last has the rest, or nothing.
    """

    axis: int
    size: int
    shares: int
    halves: int = 1

    def width(self, rank: int) -> int:
        """What a rank holds of the axis."""
        if self.halves == 1:
            return _chunk(self.size, self.shares, rank)
        first = -(-self.size // self.halves)
        return _chunk(first, self.shares, rank) + _chunk(self.size - first, self.shares, rank)

    def widths(self) -> tuple[int, ...]:
        """The different widths, in the order of ranks; there are three at most for each half."""
        full = -(-self.size // (self.shares * self.halves))
        last = -(-self.size // (full * self.halves)) if full else 0  # ranks behind this one hold nothing
        ranks = {0, max(last - 2, 0), max(last - 1, 0), min(last, self.shares - 1), self.shares - 1}
        return tuple(dict.fromkeys(self.width(rank) for rank in sorted(ranks) if rank < self.shares))

    @property
    def is_even(self) -> bool:
        return self.size % (self.shares * self.halves) == 0


def cut(style: str, name: str, shape: tuple[int, ...], shares: int) -> Cut | None:
    """How a parameter of this name is cut by a style, None where every rank holds all of it."""
    found = _axis(style, name.rpartition(".")[2], len(shape))
    if found is None:
        return None
    axis, halves = found
    return Cut(axis, shape[axis], shares, halves) if axis < len(shape) else None


def _axis(style: str, last: str, ndim: int) -> tuple[int, int] | None:
    """The axis that is cut and into how many packed matrices it is divided first."""
    if not ndim:
        return None
    if style in COLWISE:
        return max(ndim - 2, 0), 1
    if style in ROWWISE:
        return None if last == "bias" else (ndim - 1, 1)
    if style == "packed_colwise":
        return (0, 1) if ndim == 1 else (ndim - 2, 2)
    if style == "packed_rowwise":
        return None if ndim == 1 else (ndim - 1, 2)
    if style in EMBEDDING:
        return EMBEDDING[style], 1
    return (0, 1) if style == EXPERTS else None


def _chunk(size: int, shares: int, rank: int) -> int:
    full = -(-size // shares)
    return max(0, min(full, size - rank * full))
