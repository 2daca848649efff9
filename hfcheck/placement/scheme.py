"""The parallel plans of a model: which style each module or parameter is given, by patterns of names.

After `distributed/mixin.py` of transformers 5.23: a model has the plan of its class, that of its config where it is a
base model, and those of the models directly inside it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hfcheck.loading.classes import below
from hfcheck.loading.draft import Resolved
from hfcheck.loading.spec import Submodel
from hfcheck.placement.census import Frame

DISPATCH = "ep_dispatch_experts"

_NUMBER = re.compile(r"\.\d+(\.|$)")


@dataclass(frozen=True, slots=True)
class Owner:
    """A model in the model, and the config it is built with: its attention has the heads of that one."""

    at: str
    config: Resolved


class Given(NamedTuple):
    """The style of a parameter, the pattern of the rule that gives it, and "tp" or "ep": the ranks that share it."""

    pattern: str
    style: str
    axis: str


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """What a class says of parallel loads. `base` is the path of its base model, empty where it is one itself."""

    tp: Mapping[str, str] = field(default_factory=dict)
    ep: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    owners: tuple[Owner, ...] = ()

    def asked(self, tp: int, ep: int) -> "Scheme":
        """The rules that count at these sizes: a plan for experts takes its modules out of the other one."""
        experts = self.ep if ep > 1 else {}
        kept = {
            pattern: style
            for pattern, style in (self.tp if tp > 1 else {}).items()
            if not any(pattern == one or pattern.startswith(f"{one}.") for one in experts)
        }
        return Scheme(kept, experts, self.base, self.owners)

    def given(self, form: str) -> Given | None:
        """The rule for a parameter, by its name with wildcards; None where it is whole on every rank."""
        module = form.rpartition(".")[0]
        for axis, plan in (("ep", self.ep), ("tp", self.tp)):
            for pattern in (form, module):
                if pattern and pattern in plan:
                    return Given(pattern, plan[pattern], axis)
        return None

    def owner(self, path: str) -> Owner | None:
        """The innermost model that a module belongs to; indices of the path may be wildcards."""
        inside = (one for one in self.owners if not one.at or f"{path}.".startswith(f"{generic(one.at)}."))
        return max(inside, key=lambda one: len(one.at), default=None)


def generic(name: str) -> str:
    """A name with `*` for each number between dots (`parallel_utils.py:replace_layer_number_by_wildcard`)."""
    return _NUMBER.sub(r".*\1", name)


def scheme(whole: Sequence[Frame], submodels: Iterable[Submodel]) -> Scheme:
    """The plans of a model and of what is mounted in it.

    A mounted model hands its plan up only where all around it are models too (`init_parallel_plans`).
    """
    models = {submodel.at for submodel in submodels}
    tp: dict[str, str] = {}
    ep: dict[str, str] = {}
    owners: dict[str, Owner] = {}
    for frame in whole:
        prefix = frame.part.prefix
        path = prefix.removesuffix(".")
        if all(around in models for around in _around(path)):
            tp |= {prefix + pattern: style for pattern, style in frame.outline.tp.items()}
            ep |= {prefix + pattern: style for pattern, style in frame.outline.ep.items()}
        for place in frame.part.model.submodels:
            config = _at(frame.part.config, place.config)
            if config is not None:
                at = below(path, place.at.replace("{}", "0"))
                owners[at] = Owner(at, config)
    base = whole[0].part.model.base_prefix if whole else ""
    return Scheme(tp, ep, base, tuple(owners.values()))


def _around(path: str) -> Iterable[str]:
    parts = path.split(".") if path else []
    return (".".join(parts[:count]) for count in range(len(parts)))


def _at(config: Resolved, path: str) -> Resolved | None:
    """The config that a dotted path leads to."""
    found: object = config
    for name in path.split(".") if path else ():
        found = found.get(name) if isinstance(found, Resolved) else None
    return found if isinstance(found, Resolved) else None
