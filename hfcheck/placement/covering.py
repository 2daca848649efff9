"""The key of a device map that a name lies under."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

from hfcheck.placement.device import Key


def owners(keys: Collection[str], names: Sequence[str]) -> dict[str, str | None]:
    """The longest key that each of these sorted names is, or lies under; "" if that is a key, and None otherwise."""
    found: dict[str, str | None] = dict.fromkeys(names, "" if "" in keys else None)
    for key in sorted(keys, key=len):
        if key:
            begin, end = bisect_left(names, f"{key}."), bisect_left(names, f"{key}/")  # what follows "." in order
            found.update(dict.fromkeys(names[begin:end], key))
            if key in found:
                found[key] = key
    return found


def cover(keys: Collection[str], name: str) -> str | None:
    """The longest key that a name is, or lies under, as `owners` has it for many names at once."""
    at = name
    while at and at not in keys:
        at = at.rpartition(".")[0]
    return at if at in keys else None


def around(device_map: Mapping[str, Key], key: str) -> str | None:
    """The longest other key that a key lies under; None for the outermost ones, whether "" is a key or not."""
    return cover(device_map, key.rpartition(".")[0]) or None
