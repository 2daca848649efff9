"""Which tensor is written into which file: shards as they were or of another size, tied tensors once."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hfcheck.conversion.gather import Strided
from hfcheck.conversion.layout import MAX_HEADER, Layout, lay_out
from hfcheck.conversion.source import Source, converted, index_of, numbered, single
from hfcheck.finding import quote
from hfcheck.formats import torch_dtypes
from hfcheck.formats.safetensors import MAX_TENSORS
from hfcheck.formats.tensor import Tensor
from hfcheck.formats.torch_state import StateDict
from hfcheck.formats.torch_tensor import StoredTensor
from hfcheck.loading import tie
from hfcheck.repository import Entry

MAX_GROWTH = 4
"""Times the bytes of the storages that all tensors may take: a view of one element can claim any shape."""

MIN_GROWTH = 64 * 2**20
"""Bytes that they may take in any case."""


class TooLarge(Exception):
    """What would be written is out of all proportion to what was read, or more than one file can hold."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor to be written: how a header describes it, and where its bytes are in the file `entry`."""

    name: str
    tensor: Tensor
    entry: Entry
    bytes: Strided


@dataclass(frozen=True, slots=True)
class Output:
    """A file to be written."""

    name: str
    layout: Layout
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written. `dropped` are tied names with what they are tied to, `copied` other shared tensors."""

    outputs: tuple[Output, ...]
    index: tuple[str, str] | None
    dropped: tuple[tuple[str, str], ...]
    copied: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The files, the index last."""
        return (*(output.name for output in self.outputs), *(self.index[:1] if self.index is not None else ()))

    @property
    def nbytes(self) -> int:
        return sum(piece.tensor.nbytes for output in self.outputs for piece in output.pieces)


def plan(source: Source, max_shard_size: int | None = None) -> Plan:
    """What a conversion of these files comes to; nothing stands in its way. Raises TooLarge."""
    states = {path: state for path in source.files if (state := _state(source, path)) is not None}
    ties = _ties(source)
    dropped: list[tuple[str, str]] = []
    copied: list[str] = []
    parts: list[list[Piece]] = []
    for path, state in states.items():
        left_out, shared = _shared(state, ties)
        dropped += left_out.items()
        copied += shared
        parts.append([_piece(source, path, state, name) for name in state.stored if name not in left_out])
    _check_growth(states.values(), parts)
    names = [converted(path) for path in source.files]
    sharded = source.index is not None
    if max_shard_size is not None:
        parts = list(_split(parts, max_shard_size))
        sharded = len(parts) > 1
        one = single(source.taken)
        names = [numbered(one, number, len(parts)) for number in range(1, len(parts) + 1)] if sharded else [one]
    outputs = tuple(_output(name, pieces) for name, pieces in zip(names, parts, strict=True))
    return Plan(outputs, _index(source, outputs) if sharded else None, tuple(dropped), tuple(copied))


def _state(source: Source, path: str) -> StateDict | None:
    reading = source.facts.reading(path)
    return reading.pickled.state if reading is not None and reading.pickled is not None else None


def _ties(source: Source) -> Mapping[str, str]:
    """Names that the class of the model ties to others, where the config and the atlas tell."""
    spec = source.facts.load.spec
    if spec is None:
        return {}
    try:
        return tie.pairs(spec.tied, spec.submodels, spec.state)
    except tie.Untieable:
        return {}


