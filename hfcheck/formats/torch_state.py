"""The state dict that the pickle of a torch file describes: the same facts as the header of a safetensors file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice
from typing import NamedTuple

from hfcheck.finding import QUOTED, pointer
from hfcheck.formats import torch_dtypes
from hfcheck.formats.collector import paused
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, Persistent, Set, Value
from hfcheck.formats.tensor import Tensor
from hfcheck.formats.torch_tensor import (
    BASES,
    StorageId,
    StoredTensor,
    TensorKind,
    base,
    fits,
    is_tensor,
    storage_id,
    tensor,
)

MAX_DEPTH = 4
"""Mappings in mappings that are searched for a state dict: `{"state": {"model": {...}}}` is two."""


MAX_SEARCHED = 1_000_000
"""Entries that are looked at in the search: a list of a million could be the content of as many dictionaries."""

MAX_NAME = 1024
"""Bytes of a name of Python 2: each is decoded by itself, and may be the same string of 64 KiB."""


class Root(Enum):
    """What `torch.load` returns; the value is how a message calls it."""

    MAPPING = "a mapping"
    TENSOR = "a tensor"
    MODULE = "a whole module"
    SEQUENCE = "a list"
    OTHER = "neither a mapping nor a tensor"


class FaultKind(Enum):
    """What is wrong with a tensor or its storage; the value completes "the tensor ..." or "the storage ..."."""

    SIZES = "has sizes that no tensor can have"
    BEYOND = "ends behind the end of its storage"
    DTYPES = "is said to be of two types"
    MISSING = "is not in the file"
    FOUND = "has another size in the file than the pickle says"
    UNUSED = "is in the file, and no tensor uses it"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about a state dict that does not add up. `detail` is a phrase; `count` says how many there are.

    `tensor` is the name of the first, None where it has none; `storage` the key of its storage.
    """

    kind: FaultKind
    detail: str
    tensor: str | None = None
    storage: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What a file holds under the key of a storage: `size` bytes, unpacked, from `offset` of the file on.

    `offset` is None where they are compressed. `member` is the record of the archive, None in a legacy file.
    """

    member: str | None
    offset: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Storage:
    """The bytes behind tensors.

    `key` is the stream's name for them, `dtype` in the spelling of safetensors, `U8` for an untyped one. `nbytes` is
    what the stream says, `found` what the file holds, None where it holds none. `offset` is the first byte in the
    file, None where it is not there or is compressed. `member` is the record.
    """

    key: str
    dtype: str
    nbytes: int
    location: str
    member: str | None
    offset: int | None
    found: int | None


@dataclass(frozen=True, slots=True)
class StateDict:
    """What a torch file stores under names, in its order.

    `tensors` are those that `from_pretrained` finds: the entries of the root that are tensors, as a safetensors
    header would give them. `begin` and `end` are bytes of the file, counted from 0 where the storage is not found
    or is compressed; `end - begin` is the size of the tensor without gaps. `stored` are the same with stride and
    storage, and those that have no shape. `others` are the entries beside the tensors, with the name of what they
    are, `first_other` the first of them if no tensor of floating point stands before it. `nameless` counts entries
    under what is no string.

    `nested` is the state dict that most tensors are in, where it is not the root itself: a checkpoint of a training
    has it in one of its entries. `pointer` is the way there (`/state_dict`), empty for a plain state dict.
    `module`: a whole module was saved, in the root or at `pointer`, and this class of Python is needed to load it.
    """

    tensors: Mapping[str, Tensor]
    stored: Mapping[str, StoredTensor]
    storages: Mapping[str, Storage]
    root: Root = Root.MAPPING
    pointer: str = ""
    nested: "StateDict | None" = None
    others: Mapping[str, str] = field(default_factory=dict)
    first_other: tuple[str, str] | None = None
    nameless: int = 0
    module: str | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def metadata(self) -> None:
        """A torch file has no metadata of its own; safetensors headers do."""
        return None


def shared(state: StateDict) -> dict[str, str]:
    """Tensors that are another one's bytes under a second name, each with the first of its names."""
    first: dict[tuple[object, ...], str] = {}
    found: dict[str, str] = {}
    for name, stored in state.stored.items():
        if stored.storage is not None and stored.shape is not None:
            place = (stored.storage, stored.start, stored.dtype, stored.shape, stored.stride)
            if (other := first.setdefault(place, name)) != name:
                found[name] = other
    return found


