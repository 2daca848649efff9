"""Functions of Python and numpy, on symbols."""

import collections
import copy
import functools
import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers.modeling_utils import PreTrainedModel

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.kinds import NAMES
from tools.atlas.symbolic.sequences import (
    backwards,
    chained,
    each_mapped,
    enumerated,
    first,
    in_order,
    length,
    to_dict,
    to_list,
    to_range,
    to_set,
    to_tuple,
    zipped,
)
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.values import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    Choice,
    Config,
    Dict,
    List,
    Mount,
    Obj,
    Opaque,
    Partial,
    Range,
    Sym,
    Tensor,
    is_scalar,
    kinds_of,
    new_list,
    plain_values,
    term_of,
)


def _number(name: str, kinds: frozenset[str], real: Callable[..., Any]) -> Callable[..., Any]:
    def model(run: Run, value: Any = 0, *rest: Any) -> Any:
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


def _bool(run: Run, value: Any = False) -> Any:  # noqa: FBT002 — as Python has it
    return run.scalar(run.truth(value), BOOL)


def _extreme(name: str) -> Callable[..., Any]:
    def model(run: Run, *args: Any, **_: Any) -> Any:
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


def _sum(run: Run, value: Any, start: Any = 0) -> Any:
    term = term_of(run.journal.resolve(value))
    if any(part[0] == "opaque" for part in terms.parts(term)):
        return Opaque("sum")
    if term[:2] == ("f", "list"):
        total = term_of(start)
        for part in term[2:]:
            total = terms.binary("+", total, part)
        return run.scalar(total, INT)
    return run.scalar(terms.binary("+", terms.call("sum", term), term_of(start)), INT)


def _isinstance(run: Run, value: Any, classes: Any) -> Any:
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


def _symbol_is(run: Run, value: Sym, classes: tuple[Any, ...]) -> Any:
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


def attribute_or(run: Run, owner: Any, name: Any, *default: Any) -> Any:
    owner = run.journal.resolve(owner)
    if not isinstance(name, str):
        return Opaque("getattr by a symbol")
    if not default:
        return run.get_attribute(owner, name)
    present = run.has_attribute(owner, name)
    return run.when(present, lambda: run.get_attribute(owner, name), lambda: default[0])


def _hasattr(run: Run, owner: Any, name: Any) -> Any:
    return run.scalar(run.has_attribute(owner, name), BOOL) if isinstance(name, str) else Opaque("hasattr")


def attribute_set(run: Run, owner: Any, name: Any, value: Any) -> None:
    run.set_attribute(owner, name, value)


def copied(run: Run, value: Any, *_: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, Config):
        return Config(value.cls, value.path, value.default, value.open, dict(value.attrs), value.layer)
    if isinstance(value, List):
        return new_list(value.items)
    if isinstance(value, Dict):
        return Dict(dict(value.cell))
    if isinstance(value, Obj):
        return value
    if isinstance(value, Choice):
        return ite(value.condition, copied(run, value.then), copied(run, value.other))
    return value


def _quantifier(*, universal: bool) -> Callable[..., Any]:
    def model(run: Run, values: Any) -> Any:
        values = run.journal.resolve(values)
        plain = plain_values(run.iterate(values))
        if plain is not None:
            result = terms.TRUE if universal else terms.FALSE
            for value in plain:
                result = (terms.both if universal else terms.either)(result, run.truth(value))
            return run.scalar(result, BOOL)
        return run.scalar(terms.call("all" if universal else "any", term_of(values)), BOOL)

    return model


def _type(run: Run, value: Any, *_: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Obj, Config)):
        return value.cls
    if isinstance(value, (Sym, Opaque, Choice)):
        kinds = kinds_of(value) if isinstance(value, Sym) else ANY
        return next((cls for cls, name in NAMES.items() if {name} == kinds), Opaque("type"))
    return {List: list, Dict: dict, Tensor: torch.Tensor}.get(type(value), type(value))


def _prod(run: Run, values: Any, **_: Any) -> Any:
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


def _nothing(run: Run, *_: Any, **__: Any) -> None:
    del run


def _partial(run: Run, function: Any, *args: Any, **kwargs: Any) -> Any:
    del run
    return Partial(function, args, kwargs)


def _pow(run: Run, base: Any, exponent: Any) -> Any:
    import ast  # noqa: PLC0415 — for the operator only

    return run.operate(ast.Pow(), base, exponent)


MODELS: dict[Any, Callable[..., Any]] = {
    range: to_range, len: length, bool: _bool, sum: _sum, isinstance: _isinstance, getattr: attribute_or,
    hasattr: _hasattr, setattr: attribute_set, list: to_list, tuple: to_tuple, set: to_set, dict: to_dict,
    collections.OrderedDict: to_dict,
    enumerate: enumerated, zip: zipped, reversed: backwards, map: each_mapped, type: _type, next: first,
    sorted: in_order,
    int: _number("int", INT, int), float: _number("float", FLOAT, float), str: _number("str", frozenset({"str"}), str),
    round: _number("round", INT, round), abs: _number("abs", INT, abs),
    math.ceil: _number("ceil", INT, math.ceil), math.floor: _number("floor", INT, math.floor),
    math.sqrt: _number("sqrt", FLOAT, math.sqrt), math.log: _number("log", FLOAT, math.log),
    math.log2: _number("log2", FLOAT, math.log2), math.exp: _number("exp", FLOAT, math.exp),
    np.log2: _number("log2", FLOAT, math.log2), np.sqrt: _number("sqrt", FLOAT, math.sqrt),
    np.ceil: _number("ceil", INT, math.ceil),
    max: _extreme("max"), min: _extreme("min"), all: _quantifier(universal=True), any: _quantifier(universal=False),
    math.prod: _prod, np.prod: _prod, math.pow: _pow, pow: _pow,
    copy.deepcopy: copied, copy.copy: copied, functools.partial: _partial, itertools.chain: chained,
    print: _nothing, warnings.warn: _nothing, iter: to_list,
}  # fmt: skip