def _shared(state: StateDict, ties: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names that are dropped, with the name that they are tied to and that is kept; and other tensors that share bytes.

    As in `remove_tied_weights_from_state_dict` of transformers 5.23, which refuses the second sort.
    """
    by_storage: dict[str, list[str]] = {}
    for name, stored in state.stored.items():
        if stored.storage is not None and stored.count:
            by_storage.setdefault(stored.storage, []).append(name)
    dropped: dict[str, str] = {}
    copied: list[str] = []
    for names in by_storage.values():
        if len(names) > 1:
            same = {name: _same(state.stored[name]) for name in names}
            dropped |= {
                name: kept for name in names if (kept := _kept(name, ties)) in same and same[kept] == same[name]
            }
            copied += _overlapping([(state.stored[name].extent, name) for name in names if name not in dropped])
    return dropped, copied


def _kept(name: str, ties: Mapping[str, str]) -> str:
    """The end of the chain of ties, which is no target itself; an empty name where there is none."""
    seen = set()
    while name in ties and name not in seen:
        seen.add(name)
        name = ties[name]
    return name if seen and name not in seen else ""


def _same(stored: StoredTensor) -> tuple[object, ...]:
    return stored.dtype, stored.shape, stored.stride, stored.start


def _overlapping(extents: list[tuple[tuple[int, int], str]]) -> Iterator[str]:
    """Those that begin before another one of them ends."""
    last = 0
    for number, ((begin, end), name) in enumerate(sorted(extents)):
        if number and begin < last:
            yield name
        last = max(last, end)


def _piece(source: Source, path: str, state: StateDict, name: str) -> Piece:
    stored, entry = state.stored[name], source.facts.entry(path)
    storage = state.storages[stored.storage or ""]
    if entry is None or storage.offset is None or stored.shape is None:
        raise ValueError(name)  # an obstacle that was overlooked
    width = torch_dtypes.SIZES[stored.dtype]
    place = Strided(storage.offset + stored.start * width, width, stored.shape, stored.stride)
    return Piece(name, state.tensors[name], entry, place)


def _check_growth(states: Iterable[StateDict], parts: list[list[Piece]]) -> None:
    stored = sum(storage.nbytes for state in states for storage in state.storages.values())
    written = sum(piece.tensor.nbytes for pieces in parts for piece in pieces)
    if written > max(MAX_GROWTH * stored, MIN_GROWTH):
        largest = max((piece for pieces in parts for piece in pieces), key=lambda piece: piece.tensor.nbytes)
        raise TooLarge(
            f"the tensors share their bytes, and {written} bytes would be made of {stored}: the largest is "
            f"{quote(largest.name)} with {largest.tensor.nbytes}"
        )


def _split(parts: list[list[Piece]], most: int) -> Iterator[list[Piece]]:
    """Shards of at most so many bytes in the order of the tensors; one that is larger has its own.

    As `split_state_dict_into_shards_factory` of huggingface_hub does it.
    """
    shard: list[Piece] = []
    size = 0
    for piece in (piece for pieces in parts for piece in pieces):
        nbytes = piece.tensor.nbytes
        if nbytes > most:
            yield [piece]
            continue
        if size + nbytes > most:
            yield shard
            shard, size = [], 0
        shard.append(piece)
        size += nbytes
    if shard:
        yield shard


def _output(name: str, pieces: list[Piece]) -> Output:
    if len(pieces) > MAX_TENSORS:
        raise TooLarge(f"{name} would have {len(pieces)} tensors, and hfcheck reads at most {MAX_TENSORS}")
    layout = lay_out((piece.name, piece.tensor) for piece in pieces)
    if len(layout.head) > MAX_HEADER:
        raise TooLarge(f"{name} would have a header of {len(layout.head)} bytes, and at most {MAX_HEADER} are read")
    by_name = {piece.name: piece for piece in pieces}
    return Output(name, layout, tuple(by_name[name] for name in layout.tensors))


def _index(source: Source, outputs: tuple[Output, ...]) -> tuple[str, str]:
    """Name and text of the index, as transformers writes it."""
    metadata: dict[str, Any] = {"total_size": sum(piece.tensor.nbytes for output in outputs for piece in output.pieces)}
    before = source.index.facts.metadata if source.index is not None else None
    count = before.get("total_parameters") if isinstance(before, dict) else None
    if type(count) is int:
        metadata["total_parameters"] = count
    weight_map = {piece.name: output.name for output in outputs for piece in output.pieces}
    text = json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2, sort_keys=True)
    name = converted(source.taken) if source.index is not None else index_of(single(source.taken))
    return name, f"{text}\n"
