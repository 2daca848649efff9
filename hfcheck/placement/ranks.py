"""The memory of each process of a parallel load: its share of the weights, of the cache, and what a pass needs.

The first rank has the first accelerator of the target, and so on; where none is listed, all are on the CPU. Widths of
activations are those of the whole model, so that their estimates are upper ones.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hfcheck.placement.cache import Kept, Sequences
from hfcheck.placement.device import Device
from hfcheck.placement.memory import Occupancy, Run, device_use, occupancies
from hfcheck.placement.parallel import Parallel, Rank
from hfcheck.placement.result import DeviceUse, Term
from hfcheck.placement.target import Target
from hfcheck.placement.trial import Subject

_DIVIDED = frozenset({"attention", "sliding", "cross"})
"""What has heads, and is divided as they are; a latent vector and the states of a recurrence are whole on each rank."""


def rank_uses(parallel: Parallel, subject: Subject, sequences: Sequences, target: Target) -> tuple[DeviceUse, ...]:
    """What each device of the target needs; a rank without a device has one that is not listed.

    Empty where the shares of the ranks are not known.
    """
    if not parallel.ranks:
        return ()
    stages = _stages(parallel, subject)
    sizes = subject.generation.sizes

    def use(rank: Rank, device: Device, *, is_listed: bool) -> DeviceUse:
        base = stages.get(rank.stage, Occupancy(device))
        divided = _divided(base.work.kept, parallel.cache_shares)
        work = replace(base.work, kept=divided)
        modules = tuple(_modules(parallel, rank))
        found = Occupancy(device, rank.weights, rank.buffers, 0, work, modules, is_listed)
        return device_use(found, sizes, sequences)

    accelerators = [device for device in target.devices if device.is_accelerator]
    others = [device for device in target.devices if not device.is_accelerator]
    empty = [device_use(Occupancy(device), sizes, sequences) for device in others]
    if not accelerators:
        host = next((device for device in others if device.backend == "cpu"), Device("cpu", None, "cpu"))
        together = _together([use(rank, host, is_listed=True) for rank in parallel.ranks])
        return (together, *(one for one in empty if one.device.key != host.key))
    missing = len(parallel.ranks) - len(accelerators)
    free = max((device.key for device in accelerators if isinstance(device.key, int)), default=-1) + 1
    unlisted = [Device(free + number, 0) for number in range(missing)]
    ranked = [
        use(rank, device, is_listed=device in accelerators)
        for rank, device in zip(parallel.ranks, [*accelerators, *unlisted], strict=False)
    ]
    spare = [device_use(Occupancy(device), sizes, sequences) for device in accelerators[len(parallel.ranks) :]]
    return (*ranked, *spare, *empty)


def _stages(parallel: Parallel, subject: Subject) -> Mapping[int, Occupancy]:
    """What each stage computes: that of a load in which its tensors lie on a device of their own."""
    last = parallel.pp - 1
    devices = tuple(Device(stage, None) for stage in range(parallel.pp))
    placed = {
        name: (held[0] if (held := parallel.stages.holders(name)) else last) if parallel.pp > 1 else 0
        for name in subject.model.weights
    }
    generation = subject.generation
    run = Run(subject.model, placed, {"": 0}, devices, generation.cache, generation.sizes, subject.layers)
    return {one.device.key: one for one in occupancies(run) if isinstance(one.device.key, int)}


def _divided(kept: Mapping[Kept, int], shares: int) -> Counter[Kept]:
    found: Counter[Kept] = Counter()
    for one, count in kept.items():
        part = replace(one, per_token=-(-one.per_token // shares)) if one.kind in _DIVIDED else one
        found[part] += count
    return found


def _modules(parallel: Parallel, rank: Rank) -> Iterator[str]:
    """The layers of a stage; every rank has a part of all modules where there are no stages."""
    if rank.layers is not None:
        yield from (f"{parallel.stages.base}.layers.{number}" for number in range(*rank.layers))


def _together(uses: Sequence[DeviceUse]) -> DeviceUse:
    """Several processes on one device."""
    terms: defaultdict[str, list[Term]] = defaultdict(list)
    for use in uses:
        for term in use.terms:
            terms[term.name].append(term)

    return replace(
        uses[0],
        terms=tuple(_sum(group) for group in terms.values()),
        weights=sum(use.weights for use in uses),
        buffers=sum(use.buffers for use in uses),
        kv_cache=sum(use.kv_cache for use in uses),
        states=sum(use.states for use in uses),
        prompt_peak=sum(use.prompt_peak for use in uses),
        modules=tuple(dict.fromkeys(_all(use.modules for use in uses))),
    )


def _sum(group: Sequence[Term]) -> Term:
    return replace(group[0], low=sum(term.low for term in group), high=sum(term.high for term in group))


def _all(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    return (one for group in groups for one in group)
