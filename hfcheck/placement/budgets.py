"""The budget of each device: what is given, the loaders' own shares of it, and the balance between accelerators."""

from collections.abc import Mapping

from hfcheck.placement.device import Key, order
from hfcheck.placement.plan import PlannerRaises
from hfcheck.placement.prepared import Prepared
from hfcheck.placement.target import Dialect, Target

_CPU_SHARE = 0.90
_ONLY_SHARE = 0.9
_MARGIN = 1.25


def budgets(prepared: Prepared, target: Target) -> dict[Key, float]:
    """Bytes that the planner may fill on each device, disk apart, in the order in which it fills them.

    They may be floats, and the comparison with a size is as exact as theirs is. Raises PlannerRaises.
    `get_max_memory` and `get_balanced_memory` of both libraries, `adjust_max_memory` of the quantisers.
    """
    given = _given(target, prepared.dialect)
    if target.mode == "sequential":
        result = given
    else:
        _check_disk(target, prepared.dialect)
        result = _balanced(prepared, given, target)
    share = prepared.model.budget_share if prepared.dialect == "transformers" else 1.0
    return result if share == 1 else {key: nbytes * share for key, nbytes in result.items()}


def is_free(target: Target) -> bool:
    """Whether nobody passes `max_memory`."""
    return any(device.is_free for device in target.devices)


def _given(target: Target, dialect: Dialect) -> dict[Key, float]:
    budget: dict[Key, float] = {
        device.key: device.size
        for device in sorted(target.devices, key=lambda device: order(device.key))
        if device.size is not None and device.backend != "disk"
    }
    if not is_free(target):
        return budget
    if "mps" in budget or any(device.is_integrated for device in target.devices):
        budget.pop("cpu", None)  # it shares the memory of the accelerator, so neither library asks for it
    if dialect == "transformers" and "cpu" in budget:
        budget["cpu"] *= _CPU_SHARE
    return budget


def _check_disk(target: Target, dialect: Dialect) -> None:
    """A size for the disk means that `max_memory` has the key; what is not passed makes no trouble."""
    if dialect != "accelerate" or is_free(target):
        return
    if any(device.backend == "disk" and device.size is not None for device in target.devices):
        raise PlannerRaises(
            "RuntimeError",
            "get_balanced_memory of accelerate takes the key disk of max_memory for a torch device; leave the size of"
            " the disk out, it is used without one, or ask for the mode sequential",
        )


def _balanced(prepared: Prepared, given: Mapping[Key, float], target: Target) -> dict[Key, float]:
    budget = dict(given)
    filled = sum(1 for key, nbytes in budget.items() if key != "cpu" and nbytes > 0)
    if not filled:
        return budget
    is_low_zero = target.mode == "balanced_low_0" and filled > 1
    if filled == 1 and is_free(target):
        only = next((key for key in budget if isinstance(key, int)), None)
        if only is not None:
            budget[only] *= _ONLY_SHARE
    if not prepared.has_blocks and prepared.dialect == "transformers":
        kinds = ", ".join(sorted(prepared.model.no_split)[:3])
        raise PlannerRaises(
            "ValueError",
            f"get_balanced_memory of transformers looks for modules of the classes that are not split ({kinds}), and"
            " this model has none of them; ask for the mode sequential",
        )
    share = prepared.total // (filled - 1 if is_low_zero else filled) + int(
        _MARGIN * max(prepared.block, prepared.leaf)
    )
    numbers = sorted(key for key, nbytes in budget.items() if isinstance(key, int) and nbytes > 0)
    if is_low_zero:
        _check_numbers(budget, filled)
    for key in numbers[:-1]:
        if not (is_low_zero and key == 0):
            budget[key] = min(share, budget[key])
    if is_low_zero:
        rest = prepared.total - sum(budget[key] for key in range(1, filled))
        budget[0] = min(max(0, rest), budget[0])
    return budget


def _check_numbers(budget: Mapping[Key, float], filled: int) -> None:
    missing = next((key for key in range(filled) if key not in budget), None)
    if missing is not None:
        raise PlannerRaises(
            "KeyError",
            f"balanced_low_0 takes the accelerators to be numbered from 0 to {filled - 1}, and there is no {missing};"
            " number them so with CUDA_VISIBLE_DEVICES, or ask for the mode balanced",
        )
