"""What a forward pass needs beside weights and cache, as intervals: estimates, whose parts are named.

The low end is what must exist at once at some time, the high end what exists if nothing is freed before its block ends.
Measured on the CPU, where no kernel has a workspace of its own (benchmarks/placement/activations.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hfcheck.loading.spec import Shape
from hfcheck.placement.cache import Kept, Moment, Sequences, nbytes
from hfcheck.placement.device import Device
from hfcheck.placement.dimensions import Sizes
from hfcheck.placement.result import Term

MIB, GIB = 2**20, 2**30

Reads: TypeAlias = Literal["target", "source", "image"]
"""What a block reads: the tokens of the model that generates, those of its source, the patches of an image."""

_PATCHES = 4096
"""Patches of an image where the config does not say."""

_CHOSEN = 8
"""Experts that see a token, where the config does not say."""

_CONTEXT: Mapping[str, int] = {"cuda": 800 * MIB, "rocm": 800 * MIB, "xpu": 800 * MIB, "mps": 512 * MIB, "cpu": GIB}
_WORKSPACE = 96 * MIB
_ROUNDING = 2 * MIB


@dataclass(frozen=True, slots=True)
class Widths:
    """What one block of a model makes for each token, in elements: `total` if all is kept, `largest` at once."""

    reads: Reads
    total: int
    largest: int


@dataclass(frozen=True, slots=True)
class Work:
    """What is computed on a device: kinds of blocks, kinds of caches, and whether it has the output layer."""

    blocks: frozenset[Widths] = frozenset()
    kept: Mapping[Kept, int] = field(default_factory=dict)
    unknown_layers: int = 0
    has_output: bool = False
    tensors: int = 0

    @property
    def is_idle(self) -> bool:
        return not (self.blocks or self.kept or self.has_output)


def widths(reads: Reads, weights: Iterable[tuple[str, Shape]], sizes: Sizes) -> Widths:
    """Those of a block with these weights: each matrix makes a vector of its outputs from one of its inputs."""
    total = largest = 0
    chosen = sizes.chosen or _CHOSEN
    expert = 0
    for name, shape in weights:
        if len(shape) < 2:  # noqa: PLR2004 - a matrix
            continue
        if ".experts." in name or len(shape) == 3:  # noqa: PLR2004 - a matrix of each expert
            expert = max(expert, shape[-1] + shape[-2])
        else:
            total += max(shape[0], shape[1])
            largest = max(largest, min(shape[0], shape[1]))
    return Widths(reads, total + 3 * chosen * expert, largest)


def estimates(device: Device, work: Work, sizes: Sizes, sequences: Sequences) -> list[Term]:
    """The estimated terms of a device on which something is computed."""
    if work.is_idle or device.backend == "disk":
        return []
    low, high = _activations(work, sizes, sequences)
    logits_low, logits_high = _logits(work, sizes, sequences)
    found = [
        Term("activations", low, high, "of one block, in one pass over the prompt"),
        Term("logits", max(0, logits_low - low), logits_high, _logits_why(sizes)),
        *_attention(device, work, sizes, sequences),
        Term("cache-copy", 0, _copy(work, sizes, sequences), "keys and values of one layer while they grow"),
        Term("unknown-cache", 0, _unknown(work, sizes, sequences), "layers of which no rule is known"),
        Term("runtime", 0, _CONTEXT[device.backend], "what the driver or the process takes for itself"),
    ]
    if device.is_accelerator:
        found.append(Term("workspaces", 0, _WORKSPACE, "of matrix kernels"))
        found.append(Term("rounding", 0, work.tensors * _ROUNDING // 8, "blocks of the allocator"))
    return [term for term in found if term.high]


def _reads(one: Widths, sizes: Sizes, sequences: Sequences) -> int:
    """Tokens that a block reads at once."""
    tokens = {
        "target": sequences.tokens,
        "source": sequences.source or sequences.tokens,
        "image": sizes.patches or _PATCHES,
    }
    return sequences.batch * tokens[one.reads]


def _activations(work: Work, sizes: Sizes, sequences: Sequences) -> tuple[int, int]:
    hidden = sizes.hidden or 0
    low = high = 0
    for one in work.blocks:
        tokens = _reads(one, sizes, sequences)
        # A norm computes in float32: its input, the squares and the result.
        high = max(high, tokens * (sequences.itemsize * (one.total + 4 * hidden) + 3 * 4 * hidden))
        if one.reads == "target":
            low = max(low, tokens * sequences.itemsize * 2 * one.largest)
    return low, high


def _logits(work: Work, sizes: Sizes, sequences: Sequences) -> tuple[int, int]:
    if not work.has_output or not sizes.vocabulary:
        return 0, 0
    tokens = sequences.tokens if sizes.keeps_logits or not sizes.generates else 1
    low = sequences.batch * tokens * sizes.vocabulary * sequences.itemsize if sizes.generates else 0
    # A copy in float32 for the choice of the next token, of the last token alone.
    last = 3 * 4 * sequences.batch * sizes.vocabulary
    return low, sequences.batch * tokens * sizes.vocabulary * max(sequences.itemsize, 4) + last


def _logits_why(sizes: Sizes) -> str:
    if not sizes.generates:
        return "of all tokens, if the head has the size of the vocabulary"
    return "of all tokens of the prompt" if sizes.keeps_logits else "of the last token"


def _attention(device: Device, work: Work, sizes: Sizes, sequences: Sequences) -> list[Term]:
    """Scores and masks: of the square of the tokens, where they are made at all."""
    target = [one for one in work.blocks if one.reads != "image"]
    if not target or not sizes.heads:
        return []
    square = sequences.batch * sequences.tokens**2
    windows = {kept.window for kept in work.kept if kept.window is not None and kept.window < sequences.tokens}
    found = []
    # Keys and values of different widths have a fused kernel on CUDA alone: elsewhere torch makes all scores.
    is_uneven = device.backend not in {"cuda", "rocm"} and any(kept.kind == "latent" for kept in work.kept)
    if sizes.is_eager or is_uneven:
        each = square * sizes.heads
        found.append(Term("scores", 0, each * (2 * sequences.itemsize + 2 * 4), "one layer's, without a fused kernel"))
    if sizes.is_eager or windows or sequences.batch > 1:
        itemsize = sequences.itemsize if sizes.is_eager else 1
        found.append(Term("mask", 0, square * (itemsize * (1 + bool(windows)) + 2), "which token sees which"))
    return found


def _copy(work: Work, sizes: Sizes, sequences: Sequences) -> int:
    largest = max(
        (nbytes(kept, sequences, Moment.PROMPT) for kept in work.kept if kept.kind not in ("state", "indexer")),
        default=0,
    )
    shares = sizes.heads // sizes.kv_heads if sizes.heads and sizes.kv_heads else 1
    return largest * (1 + max(1, shares))


def _unknown(work: Work, sizes: Sizes, sequences: Sequences) -> int:
    """As if each of these layers kept keys and values of the whole width."""
    return work.unknown_layers * 2 * sequences.batch * sequences.tokens * (sizes.hidden or 0) * sequences.itemsize
