"""What stops `from_pretrained` at a file of `torch.save`, and what of it never reaches the model.

transformers 5.23 reads it with `torch.load(weights_only=True)`, an archive with `mmap=True`, and then updates a dict
with what it gets: `modeling_utils.py:load_state_dict` and `_load_pretrained_model`.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hfcheck.finding import quote
from hfcheck.formats import torch_zip
from hfcheck.formats.pickle_facts import Consumer, PickleFacts
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.torch_state import FaultKind, Root, StateDict
from hfcheck.formats.torch_tensor import TensorKind
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.formats.zip_kinds import Difference, Effect, Kind
from hfcheck.loading.judge import Load, not_checked
from hfcheck.weights_only import refusal

PARTS = 5
"""Pickles of a file before torch 1.6: what stands behind them is not read as one."""

_EITHER = frozenset({
    Kind.DUPLICATE, Kind.CASE, Kind.SECOND_END, Kind.ZIP64_END, Kind.TWO_DIRECTORIES, Kind.COUNT_FEWER,
})  # fmt: skip
"""Differences of archives after which nobody can say which of two pickles torch takes."""

_NO_COPY = frozenset({TensorKind.SPARSE, TensorKind.QUANTISED, TensorKind.META, TensorKind.NESTED})
"""Kinds of tensors that cannot be copied into a parameter."""


def loaded(pickled: PickledFacts, archive: object) -> tuple[PickleFacts, ...]:
    """The pickles that `torch.load` unpickles: none where the file is no file of `torch.save`, but has one in it.

    `archive` are the facts of the zip archive that the file is.
    """
    if pickled.consumer is Consumer.TORCH_LEGACY:
        return tuple(found for found in pickled.pickles if found.origin is not None and found.number < PARTS)
    if pickled.consumer is not Consumer.TORCH_ZIP or not isinstance(archive, ZipFacts):
        return ()
    return tuple(found for found in pickled.pickles if found.number == 0 and _is_data(found.member or ""))


def _is_data(member: str) -> bool:
    return "!/" not in member and member.lower().split("/")[1:] == ["data.pkl"]


def stopped(name: str, pickled: PickledFacts, archive: object, config: Mapping[str, Any] | None) -> Load | None:
    """The load that ends at this file, or is not known because of it; None where there is a state dict to compare.

    `config` is that of the model where transformers looks for the precision of the weights in this file.
    """
    if reason := _unknown(pickled, archive):
        return not_checked(f"{quote(name)}: {reason}")
    reason = _raises(pickled, archive)
    if not reason and config is not None and pickled.state is not None:
        reason = _raises_for_dtype(pickled.state, config)
    return Load(None, "raises", f"{quote(name)} cannot be loaded: {reason}") if reason else None


def with_others(load: Load, states: Sequence[StateDict]) -> Load:
    """The load with what the files hold beside tensors: `torch.save` takes anything."""
    if load.spec is None or not states:
        return load
    if reason := next(filter(None, (_raises_in_copy(state, load.spec.state) for state in states)), ""):
        return Load(load.architecture, "raises", reason, load.engine)
    others = dict.fromkeys(name for state in states for name in state.others)
    return replace(load, unexpected=(*load.unexpected, *others)) if others else load


def _raises(pickled: PickledFacts, archive: object) -> str:
    """Why `torch.load` raises, or what transformers does with its result: a phrase; empty where neither does."""
    if pickled.consumer is Consumer.TORCHSCRIPT:
        return "it is a program of TorchScript, which torch.load(weights_only=True) does not read"
    if reason := _refused_archive(archive):
        return f"torch does not open the archive: {reason}"
    pickles = pickled.pickles if pickled.consumer is Consumer.TORCH_TAR else loaded(pickled, archive)
    if not pickles:
        return "it is no file of torch.save"
    for pickle in pickles:
        if found := refusal(pickle):
            return f"torch.load(weights_only=True) refuses it: {found.reason}"
    if broken := next((pickle.error for pickle in pickles if pickle.error is not None), None):
        return f"its pickle stops at byte {broken.offset}: expected {broken.expected}"
    return _of_state(pickled.state, pickled.consumer) if pickled.state is not None else "there is no state dict in it"


def _unknown(pickled: PickledFacts, archive: object) -> str:
    """Why nobody can say what is in the file: a phrase; empty where we can."""
    if any(pickle.error is not None and pickle.error.budget is not None for pickle in pickled.pickles):
        return "it takes more room or time than hfcheck gives it"
    if any(found.kind in _EITHER for found in _differences(archive)):
        return "which of several pickles torch takes is not known"
    if any(part.budget is not None for part in pickled.unread) and pickled.state is None:
        return "a part of it was not read"
    is_list = pickled.state is not None and pickled.state.root is Root.SEQUENCE
    return "it holds a list, which may or may not do for a dictionary" if is_list else ""


def _refused_archive(archive: object) -> str:
    refused = (found for found in _differences(archive) if found.kind.effect is Effect.TORCH_REFUSES)
    return next((found.detail for found in refused), "")


def _differences(archive: object) -> tuple[Difference, ...]:
    if not isinstance(archive, ZipFacts):
        return ()
    torch = torch_zip.describe(archive)
    return (*archive.differences, *(torch.differences if torch is not None else ()))


def _of_state(state: StateDict, consumer: Consumer) -> str:
    faults = {fault.kind: fault for fault in state.faults}
    for kind in (FaultKind.SIZES, FaultKind.BEYOND, FaultKind.MISSING):
        if fault := faults.get(kind):
            return f"{_named(fault.tensor, fault.storage)} {kind.value}: {fault.detail}"
    if consumer is Consumer.TORCH_LEGACY:
        if fault := faults.get(FaultKind.FOUND):
            return f"storage {quote(fault.storage or '')} {FaultKind.FOUND.value}: {fault.detail}"
        for name, tensor in state.stored.items():
            storage = state.storages.get(tensor.storage) if tensor.storage is not None else None
            if storage is not None and storage.dtype != tensor.dtype:
                return f"torch.load knows no {tensor.dtype} in this format, in which {quote(name)} is stored"
    if state.root is not Root.MAPPING:
        return f"it holds {state.root.value} and no dictionary of tensors"
    return "it has entries under names that are no strings" if state.nameless else ""


def _named(tensor: str | None, storage: str | None) -> str:
    return f"storage {quote(storage or '')}" if tensor is None and storage else f"tensor {quote(tensor or '')}"


def _raises_for_dtype(state: StateDict, config: Mapping[str, Any]) -> str:
    """Why transformers cannot tell the precision of the weights, where the config does not.

    It asks each entry up to the first of floating point: `modeling_utils.py:get_state_dict_dtype`.
    """
    if state.first_other is None or any(config.get(name) is not None for name in ("dtype", "torch_dtype")):
        return ""
    name, what = state.first_other
    return f"transformers takes the precision from the first entry, and {quote(name)} is {what}"


def _raises_in_copy(state: StateDict, expected: Container[str]) -> str:
    """The first entry under the name of a parameter that cannot be copied into it."""
    for name, what in state.others.items():
        if name in expected:
            return f"{quote(name)} is {what} and no tensor"
    for name, tensor in state.stored.items():
        if tensor.kind in _NO_COPY and name in expected:
            return f"{quote(name)} is a {tensor.kind.value} tensor, and no parameter is"
    return ""
