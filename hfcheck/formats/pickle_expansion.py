"""How large a value is when nothing in it is shared: what printing or copying it would have to go through."""

from hfcheck.formats.pickle_values import Call, Dict, Set, Value

MAX_SIZE = 10**9
"""Values, above which nobody can look at all of them."""

MAX_NODES = 200_000
"""Containers that are looked at."""


def unfolded(root: Value) -> tuple[int, int] | None:
    """Values in all, each counted as often as it is met, and how deep they are nested; None where there are too many.

    Both numbers stop at MAX_SIZE. What leads back to itself counts once.
    """
    sizes: dict[int, tuple[int, int]] = {}
    pending: list[tuple[Value, bool]] = [(root, False)]
    while pending:
        value, is_done = pending.pop()
        inner = _inner(value)
        if inner is None:
            continue
        if is_done:
            found = [sizes.get(id(part), (1, 0)) for part in inner]
            size = min(1 + sum(size for size, _ in found), MAX_SIZE)
            sizes[id(value)] = size, 1 + max((depth for _, depth in found), default=0)
        elif id(value) not in sizes:
            if len(sizes) >= MAX_NODES:
                return None
            sizes[id(value)] = 1, 0
            pending.append((value, True))
            pending.extend((part, False) for part in inner if type(part) in _CONTAINERS)
    return sizes.get(id(root), (1, 0))


_CONTAINERS = frozenset({list, tuple, Dict, Set, Call})


def _inner(value: Value) -> list[Value] | tuple[Value, ...] | None:
    """What a container holds; None for a value that is none."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Dict):
        return value.flat
    if isinstance(value, Set):
        return value.elements
    if isinstance(value, Call):
        return [value.args, *(value.states or ()), *(value.elements or ()), *(value.flat or ())]
    return None
