"""The devices of a dry run, as `--device` names them: `0=24GiB:sm_80`, `0-3=80GiB`, `cpu=64GiB`, `disk`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hfcheck.finding import quote

Key: TypeAlias = int | str
"""The key of a device in a map: the number of an accelerator, "mps", "cpu" or "disk"."""

Backend: TypeAlias = Literal["cuda", "rocm", "xpu", "mps", "cpu", "disk"]


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `size` is bytes, None where there is no limit (disk).

    `compute` is the compute capability, (8, 0) for the tag `sm_80`; None where no tag tells. `is_free` means that
    `size` is what a probe would report and nobody passes `max_memory`, so that the loader's own shares of it apply.
    `given` is the size as it was typed.
    """

    key: Key
    size: int | None
    backend: Backend = "cuda"
    compute: tuple[int, int] | None = None
    is_integrated: bool = False
    is_free: bool = False
    given: str = ""

    @property
    def is_accelerator(self) -> bool:
        return self.backend not in {"cpu", "disk"}


class DeviceInvalid(ValueError):
    """A device that the loaders would refuse or take for another one; the text is a sentence for the user."""


MAX_ACCELERATOR = 127
"""torch keeps the number of a device in eight bits with sign: `torch.device("cuda", 128)` is -128 (2.13.0)."""

MAX_SIZE = 2**60
"""Bytes that a device may have, 1 EiB: more is a slip of the pen."""

_BINARY = {"GIB": 2**30, "MIB": 2**20, "KIB": 2**10}
_DECIMAL = {"GB": 10**9, "MB": 10**6, "KB": 10**3}
_BITS = 8
_LONGEST = 100
_SPAN = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
_CAPABILITY = re.compile(r"sm_([1-9][0-9]?)([0-9])[af]?", re.ASCII)
_ORDER = {"mps": 1, "cpu": 2, "disk": 3}
_WRITE = "write it as 0=24GiB:sm_80, 0-3=80GiB, mps=32GiB, cpu=64GiB or disk"


def size_in_bytes(text: str) -> int:
    """Bytes of a size as accelerate reads it: `GiB` is 2^30 bytes, `GB` is 10^9, in any case.

    But a `b` in lower case at the end makes bits of GB, MB and KB: `10gb` is 1.25e9 bytes. Raises DeviceInvalid for
    what accelerate refuses and for more than `MAX_SIZE`. `convert_file_size_to_int` of accelerate 1.15.0.
    """
    upper = text.upper()
    unit = _BINARY.get(upper[-3:]) or _DECIMAL.get(upper[-2:])
    if unit is None or len(text) > _LONGEST:
        raise DeviceInvalid(
            f"{quote(text)} is no size: a number and one of GiB, MiB, KiB, GB, MB and KB are expected; write 24GiB"
        )
    number = text[: -3 if upper[-3:] in _BINARY else -2]
    try:
        nbytes = int(float(number) * unit)
    except ValueError as error:
        raise DeviceInvalid(f"{quote(text)} is no size: a number is expected before the unit; write 24GiB") from error
    except OverflowError:  # accelerate stops with it
        nbytes = MAX_SIZE * _BITS * 2
    if is_in_bits(text):
        nbytes //= _BITS
    if not 0 <= nbytes <= MAX_SIZE:
        raise DeviceInvalid(f"{quote(text)} is no size of a device: from 0 to 1073741824GiB are expected")
    return nbytes


def is_in_bits(text: str) -> bool:
    """Whether accelerate takes this size for a number of bits: it ends in a `b` in lower case, as in `10gb`."""
    return text.endswith("b") and text[-2:].upper() in _DECIMAL and text[-3:].upper() not in _BINARY


def devices(texts: Iterable[str]) -> tuple[Device, ...]:
    """The devices that these texts name, accelerators first, then mps, cpu and disk; raises DeviceInvalid.

    Each is `KEY[=SIZE][:TAG...]`, where a key of accelerators may be a range (`0-3`). A disk needs no size; one that
    has a size is passed to the loader in `max_memory` like any other device, one without is not.
    """
    found: dict[Key, Device] = {}
    for text in texts:
        for device in _devices(text):
            if device.key in found:
                raise DeviceInvalid(
                    f"the device {device.key} is given twice, the second time as {quote(text)}; give it once"
                )
            found[device.key] = device
    _check_free([device for device in found.values() if device.key != "disk"])
    return tuple(sorted(found.values(), key=lambda device: order(device.key)))


