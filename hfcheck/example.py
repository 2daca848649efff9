"""Tiny repositories as data: the examples of a rule, from which come its tests and its documentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hfcheck.finding import At
from hfcheck.placement.target import Target

if TYPE_CHECKING:
    from hfcheck.placement.rehearsed import Rehearsed

Content = Any
"""What an example says of one file.

- `str`, `bytes`: these characters in UTF-8, these bytes
- a `dict` for a name that ends in `.safetensors`: tensors as `{"name": ("F16", [2, 3])}`, all zero; `__metadata__` is
  `{"format": "pt"}` unless it is among them (None: left out)
- any other `dict` or `list`: JSON, indented by two
- one of the classes below
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """`content` without its last `by` bytes."""

    content: Content
    by: int


@dataclass(frozen=True, slots=True)
class Append:
    """`content` with `data` behind it, bytes or another content."""

    content: Content
    data: Content


@dataclass(frozen=True, slots=True)
class Replace:
    """`content` with other bytes in the place of the first `old`."""

    content: Content
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A safetensors file with this text as header, right or wrong, and `data` zero bytes behind it."""

    text: str
    data: int = 0


@dataclass(frozen=True, slots=True)
class Sparse:
    """`head`, then zeros up to `size` bytes, which take no room on a disk."""

    size: int
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Pointer:
    """The Git LFS pointer to a file of `size` bytes."""

    size: int
    sha256: str = "0" * 64


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip archive, stored without compression, with these members in order."""

    members: Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Pickle:
    """A pickle in the names of `pickletools`, an opcode a line with its argument behind it; `bytes` stand as they are.

    `("PROTO 2", "GLOBAL builtins print", "BINUNICODE hello", "TUPLE1", "REDUCE", "STOP")`
    """

    lines: tuple[str | bytes, ...]


@dataclass(frozen=True, slots=True)
class TorchZip:
    """What `torch.save` of today makes of a state dict: `tensors` as in a safetensors file, all zero.

    Each has a storage of its own; `tied` are names of further tensors, with the one whose storage they share. `sizes`
    gives the storages of some tensors another number of bytes. `inside` are the keys of mappings around the state dict,
    the outermost first, `beside` constants beside it or, where there is such a mapping, beside its first key.
    """

    tensors: Mapping[str, tuple[str, Sequence[int]]]
    tied: Mapping[str, str] = field(default_factory=dict)
    inside: Sequence[str] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TorchLegacy(TorchZip):
    """The same in the format before torch 1.6: five pickles, and the storages behind them."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """A GGUF file of version 3 with these tensors of type F32, given by their shapes, all zero."""

    tensors: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that says `target`."""

    target: str


@dataclass(frozen=True, slots=True)
class Pipe:
    """A named pipe."""


@dataclass(frozen=True, slots=True)
class Example:
    """A tiny repository, and the exact places that the rule must find in it, in order.

    `near_miss` marks one that looks wrong and is legal. `target` is what the dry run is asked for, if it is about one.
    `rehearsal` has the weight files read to their end, or says what came of that where no file can bring it about.
    """

    title: str
    files: Mapping[str, Content]
    at: tuple[At, ...] = ()
    near_miss: bool = False
    target: Target | None = None
    rehearsal: "Callable[[], Rehearsed] | bool" = False
