"""Which of the values that a rehearsal saw are faults: by design, masks hold infinities and new layers zeros."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfcheck.loading.rename import LONGEST
from hfcheck.loading.templates import grouped

if TYPE_CHECKING:
    from hfcheck.formats.tensor import Header, Tensor
    from hfcheck.loading.judge import Load
    from hfcheck.placement.model import Model
    from hfcheck.placement.rehearsed import FileRead, NonFinite

STATISTICS = ("running_mean", "running_var")
"""Buffers by which each value is divided, or which are taken from it: a NaN in them is as bad as one in a parameter."""

BOUNDS = ("_min", "_max")
"""How the names of bounds end, which are infinite where there is none: `input_max` of the clipped layers of gemma4."""

MASKS = ("mask", "bias")
"""Parts of the names of tensors in which -inf says what must not be chosen."""

ZERO_BY_DESIGN = (
    "lora_B", "lora_embedding_B", "lora_up", "lokr_w2", "hada_w2_a", "zero_conv", "controlnet_", "adaLN_modulation",
    "ip_adapter",
)  # fmt: skip
"""Parts of the names of matrices that training begins with at zero: an adapter that adds nothing yet."""

LAST_OF_A_BLOCK = ("o_proj", "down_proj", "out_proj", "c_proj", "w2", "wo", "dense_4h_to_h", "fc2", "proj_out")
"""Projections behind which a block adds to what goes past it. A model is made deeper by blocks that add zero."""

PACKED = ("weight", "qweight", "weight_packed", "_blocks", "W_q", "_weight_qdata")
"""How the names of weights end that are stored as whole numbers, several in each. Zeros beside them, of groups or of
zero points, mean what they say."""

FLOATING = frozenset({"BF16", "F16", "F32", "F64", "C64", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})

MATRIX = 2
"""Dimensions of a weight: a bias of zeros, or the offset of a norm, is what training began with."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Tensors of one file that have the same fault, and whose names differ in indices alone.

    `seen` is what is in the first of them, None where that is zeros. `is_buffer` tells that it is no parameter, and may
    be of no account; `ends_a_block` that a matrix of zeros takes
    a block out of the model, and leaves all else as it is.
    """

    path: str
    names: Sequence[str]
    seen: "NonFinite | None" = None
    is_buffer: bool = False
    ends_a_block: bool = False


def non_finite(file: "FileRead", load: "Load", model: "Model | None") -> Iterator[Suspect]:
    """Weights of a file that reach the model with NaN or infinity in them."""
    left_out, buffers = _left_out((seen.tensor for seen in file.non_finite), load), _buffers(model)
    found = {
        seen.tensor: seen for seen in file.non_finite if seen.tensor not in left_out and not _is_meant(seen, buffers)
    }
    for names in grouped(found).values():
        is_buffer = names[0] in buffers and not names[0].endswith(STATISTICS)
        yield Suspect(file.path, names, found[names[0]], is_buffer=is_buffer)


def all_zero(
    file: "FileRead", headers: "Mapping[str, Header]", load: "Load", model: "Model | None"
) -> Iterator[Suspect]:
    """Weight matrices of a file that reach the model with nothing but zeros in them."""
    left_out, buffers = _left_out(file.zero, load), _buffers(model)
    tensors = headers[file.path].tensors if file.path in headers else {}
    found = [
        name
        for name in file.zero
        if name not in left_out and name not in buffers and name in tensors
        if _is_weight(name, tensors[name])
    ]
    for names in grouped(found).values():
        yield Suspect(file.path, names, ends_a_block=any(part in LAST_OF_A_BLOCK for part in names[0].split(".")))


def _left_out(names: Iterable[str], load: "Load") -> frozenset[str]:
    """Those of the stored tensors that no parameter is made of, where the class is known.

    What belongs to a quantised weight is part of none by name, and is not left out.
    """
    if load.spec is None:
        return frozenset()
    taken = {name for sources in load.sources.values() for name in sources}
    ignored = [re.compile(pattern) for pattern in load.spec.ignore_unexpected]
    unexpected = frozenset(load.unexpected)
    rest = (name for name in names if name not in taken and len(name) <= LONGEST)
    return frozenset(name for name in rest if name in unexpected or any(found.search(name) for found in ignored))


def _buffers(model: "Model | None") -> frozenset[str]:
    """The stored tensors of buffers."""
    weights = model.weights.values() if model is not None else ()
    return frozenset(name for weight in weights if weight.is_buffer for name in weight.sources)


def _is_meant(seen: "NonFinite", buffers: frozenset[str]) -> bool:
    """Whether infinities say something: what must not be chosen, or that there is no bound. A NaN says nothing."""
    if seen.nan:
        return False
    last = seen.tensor.rpartition(".")[2]
    is_mask = not seen.inf and any(word in last for word in MASKS)
    return is_mask or last.endswith(BOUNDS) or seen.tensor in buffers


def _is_weight(name: str, tensor: "Tensor") -> bool:
    """Whether a tensor multiplies, and is not made to begin at zero."""
    if tensor.dtype not in FLOATING:
        return name.endswith(PACKED)
    if "bias" in name.rpartition(".")[2] or any(part in name for part in ZERO_BY_DESIGN):
        return False
    return sum(extent > 1 for extent in tensor.shape) >= MATRIX
