"""Which model a method has, by what it is called on."""

from collections.abc import Callable
from typing import Any

from tools.atlas.symbolic import containers, methods, pending, tensors
from tools.atlas.symbolic.pending import Pending
from tools.atlas.symbolic.values import List, Obj, Plain, Tensor, new_list

# A constructor that goes through these only initialises what it finds.
CONTENTS = frozenset({"named_parameters", "parameters", "modules", "named_modules", "buffers", "named_buffers"})


def method(owner: Any, name: str) -> Callable[..., Any] | None:
    """The model of a method; None where there is none."""
    if isinstance(owner, Pending):
        return pending.METHODS.get(name)
    if isinstance(owner, Tensor):
        return tensors.method(name)
    if not isinstance(owner, Obj):
        return methods.METHODS.get(type(owner), {}).get(name)
    if name == "named_children":
        return containers.children
    if name == "children":
        return lambda run, owner: new_list(
            run.mapped(containers.children(run, owner).items, lambda pair: (Plain(pair[1]),))
        )
    if name in CONTENTS:
        return lambda run, owner, *_, **__: ()
    if "_items" in owner.attrs:
        table = containers.LIST_METHODS if isinstance(owner.attrs["_items"], List) else containers.DICT_METHODS
        if name in table:
            return table[name]
    return containers.METHODS.get(name)
