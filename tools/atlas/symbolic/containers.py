"""Methods of torch modules: what registers a parameter, a buffer or a child, and the lists of modules."""

from collections.abc import Callable
from typing import Any

import torch

from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.methods import dict_items, dict_update, dict_values, list_append
from tools.atlas.symbolic.sequences import numbered
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import const
from tools.atlas.symbolic.values import (
    Choice,
    Dict,
    Item,
    List,
    Obj,
    Plain,
    Tensor,
    new_list,
)


def _module_append(run: Run, owner: Obj, value: Any) -> Obj:
    list_append(run, owner.attrs["_items"], value)
    return owner


def _module_extend(run: Run, owner: Obj, values: Any) -> Obj:
    run.extend(owner.attrs["_items"], values)
    return owner


def _add_module(run: Run, owner: Obj, name: Any, module: Any) -> None:
    if "_items" in owner.attrs:
        inner = owner.attrs["_items"]
        if isinstance(inner, List):
            list_append(run, inner, module)
        else:
            run.journal.write(inner.cell, name, module)
        return
    run.journal.write(owner.attrs, name, module)


def _register_buffer(run: Run, owner: Obj, name: Any, tensor: Any, persistent: Any = True) -> None:  # noqa: FBT002
    tensor = run.journal.resolve(tensor)
    role = "buffer" if run.journal.resolve(persistent) is not False else "transient"

    def marked(value: Any) -> Any:
        value = run.journal.resolve(value)
        if isinstance(value, Tensor):
            return Tensor(value.shape, value.dtype, role)
        if isinstance(value, Choice):
            return ite(value.condition, marked(value.then), marked(value.other))
        return None if value is None else Tensor(None, None, role)

    run.journal.write(owner.attrs, name, marked(tensor))


def children(run: Run, owner: Obj) -> List:
    """`named_children()`: names with modules; those of a list that a loop fills are repeated by that loop."""
    inner = run.journal.resolve(owner.attrs.get("_items"))
    found: list[Item] = []
    if isinstance(inner, List):
        found += [numbered(run, item, const(place)) for place, item in enumerate(inner.items)]
    elif isinstance(inner, Dict):
        found += [Plain((name, run.journal.resolve(value))) for name, value in inner.cell.items()]
    for name, value in owner.attrs.items():
        module = run.journal.resolve(value)
        if (isinstance(name, str) and isinstance(module, Obj) and issubclass(module.cls, torch.nn.Module)) or (
            isinstance(name, str) and isinstance(module, Choice) and name != "_items"
        ):
            found.append(Plain((name, module)))
    return new_list([Plain((str(i.value[0]), i.value[1])) if isinstance(i, Plain) else i for i in found])


def _register_parameter(run: Run, owner: Obj, name: Any, value: Any) -> None:
    run.journal.write(owner.attrs, name, value)


METHODS: dict[str, Callable[..., Any]] = {
    "register_buffer": _register_buffer, "register_parameter": _register_parameter, "add_module": _add_module,
    "register_module": _add_module,
}  # fmt: skip
LIST_METHODS: dict[str, Callable[..., Any]] = {
    "append": _module_append,
    "extend": _module_extend,
    "add_module": _add_module,
}


DICT_METHODS: dict[str, Callable[..., Any]] = {
    "update": lambda run, owner, other: dict_update(run, owner.attrs["_items"], other),
    "items": lambda run, owner: dict_items(run, owner.attrs["_items"]),
    "keys": lambda run, owner: tuple(owner.attrs["_items"].cell),
    "values": lambda run, owner: dict_values(run, owner.attrs["_items"]),
}
