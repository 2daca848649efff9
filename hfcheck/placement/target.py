"""What a dry run is asked: onto which devices a model shall be loaded, how, and what shall then be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hfcheck.placement.device import Device

Mode: TypeAlias = Literal["auto", "balanced", "balanced_low_0", "sequential"]
Dialect: TypeAlias = Literal["transformers", "accelerate"]
Dtype: TypeAlias = Literal["auto", "float32", "float16", "bfloat16"]

STAMPS = {"transformers": "transformers 5.23.0", "accelerate": "accelerate 1.15.0"}
"""The releases whose planners these are."""


@dataclass(frozen=True, slots=True)
class Target:
    """A load that is asked for. `explicit` is a device map as its JSON file has it, used instead of a `mode`.

    `context` counts tokens of each of the `batch` sequences, prompt included; None where nobody said. `tp`, `ep` and
    `pp` are the sizes of parallel groups, 1 for none.
    """

    devices: tuple[Device, ...]
    mode: Mode = "auto"
    explicit: Mapping[str, Any] | None = None
    dialect: Dialect = "transformers"
    dtype: Dtype = "auto"
    context: int | None = None
    batch: int = 1
    tp: int = 1
    ep: int = 1
    pp: int = 1
