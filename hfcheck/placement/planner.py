"""The device map that a loader would compute: the planners of transformers and accelerate, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hfcheck.finding import quote
from hfcheck.placement.budgets import budgets
from hfcheck.placement.cleaned import cleaned
from hfcheck.placement.covering import cover
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model, Module, walk
from hfcheck.placement.plan import Plan, PlannerRaises, Stop
from hfcheck.placement.prepared import Entry, Prepared, prepared
from hfcheck.placement.queue import Queue
from hfcheck.placement.target import Target


def plan(model: Model, target: Target) -> Plan:
    """The map for one target; raises PlannerRaises where the library of its dialect raises.

    Where many targets are tried on one model, `plan_with(prepared(model, dialect), target)` counts its bytes only once.
    """
    return plan_with(prepared(model, target.dialect), target)


def plan_with(ready: Prepared, target: Target) -> Plan:
    """The map for a target of the dialect that the model was prepared for; raises PlannerRaises.

    `infer_auto_device_map` and `_get_device_map` of transformers 5.23.0 (integrations/accelerate.py), the same of
    accelerate 1.15.0 (utils/modeling.py).
    """
    run = _Run(ready, budgets(ready, target))
    _fill(run)
    placed = run.placed if run.escapes else cleaned(run.placed)
    if ready.dialect == "transformers":
        _check_ties(ready, placed)
    return Plan(placed, run.budgets, run.used, tuple(run.stops), run.minimum)


@dataclass(slots=True, eq=False)
class _Run:
    """One run of the planner. `reserve` is kept free on the main devices for the largest layer.

    `holders` are the modules that had a layer of that size when it was last worked out: it is worked out again when the
    last of them has had its turn, so that it can be out of date.
    """

    ready: Prepared
    budgets: Mapping[Key, float]
    devices: tuple[Key, ...] = ()
    main: frozenset[Key] = frozenset()
    queue: Queue = field(init=False)
    reserve: float = 0
    holders: dict[str, None] = field(default_factory=dict)
    current: int = 0
    placed: dict[str, Key] = field(default_factory=dict)
    used: dict[Key, float] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)
    minimum: dict[Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = (*self.budgets, "disk")
        accelerators = [key for key in self.budgets if key != "cpu"]
        if "mps" in accelerators:
            self.main = frozenset({"mps"})
        else:
            self.main = frozenset({*accelerators[:1], "cpu"})
        self.used = dict.fromkeys(self.devices, 0)
        root = self.ready.model.root
        entries: list[Entry] = [(name, None) for name in root.parameters]
        entries += root.children.items()
        entries += ((name, None) for name in root.buffers)
        self.queue = Queue(self.ready, entries)
        self._keep_free(entries)

    @property
    def escapes(self) -> bool:
        """Whether huge parameters may be placed apart from their module: such maps are not shortened."""
        return self.ready.dialect == "transformers" and bool(self.ready.model.no_placement)

    @property
    def device(self) -> Key:
        return self.devices[self.current]

    @property
    def reserved(self) -> float:
        return self.reserve if self.device in self.main else 0

    @property
    def room(self) -> float | None:
        """What modules may fill on the current device, reserve apart; None for the disk."""
        return None if self.device == "disk" else self.budgets[self.device] - self.reserved

    def take(self) -> Entry:
        name, module = self.queue.pop()
        self.holders.pop(name, None)
        if not self.holders:
            self.renew()
        return name, module

    def renew(self) -> None:
        self.reserve, self.holders = self.queue.largest()

    def _keep_free(self, entries: Sequence[Entry]) -> None:
        """At the start, and only then, tensors of the root are layers too."""
        self.renew()
        for name, module in entries:
            if module is None:
                size = self.ready.size(name, None)
                if size > self.reserve:
                    self.reserve, self.holders = size, {}
                if size == self.reserve:
                    self.holders[name] = None


@dataclass(frozen=True, slots=True)
class _Need:
    """What has to be placed at once: an entry, and those that hold parameters tied to its own."""

    name: str
    module: Module | None
    size: float
    with_ties: float
    ties: tuple[Entry, ...] = ()


def _fill(run: _Run) -> None:
    while run.queue:
        need = _need(run, *run.take())
        room, used = run.room, run.used[run.device]
        if room is None or used + need.with_ties <= room:
            _place(run, need)
        elif need.ties and used + need.size <= room and _split_tied(run, need):
            continue
        elif run.ready.dialect == "accelerate" and used + need.size < room:
            _stop(run, need)  # only its ties are too large, and accelerate splits no module for that
        elif need.module is not None and run.ready.is_split(need.module):
            run.queue.push(run.ready.pieces(need.name, need.module))
            run.renew()
        elif need.module is not None and _escapes(run, need, need.module):
            run.queue.push(_without_huge(run.ready.model, need.name, need.module))
        else:
            _stop(run, need)


def _need(run: _Run, name: str, module: Module | None) -> _Need:
    """`get_module_size_with_ties`: accelerate takes the tied parameter off, transformers counts each entry once."""
    ready = run.ready
    size = with_ties = ready.size(name, module)
    ties: dict[str, Module | None] = {}
    for tensor in ready.outside(name):
        entry = run.queue.around(tensor)
        if entry is None:
            raise PlannerRaises(
                "IndexError",
                f"{quote(tensor)} is tied to a parameter of {quote(name)}, and nothing that is still to be placed holds"
                f" it: {ready.dialect} looks for a module around it and finds none; try other sizes of the"
                " devices, or write the device map by hand",
            )
        if ready.dialect == "accelerate":
            with_ties += ready.size(*entry) - ready.size(tensor, None)
        elif entry[0] not in ties:
            with_ties += ready.size(*entry)
        ties[entry[0]] = entry[1]
    return _Need(name, module, size, with_ties, tuple(ties.items()))


def _place(run: _Run, need: _Need) -> None:
    run.used[run.device] += need.with_ties
    run.placed[need.name] = run.device
    for name, _ in need.ties:
        run.queue.remove(name)
        run.placed[name] = run.device


def _split_tied(run: _Run, need: _Need) -> bool:
    """Splits the first module that can be, of those that are tied, and gives the entry another turn."""
    for name, module in need.ties:
        if module is not None and run.ready.is_split(module):
            run.queue.replace(name, run.ready.pieces(name, module))
            run.queue.push([(need.name, need.module)])
            run.renew()
            return True
    return False


def _escapes(run: _Run, need: _Need, module: Module) -> bool:
    """Whether a module would not even fit on the next accelerator and holds a parameter that may be left out."""
    following = run.devices[run.current + 1]
    return (
        run.escapes
        and module.kind in run.ready.model.no_split
        and following not in {"cpu", "disk"}
        and run.used[following] + need.with_ties > run.budgets[following]
        and any(name in run.ready.model.no_placement for name in _parameters(module))
    )


def _without_huge(model: Model, name: str, module: Module) -> Iterator[Entry]:
    for inside in (*_parameters(module), *_buffers(module)):
        if inside not in model.no_placement:
            yield f"{name}.{inside}", None


def _parameters(module: Module) -> Iterator[str]:
    return (f"{path}.{part}" if path else part for path, inner in walk(module) for part in inner.parameters)


def _buffers(module: Module) -> Iterator[str]:
    return (f"{path}.{part}" if path else part for path, inner in walk(module) for part in inner.buffers)


def _stop(run: _Run, need: _Need) -> None:
    """Leaves the current device for good; the entry is the next one again."""
    used = run.used[run.device]
    owner = ""
    if run.reserved:
        holder = next(iter(run.holders), "")
        owner = run.ready.layers[holder].name if holder in run.ready.layers else holder
    if used == 0:
        run.minimum[run.device] = need.with_ties + run.reserved
    run.stops.append(
        Stop(
            run.device,
            need.name,
            need.with_ties,
            used,
            run.budgets[run.device],
            run.reserved,
            owner,
            tuple(name for name, _ in need.ties),
        )
    )
    run.current += 1
    run.queue.push([(need.name, need.module)])


def _check_ties(ready: Prepared, placed: Mapping[str, Key]) -> None:
    """`check_tied_parameters_on_same_device`, which wants a device for each of them."""
    for group in ready.groups:
        for name in group:
            if cover(placed, name) is None:
                raise PlannerRaises(
                    "ValueError",
                    f"{quote(name)} is a tied parameter that the computed device map has no key for; write the device"
                    " map by hand",
                )
