"""A safetensors file as safetensors 0.8.0 would write it: the order of its tensors, and the text of its header."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hfcheck.formats.tensor import Tensor

ORDER = (
    "U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16", "F8_E5M2FNUZ", "F8_E4M3FNUZ",
    "F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8", "F4", "BOOL",
)  # fmt: skip
"""The library writes the widest types first, those of a type in order of their names: so every tensor is aligned."""

METADATA = {"format": "pt"}
"""Without it transformers does not load the file."""

MAX_HEADER = 100_000_000
"""The library reads no longer one."""

_ALIGNED = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """The bytes before the data, and where each tensor lies behind them, in the order of the file."""

    head: bytes
    tensors: Mapping[str, Tensor]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + sum(tensor.nbytes for tensor in self.tensors.values())


def lay_out(tensors: Iterable[tuple[str, Tensor]]) -> Layout:
    """The layout of a file with these tensors, of which only type, shape and size count."""
    placed: dict[str, Tensor] = {}
    end = 0
    for name, tensor in sorted(tensors, key=_place):
        placed[name] = Tensor(tensor.dtype, tensor.shape, end, end + tensor.nbytes)
        end += tensor.nbytes
    header = {"__metadata__": METADATA} | {
        name: {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (tensor.begin, tensor.end)}
        for name, tensor in placed.items()
    }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return Layout(len(text).to_bytes(8, "little") + text, placed)


def _place(item: tuple[str, Tensor]) -> tuple[int, str]:
    return ORDER.index(item[1].dtype), item[0]
