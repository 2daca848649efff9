"""What a planner comes to: a device map, and why each device was filled no further."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfcheck.placement.device import Key


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the planner left a device: `module` needs `needs` bytes (with `tied_with`) and `room` were left.

    `budget` less `used` and `reserve` is the room; the reserve is kept free for `reserve_for`, the largest layer that
    may have to visit the device.
    """

    device: Key
    module: str
    needs: float
    used: float
    budget: float
    reserve: float = 0
    reserve_for: str = ""
    tied_with: tuple[str, ...] = ()

    @property
    def room(self) -> float:
        return self.budget - self.reserve - self.used

    @property
    def short(self) -> float:
        """Bytes that the budget would have to be larger by, for this module."""
        return self.needs - self.room


@dataclass(frozen=True, slots=True)
class Plan:
    """A device map as the loader would make it: `device_map` in its order.

    `budgets` are the bytes of each device after balancing and the loader's own shares; `used` what the planner counted
    there. `minimum` says for a device that stayed empty which budget it would have needed.
    """

    device_map: Mapping[str, Key]
    budgets: Mapping[Key, float] = field(default_factory=dict)
    used: Mapping[Key, float] = field(default_factory=dict)
    stops: tuple[Stop, ...] = ()
    minimum: Mapping[Key, float] = field(default_factory=dict)


class PlannerRaises(Exception):
    """The planner of the library raises here: `error` names the exception, `reason` is a sentence with its cause."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"{error}: {reason}")
        self.error = error
        self.reason = reason
