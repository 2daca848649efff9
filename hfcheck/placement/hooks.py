"""What the hooks of accelerate make of a device map in which one key lies under another; transformers uses them too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfcheck.placement.covering import around
from hfcheck.placement.device import Key
from hfcheck.placement.model import Weight


@dataclass(frozen=True, slots=True)
class Nested:
    """Two keys of which one lies under the other, with different devices, and the bytes under the inner one.

    `raises` tells that `dispatch_model` of accelerate 1.15.0 stops at them. It attaches hooks from the outermost module
    inwards (`attach_align_device_hook_on_blocks`, hooks.py). One that keeps its weights where they are puts all that is
    inside on its device first, and what is on the disk cannot be moved. One that offloads takes all that is inside
    away, and what is meant to stay on a device cannot be put there any more.
    """

    outer: str
    inner: str
    nbytes: int
    raises: bool


def nested(
    device_map: Mapping[str, Key],
    owners: Mapping[str, str | None],
    weights: Mapping[str, Weight],
    *,
    is_dispatched: bool,
) -> tuple[Nested, ...]:
    """The keys of a map under another one with another device; `owners` has the key that each tensor lies under.

    A key "" is for the rest, and counts only where the load stops.
    """
    inside: dict[str, int] = {}
    for name, key in owners.items():
        if key is not None and key in device_map:
            inside[key] = inside.get(key, 0) + weights[name].nbytes
    has_accelerator = any(isinstance(device, int) for device in device_map.values())
    found: list[Nested] = []
    for inner, nbytes in inside.items():
        outers = list(_outers(device_map, inner))
        is_module = inner not in weights
        raising = (
            outer
            for outer in (*outers, "")
            if is_dispatched
            and inner
            and outer in device_map
            and _clashes(device_map[outer], device_map[inner], is_module=is_module, has_accelerator=has_accelerator)
        )
        clash = next(raising, None)
        if clash is not None:
            found.append(Nested(clash, inner, nbytes, raises=True))
        elif is_module and outers and device_map[outers[0]] != device_map[inner]:
            found.append(Nested(outers[0], inner, nbytes, raises=False))
    return tuple(found)


def unhooked(device_map: Mapping[str, Key], weights: Mapping[str, Weight]) -> tuple[str, ...]:
    """Keys that are parameters, with another device than their module.

    Hooks are for modules: nothing moves inputs to such a parameter, or the parameter to its inputs.
    """
    modules = {key: around(device_map, key) or "" for key in device_map if key in weights}
    return tuple(key for key, module in modules.items() if device_map.get(module) != device_map[key])


def _outers(device_map: Mapping[str, Key], key: str) -> Iterator[str]:
    """The keys that this one lies under, the next one first."""
    outer = around(device_map, key)
    while outer is not None:
        yield outer
        outer = around(device_map, outer)


def _clashes(outer: Key, inner: Key, *, is_module: bool, has_accelerator: bool) -> bool:
    """Whether one of them is offloaded, and the hook of the outer one takes away what the inner one needs."""
    if outer == inner:
        return False
    if _is_offloaded(outer, has_accelerator=has_accelerator):
        return is_module and not _is_offloaded(inner, has_accelerator=has_accelerator)
    return inner == "disk"


def _is_offloaded(device: Key, *, has_accelerator: bool) -> bool:
    """Whether hooks bring the weights of this device to another one for each forward, and take them away again."""
    return device == "disk" or (device == "cpu" and has_accelerator)
