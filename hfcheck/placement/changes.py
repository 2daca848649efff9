"""What would make a load work better: single changes of a target, each of them planned again.

A planner is greedy, so that a larger budget is not proven to be a better one. What is found is found, not minimal.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from hfcheck.placement.device import Device, Key
from hfcheck.placement.result import FITS, Change, Fit
from hfcheck.placement.size import size
from hfcheck.placement.target import Mode, Target
from hfcheck.placement.trial import Subject, Trial, tried

STEP = 2**20
"""Bytes to which a budget is found: a MiB."""

MARGIN = 4 * 2**30
"""Bytes beside twice the weights that are surely enough: a budget is looked for up to there."""

MODES: tuple[Mode, ...] = ("auto", "sequential", "balanced_low_0")


def changes(subject: Subject, trial: Trial, modelled: Callable[[Target], Subject]) -> Iterator[Change]:
    """The changes that help, those first that cost nothing; nothing where all fits and nothing is offloaded.

    `modelled` makes the model of another target, of another type of numbers.
    """
    if trial.rank == (0, False):
        return
    if trial.target.explicit is None:
        yield from _modes(subject, trial)
    yield from _batch(subject, trial)
    if subject.model.dtype == "F32":
        yield from _types(trial, modelled)
    if trial.target.explicit is None:
        yield from _budgets(subject, trial)
        yield from _another(subject, trial)
    yield from _disk(subject, trial)


def _batch(subject: Subject, trial: Trial) -> Iterator[Change]:
    if trial.target.batch > 1:
        other = tried(subject, replace(trial.target, batch=1))
        if _helps(other, trial):
            yield Change(f"--batch 1 instead of {trial.target.batch}", _verdict(other))


def _types(trial: Trial, modelled: Callable[[Target], Subject]) -> Iterator[Change]:
    target = replace(trial.target, dtype="bfloat16")
    other = tried(modelled(target), target)
    if _helps(other, trial):
        yield Change("--dtype bfloat16: half of the bytes of float32", _verdict(other))


def _modes(subject: Subject, trial: Trial) -> Iterator[Change]:
    for mode in MODES:
        if mode != trial.target.mode and not {mode, trial.target.mode} <= {"auto", "balanced"}:
            other = tried(subject, replace(trial.target, mode=mode))
            if _helps(other, trial):
                yield Change(f"--device-map {mode}", _verdict(other))


def _budgets(subject: Subject, trial: Trial) -> Iterator[Change]:
    """More memory of all accelerators alike, and of one device: the first for which that helps."""
    sized = [device for device in trial.target.devices if device.size]
    accelerators = [device.key for device in sized if device.is_accelerator]
    if len(accelerators) > 1 and (found := _smallest(subject, trial, accelerators)):
        yield found
    for keys in [[device.key] for device in sized]:
        if found := _smallest(subject, trial, keys):
            yield found
            break


def _smallest(subject: Subject, trial: Trial, keys: list[Key]) -> Change | None:
    """The smallest budget of these devices that was found to help as much as a very large one does."""
    now = max(device.size or 0 for device in trial.target.devices if device.key in keys)

    def at(nbytes: int) -> Trial:
        return tried(subject, _with(trial.target, keys, nbytes))

    high = now + int(2 * subject.ready.total) + MARGIN
    best = at(high)
    if not _helps(best, trial):
        return None
    low = now
    while high - low > STEP:
        middle = (low + high) // 2
        if at(middle).rank <= best.rank:
            high = middle
        else:
            low = middle
    high = -(-high // STEP) * STEP
    found = at(high)
    if found.rank > best.rank:  # the planner is greedy: a little more need not be better
        return None
    which = f"device {keys[0]}" if len(keys) == 1 else "each accelerator"
    return Change(f"{size(high)} on {which} instead of {size(now)}", _verdict(found), keys[0], high)


def _with(target: Target, keys: list[Key], nbytes: int) -> Target:
    devices = tuple(
        replace(device, size=max(device.size or 0, nbytes)) if device.key in keys else device
        for device in target.devices
    )
    return replace(target, devices=devices)


def _another(subject: Subject, trial: Trial) -> Iterator[Change]:
    """One more accelerator like the last."""
    last = next((device for device in reversed(trial.target.devices) if isinstance(device.key, int)), None)
    if last is None or not isinstance(last.key, int):
        return
    number = last.key + 1
    more: list[Device] = []
    for device in trial.target.devices:
        more.append(device)
        if device is last:
            more.append(replace(device, key=number))
    other = tried(subject, replace(trial.target, devices=tuple(more)))
    if _helps(other, trial):
        yield Change(f"another accelerator, --device {number}={last.given or size(last.size or 0)}", _verdict(other))


def _disk(subject: Subject, trial: Trial) -> Iterator[Change]:
    """What nothing else takes goes to the disk in any case: to list it is to say that this is meant."""
    if not any(device.key == "disk" for device in trial.target.devices):
        other = tried(subject, replace(trial.target, devices=(*trial.target.devices, Device("disk", None, "disk"))))
        if _helps(other, trial):
            yield Change("--device disk: what fits nowhere else is read from there in every step", _verdict(other))


def _helps(other: Trial, trial: Trial) -> bool:
    """Whether a change is worth naming: it is better, and does not end with a load that still does not fit."""
    return other.rank < trial.rank and _verdict(other) != "does-not-fit"


def _verdict(trial: Trial) -> Fit:
    return FITS[min(trial.rank[0], len(FITS) - 1)]
