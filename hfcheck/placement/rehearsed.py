"""What a rehearsal saw: weight files read to their end, the values in them, and tensors copied onto devices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from hfcheck.placement import values
from hfcheck.placement.device import Key
from hfcheck.placement.values import Suspect

if TYPE_CHECKING:
    from hfcheck.formats.tensor import Header
    from hfcheck.loading.judge import Load
    from hfcheck.placement.model import Model

Word: TypeAlias = Literal["NaN", "inf", "-inf"]


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Values of one tensor that are no numbers: how many of each, of `elements`.

    `word` is what the first of them is, `first` its index in the order of the file, `offset` its first byte there.
    """

    tensor: str
    elements: int
    nan: int
    inf: int
    negative_inf: int
    word: Word
    first: int
    offset: int


@dataclass(frozen=True, slots=True)
class Promise:
    """The sha256 that the repository itself gives for a file, and the file that gives it, None for the download cache.

    The cache names a file after the sha256 of its content.
    """

    sha256: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class FileRead:
    """One weight file. `read` are bytes of `size`, holes included; `sha256` is that of a file that was read to its end.

    `failed` is a phrase on what stopped it, empty where nothing did. `scanned` counts tensors whose values were looked
    at; `zero` are those in which every value is zero. `unscanned` are reasons, each with the number of tensors.
    """

    path: str
    size: int
    read: int = 0
    failed: str = ""
    sha256: str | None = None
    promised: Promise | None = None
    scanned: int = 0
    non_finite: tuple[NonFinite, ...] = ()
    zero: tuple[str, ...] = ()
    unscanned: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied to one device of the plan, one tensor at a time.

    `on` is the device of torch: "cuda:0", "cpu", or "meta" for one that is not here, which takes no bytes. `peak` is
    the most that the device's own counter said, in bytes; None where it has none.
    """

    device: Key
    on: str
    tensors: int
    nbytes: int
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class CopyFailure:
    """A tensor that could not be copied to its device; `reason` is a phrase.

    `is_fatal` tells that the process which copies ended there, so that nothing behind it was copied.
    """

    device: Key
    on: str
    path: str
    tensor: str
    reason: str
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """What did not take place, a noun phrase, and why; `path` is the file that it is about, None for all of them."""

    what: str
    reason: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal of the weight files that a loader opens.

    `scanner` says with what values were looked at ("numpy 2.3.5", "the standard library"), `torch` with what they were
    copied; empty where neither took place. `seconds` are those on the clock.
    """

    files: tuple[FileRead, ...]
    copied: tuple[Copied, ...] = ()
    failures: tuple[CopyFailure, ...] = ()
    skipped: tuple[Skip, ...] = ()
    scanner: str = ""
    torch: str = ""
    seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        return sum(file.read for file in self.files)

    def non_finite(self, load: "Load", model: "Model | None") -> tuple[Suspect, ...]:
        """Weights that reach the model with NaN or infinity in them that nobody meant."""
        return tuple(suspect for file in self.files for suspect in values.non_finite(file, load, model))

    def all_zero(self, headers: "Mapping[str, Header]", load: "Load", model: "Model | None") -> tuple[Suspect, ...]:
        """Weight matrices that reach the model with nothing but zeros in them, where no design explains that."""
        return tuple(suspect for file in self.files for suspect in values.all_zero(file, headers, load, model))


Advance: TypeAlias = Callable[[int], None]
"""Hears of so many bytes that were read."""
