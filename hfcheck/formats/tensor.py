"""A tensor as a weight file describes it, whatever the file's format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dtype` in the spelling of safetensors ("BF16"); `begin` and `end` count bytes from the start of the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def nbytes(self) -> int:
        return self.end - self.begin

    @property
    def described(self) -> str:
        """How a message writes it: `F32 [2, 3]`."""
        return f"{self.dtype} {list(self.shape)}"


class Header(Protocol):
    """What a weight file says of its tensors: the header of a safetensors file, or the state dict of one of torch."""

    @property
    def tensors(self) -> Mapping[str, Tensor]: ...


def tensors_of(headers: Mapping[str, Header]) -> dict[str, Tensor]:
    """All tensors of several files, by path; of two of the same name the one that is loaded last."""
    return {name: tensor for header in headers.values() for name, tensor in header.tensors.items()}