@paused()
def describe(run: Run, records: Mapping[str, Record]) -> StateDict | None:
    """The object of a torch file as a state dict; None where there is neither a storage nor a mapping.

    `records` are what the file holds, by the key that the pickle has for it. torch finds the members of an archive
    whatever the case of ASCII letters, and their keys are in lower case then.
    """
    storages, root = _Storages(run.persistent, records), _root(run.root)
    if root in (Root.SEQUENCE, Root.OTHER) and not storages.by_key:
        return None
    tensors = _Tensors(storages)
    entries = tensors.entries(run.root if root is Root.MAPPING else None)
    way, beneath = _way(run.root, len(entries.stored)) if root is Root.MAPPING else ((), None)
    module = _module(run.root) or _module(beneath)
    nested = tensors.entries(beneath) if beneath is not None and module is None else None
    return StateDict(
        entries.tensors,
        entries.stored,
        storages.by_key,
        root=root,
        pointer=pointer(*way),
        nested=StateDict(nested.tensors, nested.stored, storages.by_key, others=nested.others) if nested else None,
        others=entries.others,
        first_other=entries.first_other,
        nameless=entries.nameless,
        module=module,
        faults=(*storages.faults(), *tensors.faults(run.calls, run.root)),
    )


def element_sizes(persistent: Iterable[Persistent]) -> dict[str, int]:
    """The bytes of one element of each storage, by its key: legacy files count elements, and say so nowhere else."""
    sizes: dict[str, int] = {}
    for value in persistent:
        if (found := storage_id(value)) is not None:
            sizes.setdefault(found.key, torch_dtypes.SIZES[found.dtype])
    return sizes


class _Faults:
    """The first fault of each kind, and how many there are."""

    def __init__(self) -> None:
        self._found: dict[FaultKind, Fault] = {}

    def add(self, fault: Fault) -> None:
        first = self._found.get(fault.kind)
        self._found[fault.kind] = fault if first is None else replace(first, count=first.count + 1)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._found.values())


