"""What the two libraries really plan for a module of torch, and the same module as hfcheck's planner sees it."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from unittest.mock import patch

import torch
import transformers
from accelerate.utils import modeling as accelerate_modeling  # type: ignore[import-untyped]
from torch import nn
from transformers.integrations import accelerate as transformers_accelerate

from hfcheck.placement.device import Device, Key
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.plan import PlannerRaises
from hfcheck.placement.planner import plan
from hfcheck.placement.target import Dialect, Mode, Target

DTYPES = {
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
    torch.complex128: "C128",
    torch.float8_e4m3fn: "F8_E4M3",
}

Outcome: TypeAlias = Mapping[str, Key] | str
"""A device map, or the name of the exception that there is instead of one."""


def model_of(module: nn.Module, dialect: Dialect, no_split: frozenset[str] | None = None) -> Model:
    """A module as the planner of a dialect finds it: tied for accelerate, untied for transformers."""
    kinds = frozenset(getattr(module, "_no_split_modules", None) or ()) if no_split is None else no_split
    weights: dict[str, Weight] = {}
    return Model(
        architecture=type(module).__name__,
        root=_tree(module, kinds, weights),
        weights=weights,
        ties=_identical(module) if dialect == "accelerate" else _mapped(module),
        no_split=kinds,
        no_placement=frozenset(getattr(module, "_no_placement_params", None) or ()),
        dtype="BF16",
        exact=True,
    )


def _tree(module: nn.Module, kinds: frozenset[str], weights: dict[str, Weight]) -> Module:
    root = Module()
    stack = [("", module, root)]
    while stack:
        prefix, real, ours = stack.pop()
        if type(real).__name__ in kinds:
            ours.kind = type(real).__name__
        for part, tensor in real.named_parameters(recurse=False, remove_duplicate=False):
            ours.parameters[part] = _note(weights, Weight(prefix + part, _nbytes(tensor), DTYPES[tensor.dtype]))
        for part, buffer in real.named_buffers(recurse=False, remove_duplicate=False):
            weight = Weight(
                prefix + part,
                _nbytes(buffer),
                DTYPES[buffer.dtype],
                is_buffer=True,
                is_persistent=part not in real._non_persistent_buffers_set,  # noqa: SLF001 - torch has no other way
            )
            ours.buffers[part] = _note(weights, weight)
        ours.children = {part: Module() for part, _ in real.named_children()}
        below = [(f"{prefix}{part}.", child, ours.children[part]) for part, child in real.named_children()]
        stack += reversed(below)
    return root


def _note(weights: dict[str, Weight], weight: Weight) -> int:
    weights[weight.name] = weight
    return weight.nbytes


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _identical(module: nn.Module) -> dict[str, str]:
    """Ties in the order in which accelerate goes through their groups: that of a set, other in each process."""
    groups = accelerate_modeling.find_tied_parameters(module)
    return {name: group[0] for group in groups for name in group[1:]}


def _mapped(module: nn.Module) -> dict[str, str]:
    """Ties in the order in which transformers goes through their sources: that of a set, other in each process."""
    ties = getattr(module, "all_tied_weights_keys", {})
    return {name: source for each in set(ties.values()) for name, source in ties.items() if source == each}


def ours(model: Model, target: Target) -> Outcome:
    try:
        return dict(plan(model, target).device_map)
    except PlannerRaises as error:
        return error.error


def theirs(module: nn.Module, target: Target) -> Outcome:
    """The map that the library of the dialect makes of a module, tied or not as it would have it."""
    planner = _accelerate if target.dialect == "accelerate" else _transformers
    with _quiet(), _probed(target):
        try:
            return planner(module, target)
        except Exception as error:  # noqa: BLE001 - that the library raises is a result
            return type(error).__name__


def _accelerate(module: nn.Module, target: Target) -> dict[str, Key]:
    memory, no_split = _max_memory(target), getattr(module, "_no_split_modules", None)
    if target.mode != "sequential":
        is_low_zero = target.mode == "balanced_low_0"
        memory = accelerate_modeling.get_balanced_memory(
            module, max_memory=memory, no_split_module_classes=no_split, low_zero=is_low_zero
        )
    planned: Any = accelerate_modeling.infer_auto_device_map
    return dict(planned(module, max_memory=memory, no_split_module_classes=no_split))


def _transformers(module: nn.Module, target: Target) -> dict[str, Key]:
    planned = transformers_accelerate._get_device_map  # noqa: SLF001 - what from_pretrained calls
    return planned(module, target.mode, _max_memory(target), None)  # type: ignore[arg-type]


def _max_memory(target: Target) -> dict[Key, Any] | None:
    if any(device.is_free for device in target.devices):
        return None
    return {device.key: device.size for device in target.devices if device.size is not None}


@contextmanager
def _quiet() -> Iterator[None]:
    before, level = logging.root.manager.disable, transformers.logging.get_verbosity()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        transformers.logging.set_verbosity(level)


@contextmanager
def _probed(target: Target) -> Iterator[None]:
    """The machine has the devices of the target, as far as a probe of their memory tells."""
    real = accelerate_modeling.get_max_memory
    probed = {device.key: device.size for device in target.devices if device.size is not None}
    probed.pop("disk", None)
    if "mps" in probed or any(device.is_integrated for device in target.devices):
        probed.pop("cpu", None)

    def memory(given: dict[Key, Any] | None = None) -> dict[Key, Any]:
        return dict(probed) if given is None else real(given)

    with (
        patch.object(accelerate_modeling, "get_max_memory", memory),
        patch.object(transformers_accelerate, "accelerate_max_memory", memory),
        patch.object(accelerate_modeling, "is_mps_available", lambda: "mps" in probed),
    ):
        yield


def target_of(memory: Mapping[Key, int], mode: Mode, dialect: Dialect, *, is_free: bool = False) -> Target:
    """The target of a load that is given this `max_memory`, or finds it."""
    backends: dict[Key, Any] = {"mps": "mps", "cpu": "cpu", "disk": "disk"}
    devices = tuple(
        Device(key, size, backends.get(key, "cuda"), is_free=is_free and key != "disk") for key, size in memory.items()
    )
    return Target(devices, mode=mode, dialect=dialect)


def differs(module: nn.Module, model: Model, target: Target) -> tuple[Outcome, Outcome] | None:
    """Both outcomes, ours first, where they are not equal."""
    pair = ours(model, target), theirs(module, target)
    return None if pair[0] == pair[1] else pair