def order(key: Key) -> tuple[int, int]:
    """Where the loaders sort a device to, whatever the order in `max_memory`: they fill one after the other."""
    return (0, key) if isinstance(key, int) else (_ORDER[key], 0)


def _check_free(sized: Sequence[Device]) -> None:
    """A loader is given `max_memory` for all devices or for none."""
    free = [device for device in sized if device.is_free]
    if free and len(free) < len(sized):
        other = next(device for device in sized if not device.is_free)
        raise DeviceInvalid(
            f"the device {free[0].key} is tagged free and {other.key} is not, but max_memory is passed for all devices"
            " or for none: tag all of them free, or none"
        )


def _devices(text: str) -> tuple[Device, ...]:
    head, *tags = text.split(":")
    name, equals, size = head.partition("=")
    keys = _keys(text, name)
    if not equals and keys != ("disk",):
        raise DeviceInvalid(
            f"the device {quote(text)} has no size, which is expected after its key; write {name}=24GiB"
        )
    nbytes = size_in_bytes(size) if equals else None
    backend, compute, words = _tagged(text, keys[0], tags)
    return tuple(Device(key, nbytes, backend, compute, "integrated" in words, "free" in words, size) for key in keys)


def _keys(text: str, name: str) -> tuple[Key, ...]:
    if name in _ORDER:
        return (name,)
    span = _SPAN.fullmatch(name)
    if span is None:
        hint = (
            "; accelerators are given by their number alone" if name.startswith(("cuda", "xpu", "gpu", "hip")) else ""
        )
        raise DeviceInvalid(
            f"{quote(text)} names no device: the number of an accelerator, a range of numbers, mps, cpu or disk is"
            f" expected{hint}; {_WRITE}"
        )
    first, last = int(span[1]), int(span[2] or span[1])
    if not first <= last <= MAX_ACCELERATOR:
        raise DeviceInvalid(
            f"{quote(text)} names no device: numbers of accelerators from 0 to {MAX_ACCELERATOR} in ascending order are"
            f" expected; {_WRITE}"
        )
    return tuple(range(first, last + 1))


def _tagged(text: str, key: Key, tags: Sequence[str]) -> tuple[Backend, tuple[int, int] | None, frozenset[str]]:
    """The backend of a device, its compute capability, and its other tags."""
    compute: tuple[int, int] | None = None
    words: set[str] = set()
    allowed = _allowed(key)
    for tag in tags:
        capability = _CAPABILITY.fullmatch(tag)
        word = "sm_" if capability else tag
        if word not in allowed or word in words:
            expected = ", ".join(_SPELLED.get(each, each) for each in allowed)
            wanted = f"expected are {expected}, each at most once" if allowed else "none is expected"
            raise DeviceInvalid(f"the tag {quote(tag)} of the device {quote(text)} is not one of its kind: {wanted}")
        words.add(word)
        if capability:
            compute = int(capability[1]), int(capability[2])
    backends = words & {"sm_", "rocm", "xpu"}
    if len(backends) > 1:
        raise DeviceInvalid(
            f"the device {quote(text)} has tags of two makers of accelerators: one of sm_80, rocm and xpu is expected"
        )
    if isinstance(key, str):
        return _BACKENDS[key], None, frozenset(words)
    return "rocm" if "rocm" in words else "xpu" if "xpu" in words else "cuda", compute, frozenset(words)


_SPELLED = {"sm_": "sm_80"}
_BACKENDS: dict[str, Backend] = {"mps": "mps", "cpu": "cpu", "disk": "disk"}


def _allowed(key: Key) -> tuple[str, ...]:
    if isinstance(key, int):
        return ("sm_", "rocm", "xpu", "integrated", "free")
    return () if key == "disk" else ("free",)
