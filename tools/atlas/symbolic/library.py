"""Functions of Python and transformers, on symbols."""

import builtins
import collections
import copy
import functools
import importlib
import itertools
import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.kinds import NAMES
from tools.atlas.symbolic.pending import METHODS as PENDING
from tools.atlas.symbolic.pending import Pending
from tools.atlas.symbolic.terms import Term, const
from tools.atlas.symbolic.values import (
    ANY,
    UNSET,
    Choice,
    Config,
    Dict,
    Item,
    List,
    Loop,
    Mount,
    Obj,
    Opaque,
    Partial,
    Plain,
    Range,
    Sym,
    Tensor,
    is_scalar,
    kinds_of,
    new_list,
    term_of,
)

INT, FLOAT, BOOL, LIST, TEXT = (frozenset({kind}) for kind in ("int", "float", "bool", "list", "str"))


def _range(run: Any, *args: Any) -> Any:
    args = tuple(run.journal.resolve(arg) for arg in args)
    if all(isinstance(arg, int) for arg in args):
        return range(*args)
    start, stop, step = (terms.ZERO, term_of(args[0]), terms.ONE) if len(args) == 1 else (
        term_of(args[0]), term_of(args[1]), term_of(args[2]) if len(args) > 2 else terms.ONE)  # noqa: PLR2004  # fmt: skip
    return Range(start, stop, step)


def _len(run: Any, value: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, Obj):
        value = value.attrs.get("_items", Opaque("len"))
    if isinstance(value, Choice):
        return ite(value.condition, _len(run, value.then), _len(run, value.other))
    if isinstance(value, Sym):
        return run.scalar(terms.call("len", value.term), INT)
    if isinstance(value, List):
        total = terms.ZERO
        for item in value.items:
            total = terms.binary("+", total, run.count(item))
        return run.scalar(total, INT)
    if isinstance(value, Dict):
        return len(value.cell)
    if isinstance(value, Range):
        return run.scalar(terms.binary("-", value.stop, value.start), INT)
    try:
        return len(value)
    except TypeError:
        return Opaque("len")


def _number(name: str, kinds: frozenset[str], real: Callable[..., Any]) -> Callable[..., Any]:
    def model(run: Any, value: Any = 0, *rest: Any) -> Any:
        value = run.journal.resolve(value)
        if isinstance(value, Choice):
            return ite(value.condition, model(run, value.then, *rest), model(run, value.other, *rest))
        if isinstance(value, Sym):
            if rest and name != "round":
                return Opaque(name)
            if value.kinds == kinds or (name in {"int", "ceil", "floor", "round"} and value.kinds == INT):
                return value
            return run.scalar(terms.call(name, value.term), kinds)
        if isinstance(value, (Opaque, Tensor, Obj, List, Config)):
            return Opaque(f"{name} of {value.reason}" if isinstance(value, Opaque) else name)
        try:
            return real(value, *rest)
        except (TypeError, ValueError, ArithmeticError) as error:
            return Opaque(str(error))

    return model


def _bool(run: Any, value: Any = False) -> Any:  # noqa: FBT002 — as Python has it
    return run.scalar(run.truth(value), BOOL)


def _extreme(name: str) -> Callable[..., Any]:
    def model(run: Any, *args: Any, **_: Any) -> Any:
        if len(args) == 1:
            term = term_of(run.journal.resolve(args[0]))
            if any(part[0] == "opaque" for part in terms.parts(term)):
                return Opaque(name)
            if term[:2] == ("f", "list"):
                return run.scalar(terms.call(name, *term[2:]), INT)
            return run.scalar(terms.call(name, term), INT)
        parts = [run.journal.resolve(arg) for arg in args]
        if not all(is_scalar(part) for part in parts):
            return Opaque(name)
        kinds = frozenset().union(*(kinds_of(part) for part in parts))
        return run.scalar(terms.call(name, *(term_of(part) for part in parts)), kinds)

    return model


def _sum(run: Any, value: Any, start: Any = 0) -> Any:
    term = term_of(run.journal.resolve(value))
    if any(part[0] == "opaque" for part in terms.parts(term)):
        return Opaque("sum")
    if term[:2] == ("f", "list"):
        total = term_of(start)
        for part in term[2:]:
            total = terms.binary("+", total, part)
        return run.scalar(total, INT)
    return run.scalar(terms.binary("+", terms.call("sum", term), term_of(start)), INT)


