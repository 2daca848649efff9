"""One load of a model onto the devices of a target: the map, where each tensor goes, and what each device needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from hfcheck.placement.cache import Sequences
from hfcheck.placement.device import Key
from hfcheck.placement.dimensions import context_of, source_of
from hfcheck.placement.generation import Generation
from hfcheck.placement.layers import Layers
from hfcheck.placement.lookup import Lookup, looked_up
from hfcheck.placement.memory import Occupancy, Run, device_use, itemsize, occupancies
from hfcheck.placement.model import Model
from hfcheck.placement.plan import Plan, PlannerRaises
from hfcheck.placement.planner import plan_with
from hfcheck.placement.prepared import Prepared
from hfcheck.placement.result import FITS, DeviceUse
from hfcheck.placement.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is tried: a model, counted once for all trials, and what it does when it runs.

    `layers` are its blocks and what is in them.
    """

    ready: Prepared
    generation: Generation
    layers: Layers

    @property
    def model(self) -> Model:
        return self.ready.model


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came of one target. There is no plan where the planner of the library stops; `raises` says why.

    A load that stops later, because of its map, has a plan and `raises` as well.
    """

    target: Target
    sequences: Sequences
    plan: Plan | None = None
    raises: PlannerRaises | None = None
    lookup: Lookup | None = None
    occupancies: tuple[Occupancy, ...] = ()
    uses: tuple[DeviceUse, ...] = ()

    @property
    def placed(self) -> Mapping[str, Key | None]:
        return self.lookup.devices if self.lookup is not None else {}

    @property
    def offloaded(self) -> int:
        """Bytes of weights that wait on cpu or disk, though there is an accelerator to run them."""
        if not any(device.is_accelerator for device in self.target.devices):
            return 0
        return sum(use.weights for use in self.uses if not use.device.is_accelerator)

    @property
    def rank(self) -> tuple[int, bool]:
        """The smaller the better: how it fits, then whether anything is offloaded."""
        if self.raises is not None or self.plan is None:
            return len(FITS), True
        return max((FITS.index(use.fit) for use in self.uses), default=0), self.offloaded > 0


def sequences_of(subject: Subject, target: Target) -> Sequences:
    """What is read and generated: as the target says, or as the model allows."""
    sizes = subject.generation.sizes
    context = context_of(target, sizes)
    return Sequences(context, target.batch, itemsize(subject.model), source_of(sizes, context))


def tried(subject: Subject, target: Target) -> Trial:
    """The load of a model onto a target, of the dialect that it was prepared for."""
    model, generation, sequences = subject.model, subject.generation, sequences_of(subject, target)
    try:
        plan = plan_with(subject.ready, target) if target.explicit is None else None
        lookup = looked_up(model, plan, target)
        placed = lookup.devices
    except PlannerRaises as error:
        return Trial(target, sequences, raises=error)
    plan = plan or Plan(lookup.device_map)
    run = Run(model, placed, plan.device_map, target.devices, generation.cache, generation.sizes, subject.layers)
    found = occupancies(run)
    uses = tuple(device_use(one, generation.sizes, sequences) for one in found)
    return Trial(target, sequences, plan, lookup.raises, lookup, found, uses)
