"""One entry of the atlas: a model type with its config and all its classes, from the source of transformers."""

import json
import logging
import sys
from importlib.metadata import version
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from hfcheck.placement.outline import parameter_order
from tools.atlas import buffers, classes, compress, fields, provenance
from tools.atlas.reality import TooLong, time_limit
from tools.atlas.symbolic.configs import config_entry
from tools.atlas.symbolic.models import model_entry
from tools.atlas.tiny import tiny

SCHEMA_VERSION = 1
GENERATOR = 1
SECONDS = 120
DEPTH = 20_000
"""Of Python's stack: the interpreter of constructors recurses as deep as they do, several frames for each of theirs."""

WIDTH = 110

MOST = 200_000
"""Characters of the templates of one class; a few constructors repeat themselves without end when written out."""

PLANS = ("keep_fp32", "keep_fp32_strict", "skip_keys", "no_placement", "tp", "ep", "pp")


def entry(model_type: str) -> dict[str, Any]:
    """The entry of a registered type, not yet certified: each class says in `why_not` what could not be followed."""
    sys.setrecursionlimit(DEPTH)
    logging.disable(logging.WARNING)
    config_class = classes.config_class(model_type)
    found: dict[str, Any] = {}
    for name in classes.classes(model_type):
        found[name] = _class(model_type, name)
    made = {
        "schema_version": SCHEMA_VERSION,
        "model_type": model_type,
        "engine": {"transformers": version("transformers"), "generator": GENERATOR},
        "source": provenance.source(model_type),
        "config": _config(config_class, model_type),
        "auto": classes.auto(model_type),
        "classes": compress.compress(found, model_type),
    }
    return buffers.complete(made)


def text(found: dict[str, Any]) -> str:
    """An entry as its file holds it."""
    return _written(found, "") + "\n"


def _written(value: Any, indent: str) -> str:  # noqa: ANN401 — JSON
    """JSON with sorted keys; what fits into a line stands in one, so that a template is a line of a diff."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(value, list):
        items = [_written(item, deeper) for item in value]
    else:
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_written(value[key], deeper)}" for key in sorted(value)]
    begin, end = "[]" if isinstance(value, list) else "{}"
    body = f",\n{deeper}".join(items)
    return f"{begin}\n{deeper}{body}\n{indent}{end}"


def _config(config_class: type[PreTrainedConfig], model_type: str) -> dict[str, Any]:
    found = fields.config_entry(config_class)
    try:
        default = _default(config_class, model_type, "")
    except Exception as error:  # noqa: BLE001 — without an instance nothing is known of its slots
        return {**found, "why_not": [f"no config of this type can be made: {type(error).__name__}"]}
    try:
        with time_limit(SECONDS):
            found |= config_entry(config_class, default)
    except (Exception, TooLong) as error:  # noqa: BLE001 — what stops the interpreter is said in the entry
        return {**found, "why_not": [f"its config could not be followed: {type(error).__name__}"]}
    if any(reason.startswith("__post_init__") for reason in found["why_not"]):
        del found["derive"]  # the resolver then knows that it does not know
    nested = {type(value): value for value in vars(default).values()}
    for name, inner in found["nested"].items():
        cls = next((cls for cls in nested if cls.__name__ == name), None) or _named(config_class, name)
        if cls is not None:
            inner.update(config_entry(cls, nested.get(cls) or cls()))
    return found


def _named(config_class: type[PreTrainedConfig], name: str) -> type[PreTrainedConfig] | None:
    module = sys.modules[config_class.__module__]
    cls = getattr(module, name, None)
    return cls if isinstance(cls, type) and issubclass(cls, PreTrainedConfig) else None


def _default(config_class: type[PreTrainedConfig], model_type: str, class_name: str) -> PreTrainedConfig:
    """An instance that says which class stands in a slot; of a class without valid defaults, the tiny one."""
    try:
        return config_class()
    except Exception:  # noqa: BLE001 — whatever a config class raises at its own defaults
        return config_class.from_dict(tiny(model_type, class_name))


def _class(model_type: str, name: str) -> dict[str, Any]:
    cls = classes.model_class(model_type, name)
    try:
        config_class = cls.config_class or classes.config_class(model_type)
        with time_limit(SECONDS):
            found = model_entry(cls, config_class, _default(config_class, model_type, name))
    except (Exception, TooLong) as error:  # noqa: BLE001 — what stops the interpreter is said in the entry
        reason = f"the constructor could not be followed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return {"base_prefix": cls.base_model_prefix, "certified": False, "why_not": [reason[:200]], "tensors": {}}
    size = len(json.dumps(found["tensors"]))
    if size > MOST:
        reason = f"its expressions take {size // 1000} KB, which nobody could read"
        return {"base_prefix": cls.base_model_prefix, "certified": False, "why_not": [reason], "tensors": {}}
    modules: dict[str, list[dict[str, str]]] = found.pop("modules")
    models = {model["at"]: classes.attributes(_submodel(cls, model["class"])) for model in found["submodels"]}
    embeddings = frozenset(at for at, kinds in modules.items() if _is_embedding(cls, kinds[0]["class"]))
    collected = classes.collect(models, found["order"], embeddings)
    unsplit = set(collected["no_split"])
    found["no_split"] = {at: whole for at, kinds in modules.items() if (whole := _unsplit(kinds, unsplit))}
    never = tuple(at for at, kinds in modules.items() if all(kind["class"] in unsplit for kind in kinds))
    found["order"] = order = _above(found["order"], never)
    children = {f"{at}.{child}" if at else child for at, names in order.items() for child in names}
    found["present"] = {at: condition for at, condition in found["present"].items() if at in children}
    parameters = found.pop("parameters")
    found["parameters"] = {at: parameters[at] for at in order if parameters.get(at) != _usual(parameters.get(at))}
    found["base_prefix"] = collected["base_prefix"]
    found |= {key: collected[key] for key in PLANS if collected.get(key)}
    return found


def _is_embedding(cls: type, name: str) -> bool:
    """Whether a class is `nn.Embedding` or one that a model derives from it, as some do to scale it."""
    found = nn.Embedding if name == "Embedding" else _submodel(cls, name)
    return isinstance(found, type) and issubclass(found, nn.Embedding)


def _submodel(cls: type, name: str) -> Any:  # noqa: ANN401 — a class of transformers
    found = getattr(sys.modules[cls.__module__], name, None)
    return found if found is not None else _elsewhere(name)


def _elsewhere(name: str) -> Any:  # noqa: ANN401 — as above
    """A class of another model's module, by its name."""
    for module_name, module in sys.modules.items():
        if module_name.startswith("transformers.models.") and (found := vars(module).get(name)) is not None:
            return found
    return None


def _unsplit(kinds: list[dict[str, str]], unsplit: set[str]) -> str | list[dict[str, str]] | None:
    """The class of a module that is not split; several where it depends on the config, each with its condition."""
    found = [kind for kind in kinds if kind["class"] in unsplit]
    if not found or len(kinds) == 1 or any(kind["if"] == "unknown" for kind in kinds):
        return found[0]["class"] if found else None
    return found


def _usual(names: list[str] | None) -> list[str] | None:
    """The order that is taken where an entry gives none."""
    return names and sorted(names, key=parameter_order)


def _above(order: dict[str, list[str]], unsplit: tuple[str, ...]) -> dict[str, list[str]]:
    """The children of every module that a device map may name: nothing in a module that is not split."""
    return {
        at: children
        for at, children in order.items()
        if not any(at == whole or at.startswith(f"{whole}.") for whole in unsplit)
    }
