"""How findings speak of the memory of a device: what it needs, term by term."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hfcheck.placement.size import size, span

if TYPE_CHECKING:
    from hfcheck.placement.result import DeviceUse, Term

LEAST = 2**20
"""Bytes of the smallest term that is named by itself; what is smaller stands together."""


def needs(use: "DeviceUse") -> str:
    """`device 0 needs 15.5 to 17.2 GiB and has 12.0 GiB: weights 15.0 GiB, kv-cache 512 MiB, ...`."""
    has = f"has {size(use.device.size or 0)}" if use.is_listed else "is not in the list"
    return f"device {use.device.key} needs {span(use.low, use.high)} and {has}: {terms(use.terms)}"


def terms(found: Iterable["Term"]) -> str:
    """Each term with its interval, the small ones together."""
    found = tuple(found)
    large = [term for term in found if term.high >= LEAST] or list(found[:1])
    small = [term for term in found if term not in large]
    words = [f"{term.name} {_interval(term.low, term.high)}" for term in large]
    if small:
        words.append(f"others {_interval(sum(term.low for term in small), sum(term.high for term in small))}")
    return ", ".join(words)


def _interval(low: int, high: int) -> str:
    return f"up to {size(high)}" if not low and high else span(low, high)
