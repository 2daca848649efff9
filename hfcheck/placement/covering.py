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


def around(device_map: Mapping[str, Key], key: str) -> str | None:
    """The longest other key that a key lies under; None for the outermost ones, whether "" is a key or not."""
    path = key.rpartition(".")[0]
    while path and path not in device_map:
        path = path.rpartition(".")[0]
    return path or None
