"""A device map without keys that one shorter key can stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfcheck.placement.device import Key


@dataclass(slots=True, eq=False)
class _Node:
    count: int = 0
    """Keys below, this one apart."""
    device: Key | None = None
    is_mixed: bool = False
    children: dict[str, "_Node"] = field(default_factory=dict)

    def note(self, device: Key) -> None:
        self.is_mixed = self.is_mixed or (self.count > 0 and device != self.device)
        self.device = device
        self.count += 1


def cleaned(device_map: Mapping[str, Key]) -> dict[str, Key]:
    """Two or more keys below one module that all share a device become that module, the largest one first.

    `clean_device_map` of accelerate 1.15.0; its order can vary between runs, this one is that of the first keys.
    """
    root = _Node()
    for key, device in device_map.items():
        node = root
        for part in key.split("."):
            node.note(device)
            node = node.children.setdefault(part, _Node())
    result: dict[str, Key] = {}
    for key, device in device_map.items():
        node, begin = root, 0
        while True:
            if node.count > 1 and not node.is_mixed:
                result[key[: max(begin - 1, 0)]] = device
                break
            if begin > len(key):
                result[key] = device
                break
            end = key.find(".", begin)
            end = len(key) if end < 0 else end
            node, begin = node.children[key[begin:end]], end + 1
    return result
