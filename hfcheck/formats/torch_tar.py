"""A file of `torch.save` before 0.1.10: a tar archive with the members `storages`, `tensors` and `pickle`.

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/serialization.py , `legacy_load`
"""

from hfcheck.formats import pickle, torch_dtypes
from hfcheck.formats.parts import Gathered, Part
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_values import Persistent, Value

STORAGES, TENSORS, PICKLE = "storages", "tensors", "pickle"

_MAX_DIMENSIONS = 64


def look(part: Part, name: str, gathered: Gathered) -> None:
    """Follow the pickles of one of the three members."""
    gathered.consumer = gathered.consumer or Consumer.TORCH_TAR
    if name == PICKLE:
        for facts in pickle.read(
            part.source(), Consumer.TORCH_TAR, member=part.member, origin=part.origin, load=_first
        ):
            gathered.keep(facts, part)
        return
    stream = _Stream(part, gathered)
    count = stream.next()
    if type(count) is not int:
        if not stream.ended:
            gathered.leave(part.member, "the number of its parts is not known")
        return
    for _ in range(max(count, 0)):
        entry = stream.next()
        if stream.ended or not stream.skip(_storage_size(entry, stream) if name == STORAGES else _tensor_size(stream)):
            return
    if name == STORAGES:
        stream.next()


class _Stream:
    """The pickles of a member, one behind the other and with other data between them."""

    def __init__(self, part: Part, gathered: Gathered) -> None:
        self.part = part
        self.gathered = gathered
        self.at = 0
        self.number = 0
        self.ended = False

    def next(self) -> Value:
        """What the next pickle returns, None where there is no whole one."""
        if self.at >= self.part.size or self.ended:
            self.ended = True
            return None
        source = self.part.source()
        found: Run = run(source, self.at)
        end, root = found.end, found.root
        facts = pickle.facts_of(
            pickle.complete_run(source, found),
            Consumer.TORCH_TAR,
            member=self.part.member,
            origin=self.part.origin,
            number=self.number,
        )
        self.gathered.keep(facts, self.part)
        self.number += 1
        self.ended = end is None
        self.at = end or self.part.size
        return root

    def integer(self, length: int) -> int:
        return int.from_bytes(self.part.at(self.at, length), "little", signed=True)

    def skip(self, length: int | None) -> bool:
        """Go on behind so many bytes; whether that is possible."""
        if length is None or not 0 <= length <= self.part.size - self.at:
            self.gathered.leave(self.part.member, f"what follows byte {self.at} cannot be told apart")
            return False
        self.at += length
        return True


def _storage_size(entry: Value, stream: _Stream) -> int | None:
    """Behind `(key, location, class)`: a number of elements, then these."""
    if type(entry) is not tuple or len(entry) != 3:
        return None
    dtype = torch_dtypes.storage_dtype(entry[2])
    return None if dtype is None else 8 + max(stream.integer(8), 0) * torch_dtypes.SIZES[dtype]


def _tensor_size(stream: _Stream) -> int | None:
    """Behind `(key, storage, class)`: the number of dimensions, sizes and strides, the offset."""
    dimensions = stream.integer(4)
    return 8 + 16 * dimensions + 8 if 0 <= dimensions <= _MAX_DIMENSIONS else None


def _first(value: Persistent) -> Value:
    """A tuple stands for its first item."""
    return value.id[0] if type(value.id) is tuple and value.id else value