class _Storages:
    """The storages of a stream. Of two ids for one key the first counts: torch keeps what it made of that."""

    def __init__(self, persistent: Iterable[Persistent], records: Mapping[str, Record]) -> None:
        self.by_key: dict[str, Storage] = {}
        self._records = records
        self._ids: dict[int, StorageId | None] = {}
        self._faults = _Faults()
        for value in persistent:
            self(value)

    def __call__(self, value: Value) -> StorageId | None:
        try:
            return self._ids[id(value)]
        except KeyError:
            found = storage_id(value)
        if found is not None:
            known = self.by_key.get(found.key)
            if known is None:
                self.by_key[found.key] = self._storage(found)
            elif known.dtype != found.dtype or known.nbytes != found.nbytes:
                if found.numel and known.dtype != found.dtype:
                    detail = f"it holds {known.dtype} first, and then {found.dtype}"
                    self._faults.add(Fault(FaultKind.DTYPES, detail, storage=found.key))
                found = replace(found, dtype=known.dtype, numel=known.nbytes // torch_dtypes.SIZES[known.dtype])
        self._ids[id(value)] = found
        return found

    def faults(self) -> Iterator[Fault]:
        yield from self._faults
        faults = _Faults()
        for key, storage in self.by_key.items():
            if storage.found is None:
                faults.add(Fault(FaultKind.MISSING, f"it should be {storage.nbytes} bytes", storage=key))
            elif storage.found != storage.nbytes:
                detail = f"it is {storage.found} bytes, and the pickle says {storage.nbytes}"
                faults.add(Fault(FaultKind.FOUND, detail, storage=key))
        used = self.by_key.keys() | {key.lower() for key in self.by_key}
        for key, record in self._records.items():
            if key not in used:
                faults.add(Fault(FaultKind.UNUSED, f"it is {record.size} bytes", storage=key))
        yield from faults

    def _storage(self, found: StorageId) -> Storage:
        record = self._records.get(found.key) or self._records.get(found.key.lower())
        return Storage(
            found.key,
            found.dtype,
            found.nbytes,
            found.location,
            record.member if record is not None else None,
            record.offset if record is not None else None,
            record.size if record is not None else None,
        )


class _Entries(NamedTuple):
    """The entries of a mapping: all tensors, those of them that have a shape, and the rest as `StateDict` has it."""

    stored: dict[str, StoredTensor]
    tensors: dict[str, Tensor]
    others: dict[str, str]
    first_other: tuple[str, str] | None
    nameless: int


_FLOATING = frozenset({"F16", "BF16", "F32", "F64"})
"""Types that transformers takes for the precision of a model."""


_Seen = tuple[StoredTensor, Tensor, int]
"""A tensor as torch and as safetensors would describe it, and the last byte of its storage that it needs."""


class _Tensors:
    """The tensors of a stream, each looked at once however often it is used."""

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._seen: dict[int, _Seen | None] = {}

    def entries(self, mapping: Value) -> _Entries:
        """The last entry of a name counts, at the place of the first."""
        stored: dict[str, StoredTensor] = {}
        tensors: dict[str, Tensor] = {}
        others: dict[str, str] = {}
        first_other, is_open, nameless = None, True, 0
        for key, value in _pairs(mapping):
            name = key.decode("utf-8", "surrogateescape") if type(key) is bytes and len(key) <= MAX_NAME else key
            if type(name) is not str:
                nameless += 1
            elif (seen := self._of(value)) is None:
                others[name] = _called(value)
                first_other = first_other or ((name, others[name]) if is_open else None)
                if stored.pop(name, None) is not None:
                    tensors.pop(name, None)
            else:
                stored[name], described, _ = seen
                is_open = is_open and described.dtype not in _FLOATING
                if seen[0].shape is not None:
                    tensors[name] = described
                if others:
                    others.pop(name, None)
        return _Entries(stored, tensors, others, first_other, nameless)

    def faults(self, calls: Iterable[Call], root: Value) -> Iterator[Fault]:
        """What is wrong with the tensors anywhere in the stream; those below the root have a name."""
        faults = _Faults()
        names: dict[int, str] = {}
        for call in calls:
            if type(call.callee) is not Global or call.callee.name not in BASES:
                continue
            if id(call) not in self._seen and fits(call, self._storages):
                continue
            seen = self._of(call)
            if seen is None:
                continue
            fault = self._fault(seen)
            if fault is not None:
                names = names or {id(base(value)): key for key, value in _pairs(root) if type(key) is str}
                faults.add(replace(fault, tensor=names.get(id(call))))
        yield from faults

    def _fault(self, seen: _Seen) -> Fault | None:
        stored, _, end = seen
        if stored.shape is None:
            detail = "sizes, strides and offset have to be as many numbers from 0 on"
            return Fault(FaultKind.SIZES, detail) if stored.kind is not TensorKind.NESTED else None
        storage = self._storages.by_key.get(stored.storage) if stored.storage is not None else None
        if storage is None or end <= storage.nbytes or 0 in stored.shape:
            return None
        detail = f"it ends at byte {end}, and the storage has {storage.nbytes}"
        return Fault(FaultKind.BEYOND, detail, storage=storage.key)

    def _of(self, value: Value) -> _Seen | None:
        if type(value) is not Call:
            return None
        try:
            return self._seen[id(value)]
        except KeyError:
            stored = tensor(value, self._storages)
        seen = self._seen[id(value)] = self._placed(stored) if stored is not None else None
        return seen

    def _placed(self, stored: StoredTensor) -> _Seen:
        shape, begin = stored.shape or (), 0
        nbytes, first, end = stored.measured
        storage = self._storages.by_key.get(stored.storage) if stored.storage is not None else None
        if storage is not None and storage.offset is not None and end <= (storage.found or 0):
            begin = storage.offset + first
        if stored.dtype == "F4" and shape:  # safetensors counts the numbers, and torch the bytes that hold two of them
            shape = (*shape[:-1], 2 * shape[-1])
        return stored, Tensor(stored.dtype, shape, begin, begin + nbytes), end


def _root(value: Value) -> Root:
    if _module(value) is not None:
        return Root.MODULE
    if is_tensor(value):
        return Root.TENSOR
    if type(value) in (list, tuple):
        return Root.SEQUENCE
    return Root.MAPPING if _is_mapping(value) else Root.OTHER


_MAPPINGS = frozenset({
    ("collections", "OrderedDict"), ("collections", "Counter"), ("collections", "defaultdict"), ("builtins", "dict"),
    ("__builtin__", "dict"),
})  # fmt: skip


def _is_mapping(value: Value) -> bool:
    """Whether a value is a dictionary, or is filled like one."""
    if type(value) is not Call:
        return type(value) is Dict
    return value.flat is not None or (type(value.callee) is Global and value.callee.key in _MAPPINGS)


def _pairs(mapping: Value) -> Iterator[tuple[Value, Value]]:
    """The keys and values of a mapping. Python 2 wrote an OrderedDict as a call with a list of its pairs.

    What is no pair there is one of None: torch would raise.
    """
    if type(mapping) is Call:
        first = mapping.args[0] if type(mapping.args) in (tuple, list) and mapping.args else None
        if isinstance(first, Dict):
            yield from first.pairs()
        elif isinstance(first, (list, tuple)):
            yield from (pair if type(pair) in (list, tuple) and len(pair) == 2 else (None, None) for pair in first)
    if isinstance(mapping, (Call, Dict)):
        yield from mapping.pairs()


Way = tuple[str, ...]


def _way(root: Value, own: int) -> tuple[Way, Value]:
    """The entry below the root that most tensors are in, more than `own`, or else the first that is a module.

    The keys that lead there, and the entry; None where there is no such.
    """
    best: tuple[Way, Value] = ((), None)
    module: tuple[Way, Value] = ((), None)
    best_count, seen, level = own, {id(root)}, [(Way(), root)]
    budget = iter(range(MAX_SEARCHED))
    for _ in range(MAX_DEPTH):
        following: list[tuple[Way, Value]] = []
        for way, mapping in level:
            for _, (key, value) in zip(budget, _pairs(mapping), strict=False):
                if type(key) is not str or type(value) not in (Call, Dict) or id(value) in seen:
                    continue
                if _is_mapping(value):
                    seen.add(id(value))
                    following.append(((*way, key), value))
                    inside = zip(budget, _pairs(value), strict=False)
                    count = sum(1 for _, (name, inner) in inside if type(name) is str and is_tensor(inner))
                    if count > best_count:
                        best, best_count = ((*way, key), value), count
                elif module[1] is None and _module(value) is not None:
                    module = ((*way, key), value)
        level = following
    return best if best[1] is not None or own else module


_MODULE_ATTRIBUTES = 64
"""Where to look for `_modules` and `_parameters`: `torch.nn.Module.__init__` sets them first of all."""


def _module(value: Value) -> str | None:
    """The class of a whole module that was saved: an object whose attributes are those of `torch.nn.Module`."""
    if type(value) is not Call or not value.states:
        return None
    state = value.states[-1]
    if type(state) is tuple and state:
        state = state[0]
    if not _is_mapping(state):
        return None
    names = {key for key, _ in islice(_pairs(state), _MODULE_ATTRIBUTES) if type(key) is str}
    return _class_of(value) if {"_modules", "_parameters"} <= names else None


def _class_of(call: Call) -> str:
    """The class of an object, in the manner of Python: `package.module.Class`."""
    kind = call.callee
    if call.is_of("copyreg", "_reconstructor") or call.is_of("copy_reg", "_reconstructor"):
        kind = call.args[0] if type(call.args) in (tuple, list) and call.args else None
    if type(kind) is Persistent and type(kind.id) is tuple and len(kind.id) > 1:  # ('module', class, file, source)
        kind = kind.id[1]
    if type(kind) is Global and kind.module is not None and kind.name is not None:
        return f"{kind.module[:QUOTED]}.{kind.name[:QUOTED]}"
    return "a class that cannot be told"


def _called(value: Value) -> str:
    """What a value is, in the words of Python."""
    if type(value) is Call:
        return "a tensor" if is_tensor(value) else _class_of(value)
    if type(value) is Bulk:
        return value.kind.__name__
    if type(value) is Global:
        return "an imported name"
    named = {Dict: "dict", Set: "set", Persistent: "a storage"}.get(type(value))
    return named or (type(value).__name__ if type(value).__module__ == "builtins" else "a value that cannot be told")
