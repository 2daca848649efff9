"""A model as the planners see it: modules in order, and the bytes of their tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(slots=True, eq=False)
class Module:
    """A module. `kind` is the name of its class where that is one that is never split, else empty.

    `parameters` and `buffers` are the tensors of the module itself: their bytes as the planner counts them, by the last
    part of their names. `children` stand in the order of the model; modules without tensors are among them. Below a
    module that is not split the order of children does not matter.
    """

    kind: str = ""
    parameters: dict[str, float] = field(default_factory=dict)
    buffers: dict[str, float] = field(default_factory=dict)
    children: dict[str, "Module"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter or buffer of the model, by its full name.

    `nbytes` are those in memory once it is loaded, `dtype` is how safetensors spells its type there. `sources` are the
    stored tensors that it is made of; none for a buffer that is not stored, and for what the load fills at random.
    `is_converted` tells that it is not one stored tensor under another name, but made of it or of several.
    """

    name: str
    nbytes: int
    dtype: str
    sources: tuple[str, ...] = ()
    is_buffer: bool = False
    is_persistent: bool = True
    is_converted: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A model of a known class, or what the names of its tensors tell (`exact` is False then, `inexact` says why).

    `no_split` are kinds of modules. `ties` lead from the parameter that is another one (target) to that one (source),
    both as full names; both are in the tree. `no_placement` are names of huge parameters, relative to a module that is
    not split, that the planner of transformers may place apart from it. `dtype` is that of floating tensors after the
    load ("BF16"). `budget_share` is what a quantiser of transformers leaves of every budget, given by the user or not:
    0.9 for bitsandbytes, quanto, torchao and bitnet.
    """

    architecture: str
    root: Module
    weights: Mapping[str, Weight]
    ties: Mapping[str, str]
    no_split: frozenset[str]
    no_placement: frozenset[str]
    dtype: str
    exact: bool
    inexact: str = ""
    budget_share: float = 1.0

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the weights, sorted: those below a module stand together."""
        return tuple(sorted(self.weights))


def walk(root: Module) -> Iterator[tuple[str, Module]]:
    """Every module with its path, parents before children, in order."""
    stack = [("", root)]
    while stack:
        path, module = stack.pop()
        yield path, module
        prefix = f"{path}." if path else ""
        stack.extend((prefix + name, child) for name, child in reversed(module.children.items()))