def _isinstance(run: Any, value: Any, classes: Any) -> Any:  # noqa: PLR0911 — one line for each kind of value
    value = run.journal.resolve(value)
    classes = classes if isinstance(classes, tuple) else (classes,)
    if isinstance(value, Choice):
        return ite(value.condition, _isinstance(run, value.then, classes), _isinstance(run, value.other, classes))
    if isinstance(value, Sym):
        return _symbol_is(run, value, classes)
    if isinstance(value, (Obj, Config)):
        return any(isinstance(cls, type) and issubclass(value.cls, cls) for cls in classes)
    if isinstance(value, List):
        return any(isinstance(cls, type) and issubclass(list, cls) for cls in classes)
    if isinstance(value, Dict):
        return any(isinstance(cls, type) and issubclass(dict, cls) for cls in classes)
    if isinstance(value, Range):
        return any(isinstance(cls, type) and issubclass(range, cls) for cls in classes)
    if isinstance(value, Tensor):
        wanted = torch.nn.Parameter if value.role == "parameter" else torch.Tensor
        return any(isinstance(cls, type) and issubclass(wanted, cls) for cls in classes)
    if isinstance(value, Mount):
        return any(isinstance(cls, type) and issubclass(PreTrainedModel, cls) for cls in classes)
    if isinstance(value, Opaque):
        return Opaque("isinstance")
    try:
        return isinstance(value, classes)
    except TypeError:
        return Opaque("isinstance")


_PYTHON_KINDS = {"int": int, "float": float, "bool": bool, "str": str, "null": type(None), "list": list, "dict": dict}


def _symbol_is(run: Any, value: Sym, classes: tuple[Any, ...]) -> Any:
    matching = {k for k in value.kinds if any(isinstance(c, type) and issubclass(_PYTHON_KINDS[k], c) for c in classes)}
    if any(cls is tuple for cls in classes) and "list" in value.kinds:
        matching.add("list")  # the config classes turn lists into tuples here and there
    if not matching:
        return False
    if matching == value.kinds:
        return True
    condition = terms.FALSE
    for kind in sorted(matching):
        test = terms.compare("==", value.term, terms.NULL) if kind == "null" else terms.call(f"is_{kind}", value.term)
        condition = terms.either(condition, test)
    return run.scalar(condition, BOOL)


def _getattr(run: Any, owner: Any, name: Any, *default: Any) -> Any:
    owner = run.journal.resolve(owner)
    if not isinstance(name, str):
        return Opaque("getattr by a symbol")
    if not default:
        return run.get_attribute(owner, name)
    present = run.has_attribute(owner, name)
    return run.when(present, lambda: run.get_attribute(owner, name), lambda: default[0])


def _hasattr(run: Any, owner: Any, name: Any) -> Any:
    return run.scalar(run.has_attribute(owner, name), BOOL) if isinstance(name, str) else Opaque("hasattr")


def _setattr(run: Any, owner: Any, name: Any, value: Any) -> None:
    run.set_attribute(owner, name, value)


def _copy(run: Any, value: Any, *_: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, Config):
        return Config(value.cls, value.path, value.default, value.open, dict(value.attrs))
    if isinstance(value, List):
        return new_list(value.items)
    if isinstance(value, Dict):
        return Dict(dict(value.cell))
    if isinstance(value, Obj):
        return value
    if isinstance(value, Choice):
        return ite(value.condition, _copy(run, value.then), _copy(run, value.other))
    return value


def _list(run: Any, value: Any = ()) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Sym, Opaque)):
        return value
    return new_list(run.iterate(value))


def _tuple(run: Any, value: Any = ()) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Sym, Opaque, tuple)):
        return value
    items = run.iterate(value)
    if all(isinstance(item, Plain) for item in items):
        return tuple(item.value for item in items)
    return new_list(items)


def _dict(run: Any, value: Any = None, **kwargs: Any) -> Any:
    value = run.journal.resolve(value)
    cell: dict[Any, Any] = {}
    if isinstance(value, Dict):
        cell |= value.cell
    elif isinstance(value, dict):
        cell |= value
    elif value is not None:
        for item in run.iterate(value):
            if not isinstance(item, Plain) or not isinstance(item.value, tuple):
                return Opaque("a dictionary")
            cell[item.value[0]] = item.value[1]
    return Dict({**cell, **kwargs})


