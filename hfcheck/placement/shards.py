"""The shard plan: which bytes of which weight files every device reads, and what the reading holds in RAM.

Sources: transformers 5.23 `modeling_utils.py:_load_pretrained_model`, `core_model_loading.py`; accelerate 1.15
`utils/modeling.py:load_state_dict`, `load_checkpoint_in_model`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Header
from hfcheck.formats.torch_state import StateDict
from hfcheck.placement.covering import cover
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model
from hfcheck.placement.target import Dialect

Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Read:
    """What a device reads of one weight file: merged byte ranges from the start of the file, begin and end.

    `unlocated` are further bytes, of tensors whose place in the file is not known: those of a compressed archive.
    """

    file: str
    ranges: tuple[tuple[int, int], ...]
    unlocated: int = 0

    @property
    def nbytes(self) -> int:
        return sum(end - begin for begin, end in self.ranges) + self.unlocated


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What each device reads. Tensors for the disk stand under "disk", though both loaders read them into RAM first.

    `shared` are files that more than one device reads, with these in order. `again` are bytes that are read once more,
    for another device: accelerate takes each of two nested keys by itself. `held` are bytes in RAM at the worst moment
    that do not stay there; what is only mapped into memory is not among them.
    """

    reads: Mapping[Key, tuple[Read, ...]]
    shared: Mapping[str, tuple[Key, ...]]
    again: int = 0
    held: int = 0


def shard_plan(
    dialect: Dialect,
    model: Model,
    device_map: Mapping[str, Key],
    placed: Mapping[str, Key | None],
    headers: Mapping[str, Header],
) -> ShardPlan:
    """The reads of a load of these weight files, by path, in the order in which the loader opens them.

    `placed` gives the device of every tensor of the model. Linear in the number of tensors.
    """
    if dialect == "accelerate":
        return _accelerate(device_map, headers)
    return _transformers(model, placed, headers)


def owner(device_map: Mapping[str, Key], name: str) -> Key | None:
    """The device of a tensor as accelerate looks it up: by the longest key that is its name or ends at a dot of it.

    None where there is none, which is a ValueError there.
    """
    key = cover(device_map, name)
    return None if key is None else device_map[key]


def _transformers(model: Model, placed: Mapping[str, Key | None], headers: Mapping[str, Header]) -> ShardPlan:
    """It reads what the model takes, each tensor once, to the device of the first parameter that is made of it."""
    # Of two tensors of one name in two files the last one is in the dictionary that is loaded.
    files = {name: path for path, header in headers.items() for name in header.tensors}
    devices: dict[str, Key] = {}
    for weight in model.weights.values():
        device = placed.get(weight.name)
        for source in weight.sources:
            devices.setdefault(source, "cpu" if device is None else device)
    collected = _Collected(headers)
    for name, path in files.items():
        if name in devices:
            collected.add(devices[name], path, name)
    # torch maps archives into memory (`load_state_dict`); a file in the older format is read as a whole.
    held = sum(_stored(header) for header in headers.values() if isinstance(header, StateDict) and _is_legacy(header))
    return collected.plan(held=held)


def _accelerate(device_map: Mapping[str, Key], headers: Mapping[str, Header]) -> ShardPlan:
    """It reads whole files, one by one; a tensor of safetensors once for every key that its name lies under."""
    collected, again, held = _Collected(headers), 0, 0
    is_single, is_nested = len(set(device_map.values())) == 1, _is_nested(device_map)
    for path, header in headers.items():
        by_device = isinstance(header, SafetensorsFacts)  # torch.load reads any other file to the CPU
        passing = 0
        for name, tensor in header.tensors.items():
            last = owner(device_map, name)
            device = "cpu" if last is None else last
            collected.add(device, path, name)
            if is_single and by_device:
                continue
            keys = tuple(_keys(device_map, name)) if is_nested or "" in device_map else (device,)
            readers = [key for key in keys if key != "disk"] if by_device else []
            again += max(0, len(readers) - 1) * tensor.nbytes
            for reader in dict.fromkeys(readers):
                if reader != device:
                    collected.add(reader, path, name)
            if device != "cpu" and device not in readers:
                passing += tensor.nbytes
        held = max(held, passing)
    return collected.plan(again=again, held=held)


def _keys(device_map: Mapping[str, Key], name: str) -> Iterator[Key]:
    """The devices of all keys that `load_state_dict` takes a tensor for; the key "" is none of them."""
    at = name
    while at:
        if at in device_map:
            yield device_map[at]
        at = at.rpartition(".")[0]


def _is_nested(device_map: Mapping[str, Key]) -> bool:
    return any(owner(device_map, key.rpartition(".")[0]) is not None for key in device_map if "." in key)


@dataclass(slots=True)
class _Collected:
    """Ranges by device and file, as they come."""

    headers: Mapping[str, Header]
    ranges: dict[Key, dict[str, list[Range]]] = field(default_factory=dict)
    unlocated: dict[tuple[Key, str], int] = field(default_factory=dict)

    def add(self, device: Key, path: str, name: str) -> None:
        header = self.headers[path]
        tensor = header.tensors[name]
        ranges = self.ranges.setdefault(device, {}).setdefault(path, [])
        if isinstance(header, SafetensorsFacts):
            ranges.append((header.data_start + tensor.begin, header.data_start + tensor.end))
        elif tensor.begin:  # no file of torch begins with a tensor
            ranges.append((tensor.begin, tensor.end))
        else:
            self.unlocated[device, path] = self.unlocated.get((device, path), 0) + tensor.nbytes

    def plan(self, *, again: int = 0, held: int = 0) -> ShardPlan:
        reads = {
            device: tuple(
                Read(path, tuple(merged(files[path])), self.unlocated.get((device, path), 0))
                for path in self.headers
                if path in files
            )
            for device, files in self.ranges.items()
        }
        readers: dict[str, list[Key]] = {}
        for device, files in self.ranges.items():
            for path in files:
                readers.setdefault(path, []).append(device)
        shared = {path: tuple(readers[path]) for path in self.headers if len(readers.get(path, ())) > 1}
        return ShardPlan(reads, shared, again, held)


def merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """Ranges in order, joined where they touch or overlap; empty ones are left out."""
    begin = end = 0
    for first, last in sorted(ranges):
        if first > end:
            if end > begin:
                yield begin, end
            begin, end = first, last
        else:
            end = max(end, last)
    if end > begin:
        yield begin, end


def _stored(header: Header) -> int:
    return sum(tensor.nbytes for tensor in header.tensors.values())


def _is_legacy(state: StateDict) -> bool:
    """Whether a file of torch is none of the archives of torch 1.6 and later: its storages are no members of one."""
    return any(storage.member is None and storage.found is not None for storage in state.storages.values())
