"""What transformers registers: model types, their config classes, the classes that load them, what those declare."""

import importlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard, cast

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto import auto_factory, configuration_auto, modeling_auto

Names = dict[str, str]
Auto = dict[str, str | list[str]]


def types() -> tuple[str, ...]:
    """Every registered `model_type`, sorted."""
    return tuple(sorted(_config_names()))


def config_class(model_type: str) -> type[PreTrainedConfig]:
    """The config class that `AutoConfig` takes for a type; raises KeyError for a type that is not registered."""
    found: type[PreTrainedConfig] = configuration_auto.CONFIG_MAPPING[model_type]
    return found


def auto(model_type: str) -> Auto:
    """Auto class name to the name of the model class it takes for a type, a list where it holds several.

    An Auto class goes by the *config class*: of several types that share one (`gpt2` and `gpt-sw3`), the last that
    was registered is asked first (`auto_factory.py:_LazyAutoMapping.__getitem__`).
    """
    kin = _kin(model_type)
    found: Auto = {}
    for name, mapping in _auto_maps().items():
        entry = next((mapping[known] for known in kin if known in mapping), None)
        if entry is not None:
            found[name] = entry if isinstance(entry, str) else list(entry)
    return found


def classes(model_type: str) -> tuple[str, ...]:
    """The model classes that a checkpoint of this type can name in `architectures`, sorted.

    Those of all auto maps, and the public ones of its modelling modules that no map holds (`GPT2DoubleHeadsModel`).
    A class of a part (`Gemma3ForCausalLM` in the maps of `gemma3`) belongs to the type of that part: an Auto class
    hands it the sub-config. Left out too: what is not importable here, for want of a package.
    """
    config = config_class(model_type)
    slots = set(_sub_configs(model_type).values())
    mapped = {name for mapping in _class_maps() for known in _kin(model_type) for name in _several(mapping.get(known))}
    found = {name for name in mapped if (cls := _lookup(name)) is not None and cls.config_class not in slots}
    for module in modules(model_type):
        for name in getattr(module, "__all__", ()):
            cls = getattr(module, name)
            if _is_model(cls) and cls.config_class is config and not _is_abstract(cls):
                found.add(name)
    return tuple(sorted(found))


def model_class(model_type: str, name: str) -> type[PreTrainedModel]:
    """The class of this name; raises KeyError where transformers has none, or none that is importable here."""
    homes = [getattr(module, name, None) for module in modules(model_type)]
    for found in (*homes, _lookup(name)):
        if _is_model(found):
            return found
    raise KeyError(name)


def parts(model_type: str) -> Names:
    """Sub-configs of a type whose class is that of a registered type: key in the config to that type."""
    by_name = {name: known for known, name in _config_names().items()}
    slots = _sub_configs(model_type)
    return {key: by_name[cls.__name__] for key, cls in sorted(slots.items()) if cls.__name__ in by_name}


@cache
def modules(model_type: str) -> tuple[ModuleType, ...]:
    """The modelling modules beside the config class; a module that misses a package is left out."""
    package = config_class(model_type).__module__.rpartition(".")[0]
    source = importlib.import_module(package).__file__ or ""
    names = [f"{package}.{path.stem}" for path in sorted(Path(source).parent.glob("modeling_*.py"))]
    return tuple(module for name in names if (module := _module(name)) is not None)


_LISTS = {
    "ignore_missing": "_keys_to_ignore_on_load_missing",
    "ignore_unexpected": "_keys_to_ignore_on_load_unexpected",
    "keep_fp32": "_keep_in_fp32_modules",
    "keep_fp32_strict": "_keep_in_fp32_modules_strict",
    "no_placement": "_no_placement_params",
    "no_split": "_no_split_modules",
    "skip_keys": "_skip_keys_device_placement",
}
_MAPS = {"tied": "_tied_weights_keys", "tp": "_tp_plan", "ep": "_ep_plan"}


def attributes(cls: type[PreTrainedModel]) -> dict[str, Any]:
    """What a model class declares for itself: children add to it when they are built, see `collect`.

    The plans under `base_` stand in the config class and count where a model is its own base model. A plan for
    pipelines is only the names of its stages: which arguments pass between them concerns no check. `varies` names
    the keys that a property or a constructor decides, so that what is said of them here may not hold.
    """
    config = cls.config_class
    names = _LISTS | _MAPS
    own = {key: getattr(cls, name, None) for key, name in names.items()}
    dynamic = {key for key, value in own.items() if isinstance(value, property)}
    own |= dict.fromkeys(dynamic)
    sources = "".join(_source(base) for base in cls.__mro__ if base.__module__.startswith("transformers.models."))
    return {
        "base_prefix": cls.base_model_prefix,
        **{key: sorted(own[key] or ()) for key in _LISTS},
        **{key: dict(own[key] or {}) for key in _MAPS},
        "pp": list(cls._pp_plan or ()),
        "base_tp": dict(getattr(config, "base_model_tp_plan", None) or {}),
        "base_ep": dict(getattr(config, "base_model_ep_plan", None) or {}),
        "base_pp": list(getattr(config, "base_model_pp_plan", None) or ()),
        "varies": sorted(dynamic | {key for key, name in names.items() if _assigned(name, sources)}),
    }


