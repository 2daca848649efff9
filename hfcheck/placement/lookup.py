"""The device of every tensor under a device map, computed or written by hand, as each library looks it up."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from hfcheck.finding import quote
from hfcheck.placement.covering import owners
from hfcheck.placement.device import Key
from hfcheck.placement.expression import SYNTAX, Expression, TooCostly, compile_error
from hfcheck.placement.hooks import Nested, nested, unhooked
from hfcheck.placement.map_key import meant
from hfcheck.placement.map_value import Value, shown, value_of
from hfcheck.placement.model import Model, Weight, walk
from hfcheck.placement.plan import Plan, PlannerRaises
from hfcheck.placement.target import Target


@dataclass(frozen=True, slots=True)
class Trap:
    """A key that transformers takes for names that do not lie under it, all of which go to its device.

    `matched` is the part of the name that its expression matched; where that is no key, KeyError is raised.
    """

    key: str
    names: tuple[str, ...]
    matched: str
    raises: bool

    @property
    def modules(self) -> tuple[str, ...]:
        """The names up to the first dot behind what was matched."""
        ends = ((name, name.find(".", len(self.matched))) for name in self.names)
        return tuple(dict.fromkeys(name if end < 0 else name[:end] for name, end in ends))


@dataclass(frozen=True, eq=False)
class Lookup:
    """A device map, applied to a model.

    `device_map` has keys of devices as values, without those that name none. What is worked out further is worked out
    when it is asked for: most maps are planned to be compared, and then forgotten.
    """

    model: Model
    target: Target
    device_map: Mapping[str, Key]
    values: Mapping[str, Value]
    """What each value of a map that was written by hand comes to; empty for a computed one."""

    @property
    def is_computed(self) -> bool:
        return self.target.explicit is None

    @cached_property
    def devices(self) -> Mapping[str, Key | None]:
        """The device of every tensor of the model.

        None where no key covers it and the library has no other idea, or the value of the key names no device.
        """
        if self.target.dialect == "accelerate" or isinstance(self._matched, TooCostly):
            to: dict[str | None, Key | None] = {key: self.device_map.get(key) for key in self._keys}
            return {name: to.get(key) for name, key in self.owners.items()}
        to = {key: self.device_map.get(key) for key in self._keys}
        rest = to.get("", "cpu")
        return {name: to.get(key, rest) for name, key in self._matched.items()}

    @cached_property
    def owners(self) -> Mapping[str, str | None]:
        """The key that every tensor lies under: the longest one that is its name or a module around it, or "".

        `load_checkpoint_in_model` and `check_device_map` of accelerate 1.15.0 (utils/modeling.py).
        """
        return owners(self._keys, self.model.names)

    @cached_property
    def _matched(self) -> "Mapping[str, str | None] | TooCostly":
        """What the expression of transformers matches in every name."""
        try:
            expression = Expression(self._keys)
            # Most keys are the only ones that match what lies under them, and it need not be matched again.
            alone = {key for key in self._keys if key and expression.is_alone(key)}
            return {
                name: key if key in alone and name != key else expression.matched(name)
                for name, key in self.owners.items()
            }
        except TooCostly as error:
            return error

    @cached_property
    def raises(self) -> PlannerRaises | None:
        """What the load stops with because of the map, sooner or later."""
        return next(self._raised(), None)

    def _raised(self) -> Iterator[PlannerRaises]:
        """In the order in which the library comes to them."""
        for key, value in self.values.items():
            if value.is_refused:
                yield PlannerRaises(
                    self.error_of(value), f"the value that the device map gives {quote(key)} names no device"
                )
        if self.target.dialect == "transformers":
            yield from self._unmatched()
        if self.stops and self.uncovered:
            yield PlannerRaises("ValueError", f"the device map has no device for {quote(self.uncovered[0].name)}")
        for pair in self.nested:
            if pair.raises:
                yield PlannerRaises(
                    "ValueError",
                    f"{quote(pair.inner)} lies under {quote(pair.outer)} in the device map, and one of them is"
                    " offloaded and the other is not",
                )

    def _unmatched(self) -> Iterator[PlannerRaises]:
        """What comes of the regular expression."""
        if not self._keys:
            yield PlannerRaises("KeyError", "the device map is empty, and transformers looks up a key in it")
        if self.invalid is not None:
            yield PlannerRaises("re.error", f"transformers makes a regular expression of the keys: {self.invalid}")
        for trap in self.traps:
            if trap.raises:
                yield PlannerRaises(
                    "KeyError",
                    f"transformers makes a regular expression of the keys, which matches {quote(trap.matched)}, and"
                    " that is no key",
                )

    def error_of(self, value: Value) -> str:
        """The exception that a value ends the load with: accelerate hands numbers and texts to safetensors."""
        is_spelled = self.target.dialect == "accelerate" and value.fault in {"negative", "unknown", "fraction"}
        return "SafetensorError" if is_spelled else value.error

    def shown(self, key: str) -> str:
        """The value of a key as it stands in the file."""
        return shown((self.target.explicit or {})[key])

    @property
    def stops(self) -> bool:
        """Whether the library refuses, at the end of the load, a map that does not cover all that a file could hold.

        accelerate always does. transformers does it where it attaches hooks, for two values or a disk, and not for a
        class with parameters that no device is meant for.
        """
        if self.target.dialect == "accelerate":
            return True
        return self.is_dispatched and not self.model.no_placement

    @property
    def is_dispatched(self) -> bool:
        """Whether the modules get hooks, which move inputs to them or weights."""
        given = self.device_map.values() if self.is_computed else map(repr, (self.target.explicit or {}).values())
        return len(set(given)) > 1 or "disk" in self.device_map.values()

    @property
    def is_all_on_disk(self) -> bool:
        """Whether accelerate reads no safetensors: it hands the only device of a map to the library as it is."""
        return self.target.dialect == "accelerate" and set(self.device_map.values()) == {"disk"}

    @cached_property
    def uncovered(self) -> tuple[Weight, ...]:
        """Tensors that a weight file could hold and that lie under no key."""
        return tuple(weight for weight in self._bare if weight.is_persistent)

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """Modules and tensors that lie under no key, in order: the largest ones of which no part has a device."""
        touched: set[str] = set()
        for name, key in self.owners.items():
            path = name if key is not None else ""
            while path and path not in touched:
                touched.add(path)
                path = path.rpartition(".")[0]
        return tuple(dict.fromkeys(_outermost(weight.name, touched) for weight in self.uncovered))

    @cached_property
    def dropped(self) -> tuple[Weight, ...]:
        """Buffers that no weight file holds and that lie under no key: they stay on the CPU."""
        return tuple(weight for weight in self._bare if not weight.is_persistent)

    @cached_property
    def _bare(self) -> tuple[Weight, ...]:
        """What lies under no key, in the order of the model."""
        if None not in self.owners.values():
            return ()
        return tuple(weight for name, weight in self.model.weights.items() if self.owners[name] is None)

    @cached_property
    def syntax(self) -> tuple[str, ...]:
        """Keys that transformers reads as more than a name; they are matched with nothing here."""
        if self.target.dialect == "accelerate":
            return ()
        return tuple(key for key in self._keys if not SYNTAX.isdisjoint(key))

    @cached_property
    def invalid(self) -> str | None:
        """Why the keys are no regular expression."""
        return compile_error(self.syntax)

    @property
    def _keys(self) -> Collection[str]:
        return self.device_map if self.is_computed else (self.target.explicit or {})

    @property
    def incomplete(self) -> str:
        """Why the devices are not for certain those of the library; empty where they are."""
        if self.target.dialect == "transformers" and isinstance(self._matched, TooCostly):
            return "the keys of the device map are too many or too much alike to be matched as transformers does it"
        if self.syntax and self.invalid is None:
            return (
                f"the key {quote(self.syntax[0])} of the device map is a regular expression, which hfcheck does not run"
            )
        return ""

    @cached_property
    def traps(self) -> tuple[Trap, ...]:
        """Keys that transformers takes for names elsewhere, and names that it finds no key for though there is one."""
        if self.target.dialect == "accelerate" or isinstance(self._matched, TooCostly) or self._matched == self.owners:
            return ()
        caught: dict[tuple[str, bool], list[str]] = {}
        for name, matched in self._matched.items():
            if matched is None or matched == self.owners[name]:
                continue
            is_key = matched in self._keys
            owner = self.owners[name]
            if not is_key or owner is None or self.device_map.get(owner) != self.device_map.get(matched):
                caught.setdefault((matched, not is_key), []).append(name)
        return tuple(
            Trap(matched if not raises else _meant_key(self._keys, matched), tuple(names), matched, raises)
            for (matched, raises), names in caught.items()
        )

    @cached_property
    def modules(self) -> frozenset[str]:
        """Paths of the modules of the model."""
        return frozenset(path for path, _ in walk(self.model.root))

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Keys that are neither a module of the model nor a tensor of it; both libraries warn of them at most.

        Modules without tensors are missing in a tree that was made of names, and everywhere below one that is never
        split: there a key counts as known where the module around it is.
        """
        known = self.modules
        left = (key for key in self._keys if key and key not in self.syntax)
        missing = (key for key in left if key not in known and key not in self.model.weights)
        return tuple(key for key in missing if key.rpartition(".")[0] not in known or not self._may_be_empty(key))

    def _may_be_empty(self, key: str) -> bool:
        """Whether the tree would lack a module at this path that has no tensors.

        What is known of a path in the files is that it has some: those are elsewhere then.
        """
        if key in self._stored:
            return False
        module = self.model.root
        for part in key.split("."):
            if not self.model.exact or module.kind in self.model.no_split:
                return True
            if part not in module.children:
                return False
            module = module.children[part]
        return False

    @cached_property
    def _stored(self) -> frozenset[str]:
        """Paths of modules as the files name them."""
        paths: set[str] = set()
        for weight in self.model.weights.values():
            for source in weight.sources:
                path = source.rpartition(".")[0]
                while path and path not in paths:
                    paths.add(path)
                    path = path.rpartition(".")[0]
        return frozenset(paths)

    def meant(self, key: str) -> str:
        """The module that an unknown key seems to be meant for; empty where none comes to mind."""
        return meant(self.model, self.modules, key)

    @cached_property
    def apart(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tied parameters that do not all go to one device."""
        groups: dict[str, list[str]] = {}
        for target, source in self.model.ties.items():
            groups.setdefault(source, [source]).append(target)
        return tuple(
            tuple(names)
            for names in groups.values()
            if len({self.devices[name] for name in names if name in self.devices}) > 1
        )

    @cached_property
    def nested(self) -> tuple[Nested, ...]:
        """Keys under another one with another device, and whether the load stops at them. Planners make none."""
        if self.is_computed:
            return ()
        return nested(self.device_map, self.owners, self.model.weights, is_dispatched=self.is_dispatched)

    @cached_property
    def unhooked(self) -> tuple[str, ...]:
        """Keys that are parameters, with another device than their module, or of a module that has none.

        What is there of a module that was split has no hook either, and the planners of both libraries do so.
        """
        if not self.is_dispatched:
            return ()
        found = unhooked(self.device_map, self.model.weights)
        leaves = {path for path, module in walk(self.model.root) if not module.children} if found else set()
        return tuple(key for key in found if key.rpartition(".")[0] in leaves)


def looked_up(model: Model, plan: Plan | None, target: Target) -> Lookup:
    """The map of a plan, or where there is none the explicit one of the target, applied to a model."""
    if plan is not None:
        return Lookup(model, target, plan.device_map, {})
    listed = {device.key for device in target.devices}
    values = {key: value_of(value, listed) for key, value in (target.explicit or {}).items()}
    device_map = {key: value.device for key, value in values.items() if value.device is not None}
    return Lookup(model, target, device_map, values)


def _outermost(name: str, touched: set[str]) -> str:
    """The shortest path around a tensor, or its name, that is not touched."""
    end = name.find(".")
    while end >= 0 and name[:end] in touched:
        end = name.find(".", end + 1)
    return name if end < 0 else name[:end]


def _meant_key(keys: Iterable[str], matched: str) -> str:
    """A key that matches a text in which something else stands where it has a dot."""
    return next(
        (
            key
            for key in keys
            if len(key) == len(matched)
            and all(ours in {".", theirs} for ours, theirs in zip(key, matched, strict=True))
        ),
        matched,
    )