def _enumerate(run: Any, value: Any, start: Any = 0) -> Any:
    result: list[Item] = []
    position: Term = term_of(start)
    for item in run.iterate(value):
        result.append(_numbered(run, item, position))
        position = terms.binary("+", position, run.count(item))
    return new_list(result)


def _numbered(run: Any, item: Item, position: Term) -> Item:
    if isinstance(item, Plain):
        number = run.scalar(position, INT)
        return Plain((number, item.value))
    inner: list[Item] = []
    size = terms.ZERO
    for part in item.items:
        size = terms.binary("+", size, run.count(part))
    base = position
    if isinstance(item, Loop):
        base = terms.binary("+", position, terms.binary("*", ("i", item.index), size))
    for part in item.items:
        inner.append(_numbered(run, part, base))
        base = terms.binary("+", base, run.count(part))
    return (
        Loop(item.index, item.count, tuple(inner))
        if isinstance(item, Loop)
        else type(item)(item.condition, tuple(inner))
    )


def _zip(run: Any, *values: Any, **_: Any) -> Any:
    columns = [run.iterate(value) for value in values]
    if all(isinstance(item, Plain) for column in columns for item in column):
        rows = zip(*columns, strict=False)
        return new_list([Plain(tuple(item.value for item in row)) for row in rows])
    if all(
        len(c) == 1 and isinstance(c[0], Loop) and len(c[0].items) == 1 and isinstance(c[0].items[0], Plain)
        for c in columns
    ):
        loops = [column[0] for column in columns]
        index = run.new_number()
        counts = list(dict.fromkeys(loop.count for loop in loops))
        count = counts[0] if len(counts) == 1 else terms.call("min", *counts)
        run.counts[index] = count
        row = tuple(_renamed(loop.items[0].value, loop.index, index) for loop in loops)
        return new_list([Loop(index, count, (Plain(row),))])
    # A list whose length is known against one whose length is not: the shorter counts, and it is the known one
    # wherever the constructor goes through both.
    known = min((len(c) for c in columns if all(isinstance(item, Plain) for item in c)), default=None)
    if known is None:
        return Opaque("zip")
    rows_ = []
    for number in range(known):
        rows_.append(tuple(run.get_item(value, number) for value in values))
    return new_list([Plain(row) for row in rows_])


def _renamed(value: Any, old: int, new: int) -> Any:
    if isinstance(value, Sym):
        return Sym(terms.substitute(value.term, {("i", old): ("i", new)}), value.kinds)
    return tuple(_renamed(part, old, new) for part in value) if isinstance(value, tuple) else value


def _reversed(run: Any, value: Any) -> Any:
    items = run.iterate(value)
    if all(isinstance(item, Plain) for item in items):
        return new_list(items[::-1])
    if len(items) == 1 and isinstance(items[0], Loop) and len(items[0].items) == 1:
        loop = items[0]
        index = run.new_number()
        run.counts[index] = loop.count
        back = terms.binary("-", terms.binary("-", loop.count, terms.ONE), ("i", index))
        inner = loop.items[0]
        if isinstance(inner, Plain):
            value = _at(inner.value, loop.index, back)
            return new_list([Loop(index, loop.count, (Plain(value),))])
    return Opaque("reversed")


def _at(value: Any, loop: int, index: Term) -> Any:
    if isinstance(value, Sym):
        return Sym(terms.substitute(value.term, {("i", loop): index}), value.kinds)
    return tuple(_at(part, loop, index) for part in value) if isinstance(value, tuple) else value


def _map(run: Any, function: Any, values: Any) -> Any:
    return new_list(run.mapped(run.iterate(values), lambda value: (Plain(run.call(function, [value], {})),)))


def _quantifier(*, universal: bool) -> Callable[..., Any]:
    def model(run: Any, values: Any) -> Any:
        values = run.journal.resolve(values)
        items = run.iterate(values)
        if all(isinstance(item, Plain) for item in items):
            result = terms.TRUE if universal else terms.FALSE
            for item in items:
                result = (terms.both if universal else terms.either)(result, run.truth(item.value))
            return run.scalar(result, BOOL)
        return run.scalar(terms.call("all" if universal else "any", term_of(values)), BOOL)

    return model


