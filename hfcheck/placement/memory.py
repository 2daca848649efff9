"""The memory of each device: what lies there for good, what a generation keeps there, and what a pass needs.

`occupancies` sorts the tensors and layers of a model by device, once; `device_use` reckons for a number of tokens.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hfcheck.placement.activations import Widths, Work, estimates
from hfcheck.placement.cache import Cache, Kept, Moment, Sequences, total
from hfcheck.placement.device import Device, Key
from hfcheck.placement.dimensions import Sizes
from hfcheck.placement.layers import Layers
from hfcheck.placement.model import Model, Weight
from hfcheck.placement.result import DeviceUse, Term

_ITEMSIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_ATTENDS = ("attn", "attention", "mixer", "k_proj", "key", "mamba", "conv")


def itemsize(model: Model) -> int:
    """Bytes of an element of the hidden states."""
    return _ITEMSIZES.get(model.dtype, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A model that is placed and about to run.

    `placed` and `device_map` are those of the plan, `cache` what it keeps (None: it does not generate).
    """

    model: Model
    placed: Mapping[str, Key | None]
    device_map: Mapping[str, Key]
    devices: tuple[Device, ...]
    cache: Cache | None
    sizes: Sizes
    layers: Layers


@dataclass(frozen=True, slots=True, eq=False)
class Occupancy:
    """One device: bytes that lie there, and what is computed there. `onload` is the largest leaf that visits it."""

    device: Device
    weights: int = 0
    buffers: int = 0
    onload: int = 0
    work: Work = field(default_factory=Work)
    modules: tuple[str, ...] = ()
    is_listed: bool = True


def main_device(device_map: Mapping[str, Key]) -> Key | None:
    """The device on which all is executed that lies on cpu or disk: `dispatch_model` of accelerate 1.15."""
    return next((key for key in device_map.values() if key not in ("cpu", "disk")), "cpu" if device_map else None)


def occupancies(run: Run) -> tuple[Occupancy, ...]:
    """The devices of a target, and what else the map names."""
    main = main_device(run.device_map)
    lying: defaultdict[Key, list[Weight]] = defaultdict(list)
    visiting: Counter[str] = Counter()
    for name, weight in run.model.weights.items():
        key = run.placed.get(name)
        tied = run.model.ties.get(name)
        if key is None or (tied is not None and run.placed.get(tied) == key):
            continue
        away = key in ("cpu", "disk") and main not in ("cpu", None)
        if away and not weight.is_buffer:
            visiting[name.rpartition(".")[0]] += weight.nbytes
        lying[main if away and weight.is_buffer and main is not None else key].append(weight)
    works = _works(run, main)
    listed = {device.key for device in run.devices}
    others = [key for key in dict.fromkeys((*run.device_map.values(), *lying)) if key not in listed]
    found = [*run.devices, *(_unlisted(key) for key in others)]
    return tuple(
        Occupancy(
            device,
            weights=sum(weight.nbytes for weight in lying[device.key] if not weight.is_buffer),
            buffers=sum(weight.nbytes for weight in lying[device.key] if weight.is_buffer),
            onload=max(visiting.values(), default=0) if device.key == main else 0,
            work=replace(works.get(device.key, Work()), tensors=len(lying[device.key])),
            modules=tuple(path for path, key in run.device_map.items() if key == device.key),
            is_listed=device.key in listed,
        )
        for device in found
    )


def _unlisted(key: Key) -> Device:
    """A device that nobody listed; disk is always there."""
    if key == "disk":
        return Device(key, None, "disk")
    return Device(key, 0, "cpu" if key == "cpu" else "mps" if key == "mps" else "cuda")


def device_use(occupancy: Occupancy, sizes: Sizes, sequences: Sequences) -> DeviceUse:
    """What the device needs at these sequences."""
    kept = occupancy.work.kept
    tokens = {kind: count for kind, count in kept.items() if kind.kind != "state"}
    states = sum(
        count * total([one], sequences, Moment.GENERATING) for one, count in kept.items() if one.kind == "state"
    )
    prompt, generating = (
        sum(count * total([one], sequences, moment) for one, count in tokens.items())
        for moment in (Moment.PROMPT, Moment.GENERATING)
    )
    when = "at the end of a prompt that is read in one pass" if prompt > generating else "at the last token"
    exact = [
        ("weights", occupancy.weights, "from the headers"),
        ("buffers", occupancy.buffers, "from the class"),
        ("kv-cache", max(prompt, generating), when),
        ("states", states, "whatever the number of tokens"),
        ("onload", occupancy.onload, "the largest module that visits from cpu or disk"),
    ]
    terms = [Term(name, size, size, why) for name, size, why in exact if size]
    return DeviceUse(
        occupancy.device,
        (*terms, *estimates(occupancy.device, occupancy.work, sizes, sequences)),
        weights=occupancy.weights,
        buffers=occupancy.buffers,
        kv_cache=generating,
        states=states,
        prompt_peak=prompt + states,
        onload=occupancy.onload,
        modules=occupancy.modules,
        is_listed=occupancy.is_listed,
    )


def _works(run: Run, main: Key | None) -> dict[Key, Work]:
    """What each device computes: its own layers, and on the main device those that lie on cpu or disk."""

    def executed(key: Key | None) -> Key | None:
        return main if key in ("cpu", "disk") else key

    blocks: defaultdict[Key, set[Widths]] = defaultdict(set)
    kept: defaultdict[Key, Counter[Kept]] = defaultdict(Counter)
    unknown: Counter[Key] = Counter()
    cache, layers = run.cache or Cache(()), run.layers
    homes = {path: executed(_home(names, run.placed)) for path, names in layers.inside.items()}
    for path, found in layers.widths.items():
        home = homes[path]
        if home is not None:
            blocks[home].add(found)
    somewhere: Key = "cpu" if main is None else main
    for one in cache.kept:
        home = homes[one.path]
        kept[somewhere if home is None else home][replace(one, path="")] += 1
    for path in cache.unknown_layers or layers.widths if cache.unknown else ():
        home = homes[path]
        unknown[somewhere if home is None else home] += 1
    output = executed(_output(run))
    return {
        key: Work(frozenset(blocks[key]), kept[key], unknown[key], key == output)
        for key in {*blocks, *kept, *unknown, *([output] if output is not None else [])}
    }


def _home(names: Iterable[str], placed: Mapping[str, Key | None]) -> Key | None:
    """Where a block attends: a block that is split over devices keeps its cache where its keys are made."""
    first = None
    for name in names:
        key = placed.get(name)
        first = key if first is None else first
        if key is not None and any(word in name for word in _ATTENDS):
            return key
    return first


def _output(run: Run) -> Key | None:
    """Where logits are made: at the last tensor in the order of the model that is tied, or has the name of a head."""
    for name in ("lm_head.weight", "embed_out.weight", "output.weight", "cls.predictions.decoder.weight"):
        if name in run.placed:
            return run.placed[name]
    return next(reversed(list(run.placed.values())), None)
