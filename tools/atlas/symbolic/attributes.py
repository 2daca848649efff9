"""Attributes of objects and of configs."""

import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from tools.atlas.symbolic import tensors, terms
from tools.atlas.symbolic.frames import Frame
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.kinds import NAMES, field_kinds
from tools.atlas.symbolic.pending import Pending
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.stops import Unsupported
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    ANY,
    UNSET,
    Bound,
    Choice,
    Config,
    Dict,
    Layers,
    List,
    Mount,
    Obj,
    Opaque,
    Range,
    Super,
    Sym,
    Table,
    Tensor,
    is_scalar,
    term_of,
)

# What the base class of configs has as attributes, whatever the file says of it.
INTERNAL = {
    "_experts_implementation": None,
    "use_return_dict": True, "return_dict": True, "output_attentions": False, "output_hidden_states": False,
    "name_or_path": "", "_name_or_path": "", "torchscript": False, "gradient_checkpointing": False,
    "quantization_config": None, "pruned_heads": (),
}  # fmt: skip


class Attributes(Run):
    """The part of the interpreter that reads and writes attributes."""

    def get_attribute(self, owner: Any, name: str) -> Any:
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
                return tensors.attribute(self, owner, name)
            case Sym() | List() | Dict() | Range() | Pending():
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
                if not isinstance(value.fget, FunctionType) or self.is_foreign(value.fget):
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
        if name == "per_layer_config":
            return Layers(config)
        if real in config.attrs:
            changed = config.attrs[real]
            if isinstance(changed, Choice):
                changed = _filled(changed, lambda: self._declared(config, name, real))
            return self.journal.resolve(changed)
        value = self._declared(config, name, real)
        if config.layer is None or not isinstance(value, Sym) or value.term[0] != "v":
            return value
        own = terms.call("get", ("v", f"{config.path}per_layer_config"), config.layer, ("f", "dict"))
        return Sym(terms.call("get", own, terms.const(real), value.term), value.kinds)

    def layer_config(self, config: Config, key: Any) -> Config:
        """The config of one layer, or that of all layers of one type."""
        layer = term_of(key)
        if not (isinstance(key, int) or (isinstance(key, Sym) and key.kinds == {"int"})):
            layer = terms.call("index", term_of(self.config_attribute(config, "layer_types")), layer)
        return Config(config.cls, config.path, config.default, config.open, config.attrs, layer)

    def _declared(self, config: Config, name: str, real: str) -> Any:
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
        if isinstance(declared, property) and isinstance(declared.fget, FunctionType) and real not in kinds:
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
            known = self.configs_made.get(path)
            if known is None:
                known = self.configs_made[path] = Config(PreTrainedConfig, f"{path}.", PreTrainedConfig(), open=True)
            absent = terms.compare("==", ("v", path), terms.NULL)
            return self.journal.resolve(Choice(absent, None, known))
        key = path
        made = self.configs_made.get(key)
        if made is None:
            made = self.configs_made[key] = Config(type(default), f"{path}.", default, open=open_slot)
        if optional:
            return self.journal.resolve(Choice(terms.compare("==", ("v", path), terms.NULL), None, made))
        return made

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
            setter = declared.fset if isinstance(declared, property) else None
            if isinstance(setter, FunctionType) and not self.is_foreign(setter):
                self.run_function(setter, [owner, value], {})
            else:
                self.journal.write(owner.attrs, name, value)

    def is_foreign(self, function: Any) -> bool:
        """Whether a function belongs to torch or to the base class of models, which are not interpreted."""
        module = getattr(function, "__module__", "") or ""
        return not module.startswith(self.interpreted) or module == PreTrainedModel.__module__

    def super_of(self, frame: Frame) -> Super:
        while frame.owner is None and frame.parent is not None:
            frame = frame.parent
        if frame.owner is None:
            raise Unsupported("super() outside of a class")
        return Super(frame.owner, frame.this)


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


def _default(default: Any, name: str) -> Any:
    return vars(default).get(name, None)


def _kinds_of_default(value: Any) -> frozenset[str]:
    if value is None:
        return ANY
    return frozenset({NAMES[type(value)]}) if type(value) in NAMES else ANY


def _annotation(cls: type, name: str) -> Any:
    found = (inspect.get_annotations(base) for base in cls.__mro__)
    return next((annotations[name] for annotations in found if name in annotations), "")
