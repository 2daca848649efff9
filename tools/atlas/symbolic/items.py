"""Items of lists and dictionaries, and iteration."""

from typing import Any

import torch
from transformers.activations import ClassInstantier

from tools.atlas.symbolic import tensors, terms
from tools.atlas.symbolic.attributes import Attributes
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.pending import Pending
from tools.atlas.symbolic.stops import Unsupported
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    ANY,
    Choice,
    Dict,
    Item,
    Layers,
    List,
    Loop,
    Maybe,
    Obj,
    Opaque,
    Plain,
    Range,
    Sym,
    Table,
    Tensor,
    is_scalar,
    new_list,
    term_of,
)

CONTAINERS = (torch.nn.ModuleList, torch.nn.Sequential, torch.nn.ParameterList)


class Items(Attributes):
    """The part of the interpreter that reads and writes items, and goes through them."""

    def get_item(self, owner: Any, key: Any) -> Any:
        owner, key = self.journal.resolve(owner), self.journal.resolve(key)
        if isinstance(owner, Choice):
            return ite(owner.condition, self.get_item(owner.then, key), self.get_item(owner.other, key))
        if isinstance(key, Choice):
            return ite(key.condition, self.get_item(owner, key.then), self.get_item(owner, key.other))
        if isinstance(owner, Layers):
            return self.layer_config(owner.config, key)
        if isinstance(owner, Obj) and issubclass(owner.cls, (*CONTAINERS, torch.nn.ModuleDict)):
            return self.get_item(owner.attrs["_items"], key)
        if isinstance(owner, Obj):
            return self.call(self.get_attribute(owner, "__getitem__"), [key], {})
        if isinstance(owner, ClassInstantier) and isinstance(key, Sym):
            return self.activation(key)
        if isinstance(owner, Dict) or (isinstance(owner, dict) and not isinstance(key, Sym)):
            return self._dict_item(owner, key)
        if isinstance(owner, dict):
            return self._chosen_by_key(owner, key)
        if isinstance(owner, Sym):
            if isinstance(key, slice):
                return self._slice_of_term(owner, key)
            if isinstance(key, str):
                return Sym(terms.call("get", owner.term, terms.const(key), terms.NULL), ANY)
            return self.scalar(terms.item(owner.term, term_of(key)), _item_kinds(owner))
        if isinstance(owner, Range):
            step = terms.binary("*", term_of(key), owner.step)
            return self.scalar(terms.binary("+", owner.start, step), frozenset({"int"}))
        if isinstance(owner, List):
            return self._list_item(owner, key)
        if isinstance(owner, (tuple, list, str, range)):
            return self._python_item(owner, key)
        if isinstance(owner, Tensor):
            return tensors.item(owner, key)
        if isinstance(owner, Opaque):
            return owner
        if hasattr(owner, "__getitem__") and not isinstance(key, (Sym, Opaque, slice)):
            try:
                return owner[key]
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                return Opaque(f"an item: {error}")
        if hasattr(owner, "keys") and isinstance(key, Sym):
            return self.activation(key)
        return Opaque(f"an item of a {type(owner).__name__}")

    def _slice_of_term(self, owner: Sym, key: slice) -> Any:
        if key.step == -1 and key.start is None and key.stop is None:
            return Sym(terms.call("reverse", owner.term), owner.kinds)
        if key.step not in {None, 1}:
            return Opaque("a slice with steps")
        start, stop = (terms.NULL if end is None else term_of(end) for end in (key.start, key.stop))
        return Sym(terms.call("slice", owner.term, start, stop), owner.kinds - {"null"})

    def _dict_item(self, owner: Any, key: Any) -> Any:
        cell = owner.cell if isinstance(owner, Dict) else owner
        if isinstance(key, Sym):
            return self._chosen_by_key(cell, key)
        try:
            if key in cell:
                return self.journal.resolve(cell[key])
        except TypeError:
            return Opaque("a key")
        return Opaque(f"no key {key!r}")

    def _chosen_by_key(self, cell: Any, key: Sym) -> Any:
        if key in cell:
            return self.journal.resolve(cell[key])
        symbolic = [(k.term, v) for k, v in cell.items() if isinstance(k, Sym)]
        if len(cell) == 1 and symbolic and symbolic[0][0][0] == "at" and symbolic[0][0][2][0] == "i":
            # A dictionary that a loop over a list made: the key says which round.
            (_, keys, index), value = symbolic[0]
            if is_scalar(value):
                place = terms.call("index", keys, key.term)
                return self.scalar(terms.substitute(term_of(value), {index: place}), ANY)
        choices = [(k, v) for k, v in cell.items() if is_scalar(k) and not isinstance(k, Sym)]
        if not choices:
            return Opaque("an item by a symbol")
        result: Any = choices[-1][1]
        for k, value in reversed(choices[:-1]):
            result = ite(self.journal.simplify(terms.compare("==", key.term, terms.const(k))), value, result)
        return self.journal.resolve(result)

    def _list_item(self, owner: List, key: Any) -> Any:
        items = owner.items
        if all(isinstance(item, Plain) for item in items):
            return self._python_item(tuple(item.value for item in items if isinstance(item, Plain)), key)
        if isinstance(key, int):
            before = items[: key + 1] if key >= 0 else items[key:]
            if len(before) == abs(key if key < 0 else key + 1) and all(isinstance(item, Plain) for item in before):
                picked = items[key]
                assert isinstance(picked, Plain)  # noqa: S101 — said in the line above
                return picked.value
            if isinstance(items[0 if key >= 0 else -1], Loop) and key in {0, -1}:
                loop = items[0 if key >= 0 else -1]
                assert isinstance(loop, Loop)  # noqa: S101 — said in the line above
                inner = loop.items[0 if key >= 0 else -1]
                if isinstance(inner, Plain) and not is_scalar(inner.value):
                    return inner.value
        if len(items) == 1 and isinstance(items[0], Loop) and len(items[0].items) == 1:
            inner = items[0].items[0]
            if isinstance(inner, Plain) and isinstance(inner.value, Obj) and not isinstance(key, slice):
                return inner.value
            if isinstance(inner, Plain) and isinstance(inner.value, tuple) and not isinstance(key, slice):
                index = term_of(key)
                if terms.is_const(index) and index[2] < 0:
                    index = terms.binary("+", items[0].count, index)
                return self._at_index(inner.value, items[0].index, index)
        term = term_of(owner)
        if any(part[0] == "opaque" for part in terms.parts(term)):
            return Opaque("an item of a list of objects")
        if isinstance(key, slice):
            return self._slice_of_term(Sym(term, frozenset({"list"})), key)
        return self.scalar(terms.item(term, term_of(key)), ANY)

    def _at_index(self, value: Any, loop: int, index: Term) -> Any:
        if isinstance(value, tuple):
            return tuple(self._at_index(part, loop, index) for part in value)
        if isinstance(value, Sym):
            return self.scalar(terms.substitute(value.term, {("i", loop): index}), value.kinds)
        return value

    def _python_item(self, owner: Any, key: Any) -> Any:
        if isinstance(key, Sym):
            term = terms.item(term_of(owner), key.term)
            return Opaque("an item by a symbol") if _opaque(term) else self.scalar(term, ANY)
        if isinstance(key, slice) and any(isinstance(end, Sym) for end in (key.start, key.stop, key.step)):
            return self._slice_of_term(Sym(term_of(owner), frozenset({"list"})), key)
        try:
            picked = owner[key]
        except (IndexError, TypeError) as error:
            return Opaque(f"an item: {error}")
        return new_list([Plain(item) for item in picked]) if isinstance(picked, list) else self.journal.resolve(picked)

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        owner = self.journal.resolve(owner)
        if isinstance(owner, Obj) and issubclass(owner.cls, torch.nn.Module) and "_items" in owner.attrs:
            owner = owner.attrs["_items"]
        if isinstance(owner, (Dict, Pending)):
            self.journal.write(owner.cell, key, value)
        elif isinstance(owner, List):
            items = list(owner.items)
            if isinstance(key, int) and -len(items) <= key < len(items) and all(isinstance(i, Plain) for i in items):
                items[key] = Plain(value)
            else:
                items = [Plain(Opaque("a list of which an item is set"))]
            self.journal.write(owner.cell, "items", tuple(items))
        elif isinstance(owner, Sym):
            raise Unsupported("an item of a list or a dictionary of the config is set")
        elif isinstance(owner, Table) and isinstance(key, str):
            inner = owner.module.attrs.get("_items")
            if isinstance(inner, List) and key.isdigit():
                self.set_item(inner, int(key), value)
            elif isinstance(inner, Dict):
                self.journal.write(inner.cell, key, value)
            else:
                self.journal.write(owner.module.attrs, key, value)

    def extend(self, owner: List, more: Any) -> None:
        self.journal.write(owner.cell, "items", (*owner.items, *self.iterate(more)))

    def iterate(self, value: Any) -> tuple[Item, ...]:
        value = self.journal.resolve(value)
        match value:
            case List():
                return value.items
            case Range():
                size = _range_size(value)
                if terms.is_const(size):
                    return tuple(Plain(self.get_item(value, number)) for number in range(max(size[2], 0)))
                index = self._loop(size)
                step = terms.binary("*", ("i", index), value.step)
                element = terms.binary("+", value.start, step)
                return (Loop(index, size, (Plain(Sym(element, frozenset({"int"}))),)),)
            case Layers():
                count = term_of(self.config_attribute(value.config, "num_hidden_layers"))
                index = self._loop(count)
                return (
                    Loop(
                        index, count, (Plain(self.layer_config(value.config, Sym(("i", index), frozenset({"int"})))),)
                    ),
                )
            case Sym():
                size = self.journal.simplify(terms.call("len", value.term))
                if value.term[:2] == ("f", "list"):
                    return tuple(Plain(self.scalar(part, ANY)) for part in value.term[2:])
                index = self._loop(size)
                element = terms.item(value.term, ("i", index))
                return (Loop(index, size, (Plain(self.scalar(element, _item_kinds(value))),)),)
            case Tensor() if value.shape:
                size = self.journal.simplify(value.shape[0])
                row = Plain(Tensor(value.shape[1:], value.dtype))
                if terms.is_const(size):
                    return (row,) * int(size[2])
                return (Loop(self._loop(size), size, (row,)),)
            case Choice():
                then, other = self.iterate(value.then), self.iterate(value.other)
                return (Maybe(value.condition, then), Maybe(terms.negate(value.condition), other))
            case Dict():
                return tuple(Plain(key) for key in value.cell)
            case Obj() if "_items" in value.attrs:
                return self.iterate(value.attrs["_items"])
            case None:
                return ()
            case Opaque():
                return ()
        if isinstance(value, (tuple, list, range, str, dict, set, frozenset)) or hasattr(value, "__iter__"):
            try:
                elements = sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
            except TypeError:
                elements = []
            return tuple(Plain(element) for element in elements)
        raise Unsupported(f"a loop over {value!r}")

    def _loop(self, size: Term) -> int:
        index = self.new_number()
        self.counts[index] = size
        return index


def _opaque(term: Term) -> bool:
    return any(part[0] == "opaque" for part in terms.parts(term))


def _range_size(value: Range) -> Term:
    if value.step == terms.ONE:
        return terms.binary("-", value.stop, value.start)
    return terms.call("ceil", terms.binary("/", terms.binary("-", value.stop, value.start), value.step))


def _item_kinds(owner: Sym) -> frozenset[str]:
    return frozenset({"str"}) if owner.kinds == {"str"} else ANY
