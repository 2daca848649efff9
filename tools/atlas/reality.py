"""What a model class of transformers expects of a checkpoint, read off the model itself, built on the meta device."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Final, Literal

import torch
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.integrations.heterogeneity.configuration_utils import AmbiguousGlobalPerLayerAttributeError

from hfcheck.loading.spec import Spec, Submodel, TiedKeys
from tools.atlas import classes
from tools.atlas.recorded import Reality, Refused

MOST_LAYERS: Final = 128  # a mutated config may fall back to the full-size default; more than its depth is a mistake
SECONDS: Final = 20


class TooLong(BaseException):
    """The constructor needs too long, or would. No `Exception`: model code that catches all must not swallow it."""


def reality(class_name: str, config: Mapping[str, Any], model_type: str = "") -> Reality:
    """Build `class_name` from what config.json holds, as `from_pretrained` of that class would.

    `model_type` helps to find a class that transformers does not export; by default it is the one in the config.
    Raises `Refused` where transformers raises, `TooLong` where the model is too deep or takes too long.
    """
    known = model_type or str(config.get("model_type", ""))
    cls = classes.model_class(known, class_name)
    with time_limit(SECONDS):
        try:
            resolved = resolved_config(cls, config, known)
        except Exception as error:  # whatever a config class raises is the fact that is recorded
            raise refused("config", error) from error
        _check_depth(resolved)
        try:
            model = built(cls, resolved)
        except Exception as error:  # the same for a constructor
            raise refused("constructor", error) from error
        return _read_off(model)


def resolved_config(cls: type[PreTrainedModel], config: Mapping[str, Any], model_type: str) -> PreTrainedConfig:
    """The config object that `cls.from_pretrained` makes of a config.json (`configuration_utils.py:from_pretrained`).

    A class of a part takes its part of the file: under its key, else the first one that says its type.
    """
    config_class: type[PreTrainedConfig] = cls.config_class or CONFIG_MAPPING[model_type]
    given: dict[str, Any] = json.loads(
        json.dumps(config)
    )  # a copy, of JSON's types: config classes change what they get
    if config_class.base_config_key and config_class.base_config_key in given:
        given = given[config_class.base_config_key]
    if "model_type" in given and given["model_type"] != config_class.model_type:
        parts = [part for part in given.values() if isinstance(part, dict)]
        given = next((part for part in reversed(parts) if part.get("model_type") == config_class.model_type), given)
    return config_class.from_dict(given)


def built(cls: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """The model on the meta device, in the contexts that `from_pretrained` builds it in."""
    with ExitStack() as contexts:
        for context in cls.get_init_context(torch.float32, False, False, None):  # noqa: FBT003 - upstream's signature
            contexts.enter_context(context)
        return cls(config)


def _read_off(model: PreTrainedModel) -> Reality:
    state = model.state_dict()
    inside = [(at, module) for at, module in model.named_modules() if isinstance(module, PreTrainedModel)]
    buffers = [name for name, _ in model.named_buffers()]
    unexpected: set[str] = set(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ())
    if any(name.endswith("rotary_emb.inv_freq") for name in buffers):
        unexpected.add(r"rotary_emb\.inv_freq")
    if any(name.endswith("position_ids") for name in buffers):
        unexpected.add(r"(^|\.)position_ids$")
    spec = Spec(
        architecture=type(model).__name__,
        model_type=model.config.model_type,
        state={name: tuple(tensor.shape) for name, tensor in state.items()},
        integers=frozenset(name for name, tensor in state.items() if not tensor.is_floating_point()),
        base_prefix=model.base_model_prefix,
        submodels=tuple(_submodel(at, module) for at, module in inside),
        tied=tuple(
            TiedKeys(at, dict(module._tied_weights_keys))  # noqa: SLF001 - there is no public name for it
            for at, module in inside
            if module._tied_weights_keys and getattr(module.config, "tie_word_embeddings", False)  # noqa: SLF001 - as above
        ),
        ignore_missing=tuple(sorted(getattr(model, "_keys_to_ignore_on_load_missing", None) or ())),
        ignore_unexpected=tuple(sorted(unexpected)),
    )
    return Reality(spec, dict(getattr(model, "all_tied_weights_keys", None) or {}))


def _submodel(at: str, module: PreTrainedModel) -> Submodel:
    """Of heads that differ from layer to layer, reading the one number raises: then there is none."""
    try:
        heads = getattr(module.config, "num_attention_heads", None)
    except AmbiguousGlobalPerLayerAttributeError:
        heads = None
    return Submodel(at, type(module).__name__, module.config.model_type, heads if type(heads) is int else None)


def refused(stage: Literal["config", "constructor"], error: Exception) -> Refused:
    """An exception of transformers as a fact."""
    return Refused(stage, type(error).__name__, str(error))


def _check_depth(config: PreTrainedConfig) -> None:
    for name, value in vars(config).items():
        if isinstance(value, PreTrainedConfig):
            _check_depth(value)
        elif isinstance(value, int) and value > MOST_LAYERS and ("layers" in name or "depth" in name):
            raise TooLong(f"{name} is {value}")


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `TooLong` in the block once it has run for so long. Main thread only."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
