"""What a dry run comes to: where every tensor goes, what each device needs, and what would make it work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hfcheck.placement.cache import Cache
from hfcheck.placement.capability import Abilities
from hfcheck.placement.conversion import Peak
from hfcheck.placement.device import Device, Key
from hfcheck.placement.lookup import Lookup
from hfcheck.placement.model import Model
from hfcheck.placement.offload import Offload
from hfcheck.placement.parallel import Parallel
from hfcheck.placement.plan import Plan, PlannerRaises
from hfcheck.placement.quantised_tree import Checkpoint
from hfcheck.placement.shards import Read, ShardPlan
from hfcheck.placement.target import STAMPS, Target

Fit: TypeAlias = Literal["fits", "tight", "does-not-fit"]
FITS: tuple[Fit, ...] = ("fits", "tight", "does-not-fit")
"""The better ones first."""

Verdict: TypeAlias = Literal["fits", "tight", "does-not-fit", "incomplete"]


@dataclass(frozen=True, slots=True)
class Term:
    """One part of what a device needs: `low` and `high` bytes, equal for what is known to the byte.

    `name` is a word of the report ("weights", "kv-cache", "logits", "cuda-context"), `why` a phrase on how it is known.
    """

    name: str
    low: int
    high: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """One device of the target, and what it needs, in bytes.

    `weights` and `buffers` are placed on it. `kv_cache` and `states` are what generation keeps there at `tokens` of the
    target, `prompt_peak` the same at the end of a prompt read in one pass; both include layers that are executed here
    and stored elsewhere. `onload` is the largest module that visits it from cpu or disk, `conversion_peak` what
    building fused tensors needs beside the weights. `terms` add up to `low` and `high`. `is_listed` is False for a
    device that the map names and nobody listed.
    """

    device: Device
    terms: tuple[Term, ...]
    weights: int = 0
    buffers: int = 0
    kv_cache: int = 0
    states: int = 0
    prompt_peak: int = 0
    onload: int = 0
    conversion_peak: int = 0
    reads: tuple[Read, ...] = ()
    modules: tuple[str, ...] = ()
    """Keys of the map that are placed here, in its order."""
    minimum: int | None = None
    """Bytes that a device which stayed empty would have needed."""
    is_listed: bool = True

    @property
    def low(self) -> int:
        return sum(term.low for term in self.terms)

    @property
    def high(self) -> int:
        return sum(term.high for term in self.terms)

    @property
    def fit(self) -> Fit:
        """A device without a size takes anything; one that nobody listed takes nothing."""
        if not self.is_listed:
            return "does-not-fit" if self.high else "fits"
        if self.device.size is None or self.high <= self.device.size:
            return "fits"
        return "does-not-fit" if self.low > self.device.size else "tight"


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest number of tokens, or of sequences, that fits: surely, and if all estimates are at their low end.

    None where no number is too large or nothing is known of the cache. `device` is the one that ends it.
    """

    surely: int | None
    perhaps: int | None
    device: Key | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A single change after which the verdict is a better one; it was planned again. `words` is a sentence."""

    words: str
    verdict: Verdict
    device: Key | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DryRun:
    """A load onto the devices of a target that did not take place.

    `model` and `plan` are None where nothing could be planned: `incomplete` says why, or `raises` what the planner of
    the library would stop with. `placed` gives the device of every tensor of the model, None for one that no key of the
    map covers. `devices` are those of the target in their order and what else the map names.
    """

    target: Target
    model: Model | None = None
    plan: Plan | None = None
    raises: PlannerRaises | None = None
    incomplete: str = ""
    placed: Mapping[str, Key | None] = field(default_factory=dict)
    devices: tuple[DeviceUse, ...] = ()
    lookup: Lookup | None = None
    shards: ShardPlan | None = None
    offload: Offload | None = None
    peaks: Mapping[Key, Peak] = field(default_factory=dict)
    """What building fused tensors needs, by device, with the tensor that needs most."""
    checkpoint: Checkpoint | None = None
    """A quantised checkpoint, and what becomes of it on these devices."""
    abilities: Abilities = field(default_factory=Abilities)
    cache: Cache | None = None
    context: int = 0
    """Tokens that were reckoned with: those of the target, or a default."""
    positions: int | None = None
    """Tokens that the model was made for, where its config says so."""
    largest_context: Largest | None = None
    largest_batch: Largest | None = None
    changes: tuple[Change, ...] = ()
    parallel: Parallel | None = None
    """Where the target asks for groups of processes: what each of them holds, and what is wrong with that."""
    not_checked: tuple[str, ...] = ()
    """Sentences on what this dry run does not say."""

    @property
    def stamp(self) -> str:
        return STAMPS[self.target.dialect]

    @property
    def is_too_long(self) -> bool:
        """Whether it is the context that was asked for which does not fit: a shorter one would."""
        if self.target.context is None or self.largest_context is None or not self.largest_context.perhaps:
            return False
        unlisted = any(use.fit == "does-not-fit" and not use.is_listed for use in self.devices)
        return not unlisted and self.largest_context.perhaps < self.target.context

    @property
    def offload_folder_bytes(self) -> int:
        return self.offload.folder if self.offload is not None else 0

    @property
    def verdict(self) -> Verdict:
        if self.raises is not None:
            return "does-not-fit"
        if self.model is None or self.plan is None:
            return "incomplete"
        return FITS[max((FITS.index(use.fit) for use in self.devices), default=0)]
