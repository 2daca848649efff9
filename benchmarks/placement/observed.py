"""What both libraries plan for an architecture on the meta device, and what its files would be."""

import copy
import json
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from accelerate.utils import modeling as of_accelerate  # type: ignore[import-untyped]
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.integrations import accelerate as of_transformers

from benchmarks.placement.architectures import Architecture
from benchmarks.placement.oracle import DTYPES, Outcome
from hfcheck.formats.tensor import Tensor
from hfcheck.placement.device import Key
from hfcheck.placement.target import Dialect, Mode

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Budget:
    """A mode and the memory of the devices: shares of the bytes of the model, or `gib` of them each."""

    mode: Mode
    shares: Mapping[Key, float]
    gib: bool = False

    def of(self, total: int) -> dict[Key, int]:
        """Bytes by device for a model of this size."""
        return {key: int(share * (GIB if self.gib else total)) for key, share in self.shares.items()}


BUDGETS = (
    Budget("auto", {0: 0.62, 1: 0.62, "cpu": 3.0}),
    Budget("auto", {0: 0.37, 1: 0.37, "cpu": 3.0}),
    Budget("auto", {0: 0.3, "cpu": 0.45}),
    Budget("auto", {0: 1.4, "cpu": 3.0}),
    Budget("auto", {0: 24, 1: 24, "cpu": 64}, gib=True),
    Budget("balanced", {0: 0.4, 1: 0.4, 2: 0.4, 3: 0.4, "cpu": 3.0}),
    Budget("balanced", {0: 0.2, 1: 0.8, "cpu": 3.0}),
    Budget("balanced_low_0", {0: 0.6, 1: 0.6, 2: 0.6, "cpu": 3.0}),
    Budget("balanced_low_0", {0: 0.5, 1: 0.7, "cpu": 1.0}),
    Budget("sequential", {0: 0.45, 1: 0.45, 2: 0.45, "cpu": 3.0}),
    Budget("sequential", {0: 8, "cpu": 16}, gib=True),
    Budget("sequential", {0: 0.25, 1: 0.25, "cpu": 0.35}),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """An architecture as it is saved, and what the libraries plan: `outcomes` by dialect and number of the budget.

    `in_memory` are the tensors by the names that the model has, `stored` by those that `save_pretrained` gives them.
    `full` is the whole config, `published` one without defaults. `names` are all parameters, `total` their bytes.
    `built` and `planned` are CPU seconds: for the model on the meta device, and for one plan.
    """

    in_memory: Mapping[str, Tensor]
    stored: Mapping[str, Tensor]
    full: dict[str, Any]
    published: dict[str, Any]
    names: tuple[str, ...]
    total: int
    outcomes: Mapping[tuple[Dialect, int], Outcome]
    built: float
    planned: float


def observed(one: Architecture) -> Observed:
    """Build and plan the real model, in bfloat16."""
    config = AutoConfig.for_model(one.model_type, **copy.deepcopy(dict(one.config)))
    auto: Any = getattr(transformers, f"AutoModelFor{one.auto}")
    cls: type[PreTrainedModel] = auto._model_mapping[type(config)]  # noqa: SLF001 - there is no public name for it
    config.architectures = [cls.__name__]
    started = time.process_time()
    untied = _built(cls, config)
    built = time.process_time() - started
    with torch.device("meta"):
        tied: Any = auto.from_config(copy.deepcopy(config), dtype=torch.bfloat16)
    tied.tie_weights()
    state = {name: tensor for name, tensor in tied.state_dict().items() if name not in untied.all_tied_weights_keys}
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    outcomes: dict[tuple[Dialect, int], Outcome] = {}
    started = time.process_time()
    for number, budget in enumerate(BUDGETS):
        memory = budget.of(total)
        outcomes["transformers", number] = _outcome(_transformers, untied, budget.mode, memory)
        outcomes["accelerate", number] = _outcome(_accelerate, tied, budget.mode, memory)
    planned = time.process_time() - started
    declared = {"model_type": one.model_type, "architectures": [cls.__name__]}
    return Observed(
        in_memory=_tensors(state),
        stored=_tensors(revert_weight_conversion(tied, dict(state))),
        full=json.loads(config.to_json_string(use_diff=False)) | {"dtype": "bfloat16"},
        published={**copy.deepcopy(dict(one.config)), **declared, "torch_dtype": "bfloat16"},
        names=tuple(name for name, _ in untied.named_parameters()),
        total=total,
        outcomes=outcomes,
        built=built,
        planned=planned / len(outcomes),
    )


def _built(cls: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """The model on the meta device as `from_pretrained` has it when it plans."""
    contexts = cls.get_init_context(torch.bfloat16, False, False, None)  # noqa: FBT003 - upstream's signature
    for context in contexts:
        context.__enter__()
    try:
        return cls(copy.deepcopy(config))
    finally:
        for context in reversed(contexts):
            context.__exit__(None, None, None)


Planner = Callable[[PreTrainedModel, Mode, dict[Key, int]], Mapping[str, Key]]


def _outcome(planner: Planner, model: PreTrainedModel, mode: Mode, memory: Mapping[Key, int]) -> Outcome:
    logging.disable(logging.WARNING)  # both say of every device that it is not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dict(planner(model, mode, dict(memory)))
    except Exception as error:  # noqa: BLE001 - that the library raises is a result
        return type(error).__name__
    finally:
        logging.disable(logging.NOTSET)


def _transformers(model: PreTrainedModel, mode: Mode, memory: dict[Key, int]) -> Mapping[str, Key]:
    found: Mapping[str, Key] = of_transformers._get_device_map(model, mode, memory, None)  # noqa: SLF001
    return found


def _accelerate(model: PreTrainedModel, mode: Mode, memory: dict[Key, int]) -> Mapping[str, Key]:
    """What `load_checkpoint_and_dispatch` does for a mode and a dtype."""
    unsplit = sorted(model._no_split_modules or ())  # noqa: SLF001 - as its documentation tells to
    asked: dict[str, Any] = {"no_split_module_classes": unsplit, "dtype": torch.bfloat16}
    limits: Any = memory
    if mode != "sequential":
        limits = of_accelerate.get_balanced_memory(model, limits, low_zero=mode == "balanced_low_0", **asked)
    found: Any = of_accelerate.infer_auto_device_map(model, limits, **asked)
    return dict(found)


def _tensors(state: Mapping[str, torch.Tensor]) -> dict[str, Tensor]:
    return {
        name: Tensor(DTYPES[one.dtype], tuple(one.shape), 0, one.numel() * one.element_size())
        for name, one in sorted(state.items())
    }
