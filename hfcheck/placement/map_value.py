"""A value of a device map as its JSON file has it, and the device that it stands for."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hfcheck.finding import quote
from hfcheck.placement.device import Key

Fault: TypeAlias = Literal["", "text", "negative", "unknown", "fraction", "type", "unlisted"]
"""What is wrong with a value: "text" is the number of a device as text, "unlisted" a device that nobody gave."""

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_NAMED = re.compile(r"(cuda|xpu|npu|mlu|hpu|musa|sdaa)(?::(0|[1-9][0-9]{0,8}))?", re.ASCII)
_PLAIN = {"cpu": "cpu", "cpu:0": "cpu", "mps": "mps", "mps:0": "mps", "disk": "disk"}


@dataclass(frozen=True, slots=True)
class Value:
    """`device` is None for what names none. `error` is what torch raises for it, empty where it takes it."""

    device: Key | None
    fault: Fault = ""
    error: str = ""

    @property
    def is_refused(self) -> bool:
        return self.device is None


def value_of(value: object, listed: Collection[Key]) -> Value:
    """What a value comes to: `0`, `"cuda:0"`, `"cpu"` and `"disk"` are devices, and so is `"0"`, with a remark.

    `torch.device(value)` of torch 2.13.0 raises for all that is refused here, but for `"meta"`, where nothing can run.
    """
    found = _value_of(value)
    if found.device is not None and found.device not in listed:
        return Value(found.device, "unlisted")
    return found


def shown(value: object) -> str:
    """A value as it stands in the file."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return quote(value) if isinstance(value, str) else quote(str(value)).strip('"')


_WORDS = {None: "null", True: "true", False: "false"}


def _value_of(value: object) -> Value:
    if isinstance(value, float):
        return Value(None, "fraction", "TypeError")
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return Value(None, "type", "TypeError")
    if isinstance(value, int):
        return Value(value) if value >= 0 else Value(None, "negative", "RuntimeError")
    if value in _PLAIN:
        return Value(_PLAIN[value])
    if _NUMBER.fullmatch(value):
        return Value(int(value), "text")
    named = _NAMED.fullmatch(value)
    if named is None:
        return Value(None, "unknown", "RuntimeError")
    return Value(int(named[2] or 0))
