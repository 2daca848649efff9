"""Attributes, items and iteration."""

import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import Journal, ite
from tools.atlas.symbolic.kinds import NAMES, field_kinds
from tools.atlas.symbolic.stops import Unsupported
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    ANY,
    UNSET,
    Bound,
    Choice,
    Config,
    Dict,
    Item,
    List,
    Loop,
    Maybe,
    Mount,
    Obj,
    Opaque,
    Plain,
    Range,
    Super,
    Sym,
    Table,
    Tensor,
    is_scalar,
    new_list,
    term_of,
)

if TYPE_CHECKING:
    from tools.atlas.symbolic.interpreter import Frame

CONTAINERS = (torch.nn.ModuleList, torch.nn.Sequential, torch.nn.ParameterList)
# What the base class of configs has as attributes, whatever the file says of it.
INTERNAL = {
    "_experts_implementation": None,
    "use_return_dict": True, "return_dict": True, "output_attentions": False, "output_hidden_states": False,
    "name_or_path": "", "_name_or_path": "", "torchscript": False, "gradient_checkpointing": False,
    "quantization_config": None, "pruned_heads": (),
}  # fmt: skip


class Access:
    """The part of the interpreter that reads and writes attributes and items."""

    run_function: Callable[..., Any]
    either_way: Callable[..., Any]
    when: Callable[..., Any]
    counts: dict[int, Term]
    notes: dict[str, None]

    def __init__(self) -> None:
        self.journal = Journal()
        self.attention = "sdpa"
        self._numbers = iter(range(1, 1_000_000))

    def new_number(self) -> int:
        """A number for a loop or for what it carries."""
        return next(self._numbers)

    def scalar(self, term: Term, kinds: frozenset[str]) -> Any:
        term = self.journal.simplify(term)
        return term[2] if terms.is_const(term) else Sym(term, kinds)

    # Attributes

    def get_attribute(self, owner: Any, name: str) -> Any:  # noqa: C901, PLR0911 — one line for each kind of owner
        owner = self.journal.resolve(owner)
        match owner:
            case Choice():
                return self.when(
                    owner.condition,
                    lambda: self.get_attribute(owner.then, name),
                    lambda: self.get_attribute(owner.other, name),
                )
            case Config():
                return self.config_attribute(owner, name)
            case Obj():
                return self._object_attribute(owner, name)
            case Super():
                return self._super_attribute(owner, name)
            case Mount():
                return owner.config if name == "config" else Opaque(f"{name} of a model that the config chooses")
            case Tensor():
                return self.tensor_attribute(owner, name)
            case Sym() | List() | Dict() | Range():
                return Bound(name, owner)
            case _ if type(owner).__name__ == "Pending":
                return Bound(name, owner)
            case Opaque():
                return owner
        if isinstance(owner, (ModuleType, type)) or not is_scalar(owner):
            try:
                return getattr(owner, name)
            except AttributeError:
                return Opaque(f"no attribute {name}")
        return Bound(name, owner)

    def _object_attribute(self, owner: Obj, name: str) -> Any:
        if name in owner.attrs:
            value = owner.attrs[name]
            if isinstance(value, Choice) and hasattr(owner.cls, name):
                inherited = self._class_attribute(owner, owner.cls, name, owner.cls.__mro__)
                value = _filled(value, lambda: inherited)
            return self.journal.resolve(value)
        if name == "__class__":
            return owner.cls
        if name == "_modules":
            return Table(owner)
        return self._class_attribute(owner, owner.cls, name, owner.cls.__mro__)

    def _super_attribute(self, owner: Super, name: str) -> Any:
        cls = owner.self.cls if isinstance(owner.self, (Obj, Config)) else owner.self
        mro = cls.__mro__
        return self._class_attribute(owner.self, cls, name, mro[mro.index(owner.after) + 1 :])

    def _class_attribute(self, this: Any, cls: type, name: str, mro: tuple[type, ...]) -> Any:
        for base in mro:
            if name not in vars(base):
                continue
            value = vars(base)[name]
            if isinstance(value, property):
                if value.fget is None or _is_foreign(value.fget):
                    return Opaque(f"the property {name}")
                return self.run_function(value.fget, [this], {})
            if isinstance(value, staticmethod):
                return value.__func__
            if isinstance(value, classmethod):
                return Bound(value.__func__, cls)
            if callable(value) and not isinstance(value, type):
                return Bound(value, this)
            return value
        return Opaque(f"no attribute {name} of {cls.__name__}")

    def has_attribute(self, owner: Any, name: str) -> Term:
        """The condition under which an attribute is there."""
        owner = self.journal.resolve(owner)
        if isinstance(owner, Choice):
            then, other = self.has_attribute(owner.then, name), self.has_attribute(owner.other, name)
            return terms.choose(owner.condition, then, other)
        if isinstance(owner, Config):
            if name in owner.attrs:
                value = owner.attrs[name]
                return (
                    terms.TRUE
                    if not isinstance(value, Choice) or UNSET not in (value.then, value.other)
                    else (value.condition if value.other is UNSET else terms.negate(value.condition))
                )
            if not owner.open and self._declares(owner, name):
                return terms.TRUE
            return terms.call("has", terms.const(owner.path + name))
        if isinstance(owner, Obj):
            if name in owner.attrs:
                value = owner.attrs[name]
                if isinstance(value, Choice) and UNSET in (value.then, value.other):
                    return value.condition if value.other is UNSET else terms.negate(value.condition)
                return terms.TRUE
            return terms.const(hasattr(owner.cls, name))
        if isinstance(owner, (Opaque, Mount)):
            return ("opaque", f"hasattr {name}")
        return terms.const(hasattr(owner, name))

    def _declares(self, config: Config, name: str) -> bool:
        name = getattr(config.cls, "attribute_map", {}).get(name, name)
        return name in field_kinds(config.cls) or hasattr(config.cls, name) or name in vars(config.default)

    def config_attribute(self, config: Config, name: str) -> Any:
        aliases = getattr(config.cls, "attribute_map", {})
        real = aliases.get(name, name)
        if real in config.attrs:
            changed = config.attrs[real]
            if isinstance(changed, Choice):
                changed = _filled(changed, lambda: self._declared(config, name, real))
            return self.journal.resolve(changed)
        return self._declared(config, name, real)

    def _declared(self, config: Config, name: str, real: str) -> Any:  # noqa: C901, PLR0911 — a row of returns
        """What a config has before the constructor of the model changes it."""
        if real.startswith("_attn_implementation"):
            return self.attention
        if real in INTERNAL:
            return INTERNAL[real]
        if real == "__class__":
            return config.cls
        if real == "model_type" and config.open:
            return Sym(("v", f"{config.path}model_type"), frozenset({"str"}))
        subs = getattr(config.cls, "sub_configs", None) or {}
        default = _default(config.default, real)
        if real in subs or isinstance(default, PreTrainedConfig):
            return self._sub_config(config, real, subs.get(real), default)
        if real == "num_labels":
            return Sym(("v", f"{config.path}num_labels"), frozenset({"int"}))
        kinds = field_kinds(config.cls)
        declared = next((vars(base)[real] for base in config.cls.__mro__ if real in vars(base)), UNSET)
        if isinstance(declared, property) and declared.fget is not None and real not in kinds:
            if config.open:
                return Sym(("v", config.path + name), _kinds_of_default(default))
            return self.run_function(declared.fget, [config], {})
        if isinstance(declared, (FunctionType, classmethod, staticmethod)) or (
            callable(declared) and not isinstance(declared, type) and real not in kinds
        ):
            return self._class_attribute(config, config.cls, real, config.cls.__mro__)
        if real in kinds and "ClassVar" not in str(_annotation(config.cls, real)):
            return field(config.path + (name if config.open else real), kinds[real])
        if declared is not UNSET and real not in vars(config.default):
            return declared
        if real in vars(config.default) or config.open:
            return field(config.path + (name if config.open else real), _kinds_of_default(default))
        return Sym(("v", config.path + real), ANY)

    def _sub_config(self, config: Config, name: str, cls: type | None, default: Any) -> Any:
        path = f"{config.path}{name}"
        open_slot = cls is None or cls.__name__ == "AutoConfig"
        optional = default is None
        if default is None and cls is not None and not open_slot:
            try:
                default = cls()
            except Exception:  # noqa: BLE001 — a config class without valid defaults
                return Opaque(f"no default for {path}")
        if default is None or not isinstance(default, PreTrainedConfig):
            known = self._configs_made.get(path)
            if known is None:
                known = self._configs_made[path] = Config(PreTrainedConfig, f"{path}.", PreTrainedConfig(), open=True)
            absent = terms.compare("==", ("v", path), terms.NULL)
            return self.journal.resolve(Choice(absent, None, known))
        key = path
        made = self._configs_made.get(key)
        if made is None:
            made = self._configs_made[key] = Config(type(default), f"{path}.", default, open=open_slot)
        if optional:
            return self.journal.resolve(Choice(terms.compare("==", ("v", path), terms.NULL), None, made))
        return made

    @property
    def _configs_made(self) -> dict[str, Config]:
        return self.__dict__.setdefault("_made", {})  # type: ignore[no-any-return]

    def set_attribute(self, owner: Any, name: Any, value: Any) -> None:
        owner = self.journal.resolve(owner)
        if isinstance(owner, Choice):
            self.either_way(
                owner.condition,
                lambda: self.set_attribute(owner.then, name, value),
                lambda: self.set_attribute(owner.other, name, value),
            )
        elif isinstance(owner, Config):
            real = getattr(owner.cls, "attribute_map", {}).get(name, name)
            self.journal.write(owner.attrs, real, value)
        elif isinstance(owner, Obj):
            declared = inspect.getattr_static(owner.cls, name, UNSET) if isinstance(name, str) else UNSET
            if isinstance(declared, property) and declared.fset is not None and not _is_foreign(declared.fset):
                self.run_function(declared.fset, [owner, value], {})
            else:
                self.journal.write(owner.attrs, name, value)

    # Items

    def get_item(self, owner: Any, key: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 — one case for each kind of owner
        owner, key = self.journal.resolve(owner), self.journal.resolve(key)
        if isinstance(owner, Choice):
            return ite(owner.condition, self.get_item(owner.then, key), self.get_item(owner.other, key))
        if isinstance(key, Choice):
            return ite(key.condition, self.get_item(owner, key.then), self.get_item(owner, key.other))
        if isinstance(owner, Obj) and issubclass(owner.cls, (*CONTAINERS, torch.nn.ModuleDict)):
            return self.get_item(owner.attrs["_items"], key)
        if isinstance(owner, Obj):
            return self.call_method(owner, "__getitem__", key)
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
            return self.tensor_item(owner, key)
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

    def _list_item(self, owner: List, key: Any) -> Any:  # noqa: PLR0911 — one line for each form
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
        if isinstance(owner, Dict) or type(owner).__name__ == "Pending":
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

    # Iteration

    def iterate(self, value: Any) -> tuple[Item, ...]:  # noqa: C901, PLR0911 — one line for each kind of value
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
            case Sym():
                size = self.journal.simplify(terms.call("len", value.term))
                if value.term[:2] == ("f", "list"):
                    return tuple(Plain(self.scalar(part, ANY)) for part in value.term[2:])
                index = self._loop(size)
                element = terms.item(value.term, ("i", index))
                return (Loop(index, size, (Plain(self.scalar(element, _item_kinds(value))),)),)
            case Tensor() if value.shape:
                size = self.journal.simplify(value.shape[0])
                element = Tensor(value.shape[1:], value.dtype)
                if terms.is_const(size):
                    return (Plain(element),) * size[2]
                return (Loop(self._loop(size), size, (Plain(element),)),)
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
                self.notes[f"a loop over what is not known: {value.reason}"] = None
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

    def super_of(self, frame: "Frame") -> Super:
        scope: Any = frame
        while scope.owner is None and scope.parent is not None:
            scope = scope.parent
        return Super(scope.owner, scope.this)

    # What other parts supply
    call_method: Callable[..., Any]
    tensor_attribute: Callable[..., Any]
    tensor_item: Callable[..., Any]
    activation: Callable[..., Any]


def field(path: str, kinds: frozenset[str]) -> Sym:
    """A field of the config as a symbol."""
    return Sym(("v", path, "bool") if kinds == {"bool"} else ("v", path), kinds)


def _filled(value: Any, base: Callable[[], Any]) -> Any:
    """What was set under conditions, and the value before where it was not set."""
    if value is UNSET:
        return base()
    if isinstance(value, Choice):
        return ite(value.condition, _filled(value.then, base), _filled(value.other, base))
    return value


def _opaque(term: Term) -> bool:
    return any(part[0] == "opaque" for part in terms.parts(term))


def _range_size(value: Range) -> Term:
    if value.step == terms.ONE:
        return terms.binary("-", value.stop, value.start)
    return terms.call("ceil", terms.binary("/", terms.binary("-", value.stop, value.start), value.step))


def _default(default: Any, name: str) -> Any:
    return vars(default).get(name, None)


def _kinds_of_default(value: Any) -> frozenset[str]:
    if value is None:
        return ANY
    return frozenset({NAMES[type(value)]}) if type(value) in NAMES else ANY


def _annotation(cls: type, name: str) -> Any:
    return next(
        (b.__dict__["__annotations__"][name] for b in cls.__mro__ if name in b.__dict__.get("__annotations__", {})), ""
    )


def _item_kinds(owner: Sym) -> frozenset[str]:
    return frozenset({"str"}) if owner.kinds == {"str"} else ANY


def _is_foreign(function: Any) -> bool:
    """Whether a function belongs to torch or to the base classes, which are not interpreted."""
    module = getattr(function, "__module__", "") or ""
    return not module.startswith("transformers") or module in {
        PreTrainedModel.__module__, "transformers.configuration_utils", "transformers.integrations.peft",
    } and module == PreTrainedModel.__module__  # fmt: skip