_UNIONS = tuple(key for key in _LISTS if key != "no_placement")
_PLANS = ("tp", "ep")


def collect(
    models: Mapping[str, Mapping[str, Any]], children: Mapping[str, Sequence[str]], embeddings: frozenset[str]
) -> dict[str, Any]:
    """The attributes of a built model: its own and those of the `PreTrainedModel`s inside it.

    `models` has `attributes` by path ("" for the root), `children` the names of a module's children by path,
    `embeddings` the paths of `nn.Embedding`s. A child hands up only what hangs on its parent directly: a model in a
    `ModuleList` keeps its lists to itself (`modeling_utils.py:post_init`, `distributed/mixin.py:init_parallel_plans`).
    """
    return _collect("", models, children, embeddings)


def _collect(
    at: str, models: Mapping[str, Mapping[str, Any]], children: Mapping[str, Sequence[str]], embeddings: frozenset[str]
) -> dict[str, Any]:
    own = models[at]
    prefix = f"{at}." if at else ""
    names = children.get(at, ())
    found: dict[str, Any] = {key: set(own[key]) for key in _UNIONS}
    found |= {key: dict(own[key]) for key in _PLANS}
    stages = list(own["pp"])
    if own["base_prefix"] not in names:
        for key in _PLANS:
            found[key] |= own[f"base_{key}"]
        stages += own["base_pp"]
        if found["tp"] and f"{prefix}embed_tokens" in embeddings:
            found["tp"] = {"embed_tokens": "embedding_rowwise", **found["tp"]}
    for name in names:
        if prefix + name not in models:
            continue
        below = _collect(prefix + name, models, children, embeddings)
        for key in _UNIONS:
            found[key] |= set(below[key])
        for key in _PLANS:
            found[key] |= {f"{name}.{pattern}": style for pattern, style in below[key].items()}
        stages += [f"{name}.{stage}" for stage in below["pp"]]
    return {
        "base_prefix": own["base_prefix"],
        "no_placement": own["no_placement"],
        **{key: sorted(found[key]) for key in _UNIONS},
        **{key: found[key] for key in _PLANS},
        "pp": list(dict.fromkeys(stages)),
    }


def index() -> str:
    """The text of `schemas/auto.json`: what `hfcheck.loading.choose` goes by, for all types in one file."""
    found = {known: {"auto": auto(known), "classes": list(classes(known)), "parts": parts(known)} for known in types()}
    engine = {"transformers": version("transformers")}
    return json.dumps({"schema_version": 1, "engine": engine, "types": found}, indent=2, sort_keys=True) + "\n"


def _config_names() -> Mapping[str, str]:
    """Type to name of the config class, in the order of registration; the module does not export it."""
    names: Mapping[str, str] = vars(configuration_auto)["CONFIG_MAPPING_NAMES"]
    return names


def _sub_configs(model_type: str) -> dict[str, type[PreTrainedConfig]]:
    return cast("dict[str, type[PreTrainedConfig]]", config_class(model_type).sub_configs)


def _kin(model_type: str) -> tuple[str, ...]:
    """The types that share the config class, in the order in which an auto map is asked for them."""
    names = _config_names()
    shared = [known for known, name in names.items() if name == names[model_type]]
    return (shared[-1], *shared[:-1])


_LazyMapping = auto_factory._LazyAutoMapping  # noqa: SLF001 - the maps have no public name


@cache
def _auto_maps() -> dict[str, Mapping[str, Any]]:
    """The maps of the Auto classes, by name of the Auto class."""
    autos = {name: cls for name, cls in vars(modeling_auto).items() if isinstance(cls, type)}
    maps = {name: _names(getattr(cls, "_model_mapping", None)) for name, cls in sorted(autos.items())}
    return {name: found for name, found in maps.items() if found is not None}


@cache
def _class_maps() -> tuple[Mapping[str, Any], ...]:
    """All maps of model classes: five are read by pipelines or processors only and have no Auto class."""
    return tuple(found for mapping in vars(modeling_auto).values() if (found := _names(mapping)) is not None)


def _names(mapping: object) -> Mapping[str, Any] | None:
    """Type to class name or names: what a lazy map is made of."""
    if not isinstance(mapping, _LazyMapping):
        return None
    names: Mapping[str, Any] = mapping._model_mapping  # noqa: SLF001
    return names


def _several(entry: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else entry


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:  # of an optional package: torchaudio, detectron2
        return None


def _lookup(name: str) -> type[PreTrainedModel] | None:
    try:
        found = getattr(importlib.import_module("transformers"), name)
    except (AttributeError, ImportError):
        return None
    return found if _is_model(found) else None


def _is_model(found: object) -> TypeGuard[type[PreTrainedModel]]:
    """Whether it is a model class: for what misses a package transformers hands out a placeholder."""
    return isinstance(found, type) and issubclass(found, PreTrainedModel)


def _is_abstract(cls: type[PreTrainedModel]) -> bool:
    """A base class by its name; models that are only ever asked to `generate` have no `forward` either."""
    return "pretrained" in cls.__name__.lower() and cls.forward is PreTrainedModel.forward


@cache
def _source(cls: type) -> str:
    return inspect.getsource(cls)


def _assigned(name: str, source: str) -> bool:
    return re.search(rf"self\.{name}\s*(?:=[^=]|\.(?:update|extend|append|pop)\()", source) is not None
