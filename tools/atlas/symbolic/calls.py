"""Calls: what is interpreted, what is modelled by hand, what is simply run because all of it is known."""

import functools
from types import FunctionType, MethodType
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel, ResNetConfig
from transformers.activations import ACT2CLS
from transformers.models.auto.auto_factory import _BaseAutoBackboneClass, _BaseAutoModelClass

from tools.atlas.symbolic import layers, library, tensors, terms
from tools.atlas.symbolic.dispatch import method
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.operators import Operators
from tools.atlas.symbolic.stops import Unsupported
from tools.atlas.symbolic.values import (
    Bound,
    Choice,
    Closure,
    Config,
    Dict,
    Layers,
    List,
    Mount,
    Obj,
    Opaque,
    Partial,
    Plain,
    Range,
    Sym,
    Tensor,
    is_scalar,
    new_list,
)

# Methods of models that set nothing a checkpoint has, by name.
IGNORED = frozenset({
    "post_init", "init_weights", "_init_weights", "apply", "reset_parameters", "tie_weights", "_tie_weights",
    "gradient_checkpointing_enable", "requires_grad_", "eval", "train", "to", "half", "float", "initialize_weights",
    "warning", "warning_once", "info", "debug", "error", "warn", "_initialize_weights", "add_hook", "freeze",
    "register_forward_hook", "_register_load_state_dict_pre_hook", "register_load_state_dict_post_hook",
    "_register_state_dict_hook", "register_forward_pre_hook", "_freeze_parameters",
    "_check_and_adjust_attn_implementation", "init_parallel_plans", "_reset_parameters", "warn_once",
    "enable_input_require_grads", "_backward_compatibility_gradient_checkpointing",
    "tie_embeddings_and_encoder_decoder", "share_memory", "cpu", "cuda", "standardize_rope_params", "validate_rope",
})  # fmt: skip