def _type(run: Any, value: Any, *_: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Obj, Config)):
        return value.cls
    if isinstance(value, (Sym, Opaque, Choice)):
        kinds = kinds_of(value) if isinstance(value, Sym) else ANY
        return next((cls for cls, name in NAMES.items() if {name} == kinds), Opaque("type"))
    return {List: list, Dict: dict, Tensor: torch.Tensor}.get(type(value), type(value))


def _prod(run: Any, values: Any, **_: Any) -> Any:
    values = run.journal.resolve(values)
    if isinstance(values, Opaque):
        return values
    term = term_of(values)
    if term[:2] == ("f", "list"):
        total = terms.ONE
        for part in term[2:]:
            total = terms.binary("*", total, part)
        return run.scalar(total, INT)
    return run.scalar(terms.call("prod", term), INT)


def _nothing(run: Any, *_: Any, **__: Any) -> None:
    del run


def _next(run: Any, values: Any, *_: Any) -> Any:
    items = run.iterate(values)
    return items[0].value if items and isinstance(items[0], Plain) else Opaque("next")


def _partial(run: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
    del run
    return Partial(function, args, kwargs)


def _sorted(run: Any, values: Any, **_: Any) -> Any:
    values = run.journal.resolve(values)
    if isinstance(values, Sym):
        return Sym(terms.call("sort", values.term), LIST)
    items = run.iterate(values)
    if all(isinstance(i, Plain) and isinstance(i.value, (int, str)) for i in items):
        return new_list(sorted(items, key=lambda item: item.value))
    return Opaque("sorted")


def _pow(run: Any, base: Any, exponent: Any) -> Any:
    import ast  # noqa: PLC0415 — for the operator only

    return run.operate(ast.Pow(), base, exponent)


def _chain(run: Any, *values: Any) -> Any:
    return new_list([item for value in values for item in run.iterate(value)])


def _cast(run: Any, _: Any, value: Any) -> Any:
    del run
    return value


MODELS: dict[Any, Callable[..., Any]] = {
    range: _range, len: _len, bool: _bool, sum: _sum, isinstance: _isinstance, getattr: _getattr, hasattr: _hasattr,
    setattr: _setattr, list: _list, tuple: _tuple, set: _list, dict: _dict, collections.OrderedDict: _dict,
    enumerate: _enumerate, zip: _zip, reversed: _reversed, map: _map, type: _type, next: _next, sorted: _sorted,
    int: _number("int", INT, int), float: _number("float", FLOAT, float), str: _number("str", frozenset({"str"}), str),
    round: _number("round", INT, round), abs: _number("abs", INT, abs),
    math.ceil: _number("ceil", INT, math.ceil), math.floor: _number("floor", INT, math.floor),
    math.sqrt: _number("sqrt", FLOAT, math.sqrt), math.log: _number("log", FLOAT, math.log),
    math.log2: _number("log2", FLOAT, math.log2), math.exp: _number("exp", FLOAT, math.exp),
    np.log2: _number("log2", FLOAT, math.log2), np.sqrt: _number("sqrt", FLOAT, math.sqrt),
    np.ceil: _number("ceil", INT, math.ceil),
    max: _extreme("max"), min: _extreme("min"), all: _quantifier(universal=True), any: _quantifier(universal=False),
    math.prod: _prod, np.prod: _prod, math.pow: _pow, pow: _pow,
    copy.deepcopy: _copy, copy.copy: _copy, functools.partial: _partial, itertools.chain: _chain,
    print: _nothing, warnings.warn: _nothing, iter: _list,
}  # fmt: skip


def _list_append(run: Any, owner: List, value: Any) -> None:
    run.journal.write(owner.cell, "items", (*owner.items, Plain(value)))


def _list_extend(run: Any, owner: List, values: Any) -> None:
    run.extend(owner, values)


def _list_insert(run: Any, owner: List, place: Any, value: Any) -> None:
    if isinstance(place, int) and all(isinstance(item, Plain) for item in owner.items[: max(place, 0)]):
        run.journal.write(owner.cell, "items", (*owner.items[:place], Plain(value), *owner.items[place:]))
    else:
        run.journal.write(owner.cell, "items", (Plain(Opaque("insert")),))


def _list_pop(run: Any, owner: List, place: Any = -1) -> Any:
    value = run.get_item(owner, place)
    items = list(owner.items)
    if isinstance(place, int) and items and isinstance(items[place], Plain):
        del items[place]
        run.journal.write(owner.cell, "items", tuple(items))
    return value


def _list_index(run: Any, owner: Any, value: Any) -> Any:
    return run.scalar(terms.call("index", term_of(owner), term_of(value)), INT)


def _dict_items(run: Any, owner: Dict) -> Any:
    return new_list([Plain((key, run.journal.resolve(value))) for key, value in owner.cell.items()])


def _dict_get(run: Any, owner: Any, key: Any, default: Any = None) -> Any:
    if isinstance(owner, Sym):
        if not isinstance(key, str):
            return Opaque("get")
        fallback = term_of(default)
        return Opaque("get") if fallback[0] == "opaque" else run.scalar(
            terms.call("get", owner.term, terms.const(key), fallback), ANY)  # fmt: skip
    if isinstance(key, Sym):
        return run.get_item(owner, key)
    value = owner.cell.get(key, UNSET)
    if isinstance(value, Choice) and UNSET in (value.then, value.other):
        return ite(value.condition, *(default if side is UNSET else side for side in (value.then, value.other)))
    return default if value is UNSET else run.journal.resolve(value)


def _dict_update(run: Any, owner: Any, other: Any = None, **kwargs: Any) -> None:
    if isinstance(owner, Dict):
        other = run.journal.resolve(other)
        new = other.cell if isinstance(other, Dict) else other if isinstance(other, dict) else {}
        for key, value in {**new, **kwargs}.items():
            run.journal.write(owner.cell, key, value)


def _dict_pop(run: Any, owner: Dict, key: Any, *default: Any) -> Any:
    value = _dict_get(run, owner, key, default[0] if default else Opaque("pop"))
    run.journal.write(owner.cell, key, UNSET)
    return value


def _dict_setdefault(run: Any, owner: Any, key: Any, default: Any = None) -> Any:
    if not isinstance(owner, Dict):
        return _dict_get(run, owner, key, default)
    if key not in owner.cell:
        run.journal.write(owner.cell, key, default)
    return owner.cell[key]


def _module_append(run: Any, owner: Obj, value: Any) -> Obj:
    _list_append(run, owner.attrs["_items"], value)
    return owner


def _module_extend(run: Any, owner: Obj, values: Any) -> Obj:
    run.extend(owner.attrs["_items"], values)
    return owner


def _add_module(run: Any, owner: Obj, name: Any, module: Any) -> None:
    if "_items" in owner.attrs:
        inner = owner.attrs["_items"]
        if isinstance(inner, List):
            _list_append(run, inner, module)
        else:
            run.journal.write(inner.cell, name, module)
        return
    run.journal.write(owner.attrs, name, module)


def _register_buffer(run: Any, owner: Obj, name: Any, tensor: Any, persistent: Any = True) -> None:  # noqa: FBT002
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


def _children(run: Any, owner: Obj) -> List:
    """`named_children()`: names with modules; those of a list that a loop fills are repeated by that loop."""
    inner = run.journal.resolve(owner.attrs.get("_items"))
    found: list[Item] = []
    if isinstance(inner, List):
        found += [_numbered(run, item, const(place)) for place, item in enumerate(inner.items)]
    elif isinstance(inner, Dict):
        found += [Plain((name, run.journal.resolve(value))) for name, value in inner.cell.items()]
    for name, value in owner.attrs.items():
        module = run.journal.resolve(value)
        if isinstance(name, str) and isinstance(module, Obj) and issubclass(module.cls, torch.nn.Module):
            found.append(Plain((name, module)))
        elif isinstance(name, str) and isinstance(module, Choice) and name != "_items":
            found.append(Plain((name, module)))
    return new_list([Plain((str(i.value[0]), i.value[1])) if isinstance(i, Plain) else i for i in found])


def _register_parameter(run: Any, owner: Obj, name: Any, value: Any) -> None:
    run.journal.write(owner.attrs, name, value)


def _same(run: Any, owner: Any, *_: Any, **__: Any) -> Any:
    del run
    return owner


def _get_text_config(run: Any, owner: Config, decoder: Any = None, encoder: Any = None) -> Any:
    if owner.cls is PreTrainedConfig:
        return owner
    wanted = {"decoder": decoder, "encoder": encoder}
    try:
        real = owner.default.get_text_config(**{k: v for k, v in wanted.items() if v is not None})
    except Exception as error:  # noqa: BLE001 — it is tried on the defaults
        return Opaque(f"get_text_config: {error}")
    if real is owner.default:
        return owner
    for name, value in vars(owner.default).items():
        if value is real:
            return run.get_attribute(owner, name)
    return owner if type(real) is owner.cls else Opaque("get_text_config")


def _config_get(run: Any, owner: Config, name: Any, default: Any = None) -> Any:
    return _getattr(run, owner, name, default)


def _config_dict(run: Any, owner: Config) -> Any:
    if owner.open:
        return Opaque("the fields of a config that the file chooses")
    return Dict({name: run.get_attribute(owner, name) for name in owner.default.to_dict() if name != "model_type"})


def _parts_of_pairs(run: Any, owner: Sym, part: int) -> Sym:
    bound = run.new_number()
    return Sym(("map", bound, terms.call("pairs", owner.term), ("at", ("i", bound), const(part))), LIST)


METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    List: {"append": _list_append, "extend": _list_extend, "insert": _list_insert, "pop": _list_pop,
           "index": _list_index, "copy": _copy},
    Dict: {"items": _dict_items, "get": _dict_get, "update": _dict_update, "pop": _dict_pop, "copy": _copy,
           "keys": lambda _, owner: tuple(owner.cell), "setdefault": _dict_setdefault,
           "values": lambda run, owner: new_list([Plain(run.journal.resolve(v)) for v in owner.cell.values()])},
    Sym: {"items": lambda _, owner: Sym(terms.call("pairs", owner.term), LIST),
          "keys": lambda run, owner: _parts_of_pairs(run, owner, 0),
          "values": lambda run, owner: _parts_of_pairs(run, owner, 1),
          "get": _dict_get, "index": _list_index, "setdefault": _dict_setdefault, "copy": _same, "update": _dict_update,
          "upper": lambda run, owner: run.scalar(terms.call("upper", owner.term), TEXT),
          "lower": lambda run, owner: run.scalar(terms.call("lower", owner.term), TEXT),
          "strip": lambda run, owner: run.scalar(terms.call("strip", owner.term), TEXT),
          "split": lambda run, owner, by: Sym(terms.call("split", owner.term, term_of(by)), LIST),
          "startswith": lambda run, owner, text: run.scalar(terms.call("startswith", owner.term, term_of(text)), BOOL),
          "endswith": lambda run, owner, text: run.scalar(terms.call("endswith", owner.term, term_of(text)), BOOL)},
    Config: {"get_text_config": _get_text_config, "get": _config_get, "to_dict": _config_dict,
             "__setattr__": _setattr, "__strict_setattr__": _setattr},
    Obj: {"register_buffer": _register_buffer, "register_parameter": _register_parameter, "add_module": _add_module,
          "register_module": _add_module},
}  # fmt: skip
CONTAINER_METHODS = {"append": _module_append, "extend": _module_extend, "add_module": _add_module}
DICT_METHODS = {"update": lambda run, owner, other: _dict_update(run, owner.attrs["_items"], other),
                "items": lambda run, owner: _dict_items(run, owner.attrs["_items"]),
                "keys": lambda run, owner: tuple(owner.attrs["_items"].cell),
                "values": lambda run, owner: METHODS[Dict]["values"](run, owner.attrs["_items"])}  # fmt: skip
SCHEDULE = frozenset({"named_parameters", "parameters", "modules", "named_modules", "buffers", "named_buffers"})


def method(owner: Any, name: str) -> Callable[..., Any] | None:
    """The model of a method, by what it is called on."""
    if isinstance(owner, Pending):
        return PENDING.get(name)
    if isinstance(owner, Obj) and name == "named_children":
        return lambda run, owner: _children(run, owner)
    if isinstance(owner, Obj) and name == "children":
        return lambda run, owner: new_list(run.mapped(_children(run, owner).items, lambda pair: (Plain(pair[1]),)))
    if isinstance(owner, Obj) and name in SCHEDULE:
        return lambda run, owner, *_, **__: ()
    if isinstance(owner, Obj) and "_items" in owner.attrs:
        table = CONTAINER_METHODS if isinstance(owner.attrs["_items"], List) else DICT_METHODS
        if name in table:
            return table[name]
    if isinstance(owner, Tensor):
        from tools.atlas.symbolic import tensors  # noqa: PLC0415 — the two know each other

        return tensors.method(name)
    return METHODS.get(type(owner), {}).get(name)


__all__ = ["MODELS", "builtins", "importlib", "logging", "method"]