class Calls(Operators):
    """The part of the interpreter that calls."""

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        function = self.journal.resolve(function)
        match function:
            case Choice():
                return self.when(
                    function.condition,
                    lambda: self.call(function.then, args, kwargs),
                    lambda: self.call(function.other, args, kwargs),
                )
            case Bound():
                return self._bound(function, args, kwargs)
            case Closure():
                return self.run_closure(function, args, kwargs)
            case Partial():
                return self.call(function.function, [*function.args, *args], {**function.kwargs, **kwargs})
            case Opaque():
                return function
            case Mount() | Obj():
                return Opaque("what a model returns")
        if isinstance(function, functools.partial):
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs})
        model = library.MODELS.get(function) if _hashable(function) else None
        if model is not None:
            return model(self, *args, **kwargs)
        model = layers.FUNCTIONS.get(function) if _hashable(function) else None
        if model is not None:
            return model(self, *args, **kwargs)
        tensor_model = tensors.FUNCTIONS.get(function) if _hashable(function) else None
        if tensor_model is not None:
            return tensor_model(self, *args, **kwargs)
        if isinstance(function, type):
            return self._construct(function, args, kwargs)
        if isinstance(function, MethodType):
            return self._real_method(function, args, kwargs)
        if isinstance(function, FunctionType):
            return self._function(function, args, kwargs)
        if any(isinstance(value, Tensor) for value in (*args, *kwargs.values())):
            return tensors.broadcast(args)
        return self._real(function, args, kwargs)

    def _function(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        module = function.__module__ or ""
        if function.__name__ in IGNORED:
            return None
        if function.__name__ == "__init__" and args and isinstance(args[0], Obj):
            self.initialise(args[0], function, args[1:], kwargs)
            return None
        if any(isinstance(value, Tensor) for value in args) and module.startswith("torch"):
            return tensors.broadcast(args)
        if _all_known((*args, *kwargs.values())):
            return self._real(function, args, kwargs)
        if module.startswith(self.interpreted):
            return self.try_function(function, args, kwargs)
        return Opaque(f"what {module}.{function.__name__} returns")

    def try_function(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Interpret a function; where that is not possible its result is unknown, and nothing else."""
        try:
            return self.run_function(function, args, kwargs)
        except Unsupported as reason:
            return Opaque(f"{function.__name__}: {reason}")

    def _real_method(self, function: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        owner = function.__self__
        if function.__name__ in IGNORED:
            return None
        if isinstance(owner, type):
            return self._class_method(owner, function.__func__, args, kwargs)
        return self._real(function, args, kwargs)

    def _class_method(self, owner: type, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if issubclass(owner, (_BaseAutoModelClass, _BaseAutoBackboneClass)):
            return self._mount(owner, args, kwargs)
        if issubclass(owner, PreTrainedModel) and function.__name__ in {"_from_config", "from_config"}:
            return self._construct(owner, args[:1] or [kwargs["config"]], {})
        if _all_known((*args, *kwargs.values())):
            return self._real(function, [owner, *args], kwargs)
        if function.__module__.startswith(self.interpreted) and not issubclass(owner, PreTrainedModel):
            return self.try_function(function, [owner, *args], kwargs)
        return Opaque(f"{owner.__name__}.{function.__name__}")

    def _mount(self, auto: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
        config = args[0] if args else kwargs.get("config")
        config = self.journal.resolve(config)
        if isinstance(config, Choice):
            return ite(config.condition, self._mount(auto, [config.then], {}), self._mount(auto, [config.other], {}))
        if isinstance(config, Config):
            known = None if config.open else _model_class(auto, config.cls)
            if isinstance(known, type):
                return self._construct(known, [config], {})
            mount = Mount(auto.__name__, config)
            if issubclass(auto, _BaseAutoBackboneClass):
                return self._backbone(auto, mount, (config.default, ResNetConfig()))
            return mount
        if isinstance(config, PreTrainedConfig):
            return Opaque("a model of a config that the constructor makes")
        return None if config is None else Opaque(f"{auto.__name__} of something else than a config")

    def _backbone(self, auto: Any, mount: Mount, usual: tuple[Any, ...]) -> Any:
        """A backbone that the config chooses. Other parts ask for its channels: those of the usual ones are known."""
        if not usual:
            return mount
        default = usual[0]
        known = _model_class(auto, type(default))
        if not isinstance(known, type) or known.__module__.partition(".models.")[2].startswith("timm"):
            return self._backbone(auto, mount, usual[1:])
        path = mount.config.path
        closed = Config(type(default), path, default, False, dict(mount.config.attrs))  # noqa: FBT003
        named = terms.compare("==", ("v", f"{path}model_type"), terms.const(default.model_type))
        return self.when(
            self.journal.simplify(named),
            lambda: self._construct(known, [closed], {}),
            lambda: self._backbone(auto, mount, usual[1:]),
        )

    def _bound(self, function: Bound, args: list[Any], kwargs: dict[str, Any]) -> Any:
        owner = self.journal.resolve(function.self)
        if isinstance(owner, type) and isinstance(function.function, FunctionType):
            return self._class_method(owner, function.function, args, kwargs)
        name = function.function if isinstance(function.function, str) else getattr(function.function, "__name__", "")
        if name in IGNORED and not isinstance(owner, (Sym, Range, Tensor)):
            return None
        if isinstance(owner, Choice):
            return self.when(
                owner.condition,
                lambda: self._bound(Bound(function.function, owner.then), args, kwargs),
                lambda: self._bound(Bound(function.function, owner.other), args, kwargs),
            )
        model = method(owner, name)
        if model is None and isinstance(owner, tuple) and name == "index":
            return self._real(owner.index, args, kwargs)
        if model is not None:
            return model(self, owner, *args, **kwargs)
        if isinstance(function.function, str):
            known = is_scalar(owner) and not isinstance(owner, Sym) and hasattr(owner, name)
            if known and _all_known((*args, *kwargs.values())):
                return self._real(getattr(owner, name), args, kwargs)
            return Opaque(f"the method {name}")
        if isinstance(owner, Obj) and name == "__init__":
            return self.initialise(owner, function.function, args, kwargs)
        if isinstance(function.function, FunctionType) and function.function.__module__.startswith(self.interpreted):
            return self.try_function(function.function, [owner, *args], kwargs)
        return Opaque(f"the method {name}")

    def call_method(self, owner: Any, name: str, *args: Any) -> Any:
        return self.call(self.get_attribute(owner, name), list(args), {})

    def _construct(self, cls: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if issubclass(cls, torch.nn.Module):
            made = Obj(cls)
            made.attrs["training"] = True
            self.initialise(made, cls.__init__, args, kwargs)
            return made
        if _all_known((*args, *kwargs.values())):
            return self._real(cls, args, kwargs)
        if cls.__module__.startswith(self.interpreted) and not issubclass(cls, PreTrainedConfig):
            made = Obj(cls)
            if "__init__" in dir(cls) and isinstance(cls.__init__, FunctionType):
                self.run_function(cls.__init__, [made, *args], kwargs)
            return made
        return Opaque(f"a {cls.__name__}")

    def initialise(self, made: Obj, init: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Run the constructor of a module, which may be that of a base class."""
        owner = next((cls for cls in made.cls.__mro__ if vars(cls).get("__init__") is init), made.cls)
        if owner is torch.nn.Module or owner is object:
            return
        if owner is PreTrainedModel or owner.__name__ == "PreTrainedModel":
            self.journal.write(made.attrs, "config", args[0] if args else kwargs["config"])
            return
        model = layers.LAYERS.get(owner)
        if model is not None:
            model(self, made, args, kwargs)
        elif owner.__module__.startswith(self.interpreted):
            try:
                self.run_function(init, [made, *args], kwargs)
            except Unsupported as reason:
                self.journal.write(made.attrs, "_unknown", Opaque(f"{owner.__name__}: {reason}"))
        elif owner.__module__.startswith("torch.nn.modules") and not layers.is_plain(owner):
            self.journal.write(made.attrs, "_unknown", Opaque(f"the layer {owner.__name__}"))

    def _real(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run something for real: a function of Python or transformers on values that are all known."""
        if not _all_known((*args, *kwargs.values())):
            return Opaque(f"what {getattr(function, '__name__', function)} returns")
        try:
            with torch.device("meta"):
                result = function(*(_real_value(a) for a in args), **{k: _real_value(v) for k, v in kwargs.items()})
        except Exception as error:  # noqa: BLE001 — anything may come out of a function that is merely tried
            return Opaque(f"{getattr(function, '__name__', function)}: {error}")
        return symbolic_value(result)

    def activation(self, name: Sym) -> Any:
        """A module by the name of its activation function: those with parameters are told apart."""
        self.require(terms.call("is_activation", name.term), "KeyError")
        result: Any = Obj(torch.nn.Identity)
        for key, content in ACT2CLS.items():
            cls = content[0] if isinstance(content, tuple) else content
            if isinstance(cls, type) and _has_state(cls):
                made = self._construct(cls, [], {})
                result = ite(self.journal.simplify(terms.compare("==", name.term, terms.const(key))), made, result)
        return result


def _model_class(auto: Any, config_class: type) -> Any:
    """The class, or the classes, that an auto class has for a config."""
    return auto._model_mapping.get(config_class, None)  # noqa: SLF001 — there is no other way


@functools.cache
def _has_state(cls: type) -> bool:
    try:
        return bool(cls().state_dict())
    except Exception:  # noqa: BLE001 — an activation that cannot be made without arguments
        return False


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _all_known(values: Any) -> bool:
    for value in values:
        if isinstance(value, (Sym, Opaque, Choice, Config, Layers, Obj, Range, Tensor, Mount, Closure, Bound, Partial)):
            return False
        if isinstance(value, List) and not all(isinstance(i, Plain) and _all_known([i.value]) for i in value.items):
            return False
        if isinstance(value, Dict) and not _all_known(value.cell.values()):
            return False
        if isinstance(value, (list, tuple)) and not _all_known(value):
            return False
        if isinstance(value, slice) and not _all_known((value.start, value.stop, value.step)):
            return False
    return True


def _real_value(value: Any) -> Any:
    if isinstance(value, List):
        return [_real_value(item.value) for item in value.items if isinstance(item, Plain)]
    if isinstance(value, Dict):
        return {key: _real_value(item) for key, item in value.cell.items()}
    return tuple(_real_value(item) for item in value) if type(value) is tuple else value


def symbolic_value(value: Any) -> Any:
    """A value of Python as the interpreter holds it: what can be changed is watched."""
    if type(value) is list:
        return new_list([Plain(symbolic_value(item)) for item in value])
    if type(value) is dict:
        return Dict({key: symbolic_value(item) for key, item in value.items()})
    if isinstance(value, torch.Tensor):
        return Tensor(tuple(terms.const(int(size)) for size in value.shape), tensors.dtype_name(value.dtype))
    if isinstance(value, torch.nn.Module):
        return Opaque("a module that was made for real") if value.state_dict() else Obj(torch.nn.Identity)
    return value
