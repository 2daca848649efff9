"""The largest context and the largest batch that fit, found over the memory model by bisection."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hfcheck.placement.cache import Sequences
from hfcheck.placement.dimensions import Sizes
from hfcheck.placement.memory import Occupancy, device_use
from hfcheck.placement.result import DeviceUse, Largest

MAX_TOKENS = 2**27
"""No context of anything is longer; it bounds the search."""

MAX_BATCH = 2**20


def largest_context(occupancies: Sequence[Occupancy], sizes: Sizes, sequences: Sequences) -> Largest | None:
    """The most tokens of each sequence, up to the positions of the model; None for one that does not generate."""
    if not sizes.generates:
        return None
    most = min(sizes.positions or MAX_TOKENS, MAX_TOKENS)
    longer = sequences.source == sequences.tokens and bool(sequences.source)

    def at(tokens: int) -> Sequences:
        return replace(sequences, tokens=tokens, source=tokens if longer else sequences.source)

    return _largest(occupancies, sizes, at, most)


def largest_batch(occupancies: Sequence[Occupancy], sizes: Sizes, sequences: Sequences) -> Largest:
    """The most sequences at once, each of as many tokens as are asked for."""
    return _largest(occupancies, sizes, lambda batch: replace(sequences, batch=batch), MAX_BATCH)


def _largest(occupancies: Sequence[Occupancy], sizes: Sizes, at: Callable[[int], Sequences], most: int) -> Largest:
    """Zero where not even one fits. `device` is the one that ends it, None where `most` does."""

    def needs(number: int, end: Callable[[DeviceUse], int]) -> list[tuple[Occupancy, int]]:
        return [(one, end(device_use(one, sizes, at(number)))) for one in occupancies]

    def fits(number: int, end: Callable[[DeviceUse], int]) -> bool:
        return all(one.device.size is None or need <= one.device.size for one, need in needs(number, end))

    surely = _bisect(lambda number: fits(number, _high), most)
    perhaps = _bisect(lambda number: fits(number, _low), most)
    over = needs(perhaps + 1, _low) if perhaps < most else needs(surely + 1, _high)
    device = next(
        (one.device.key for one, need in over if one.device.size is not None and need > one.device.size), None
    )
    return Largest(surely, perhaps, device)


def _high(use: DeviceUse) -> int:
    return use.high


def _low(use: DeviceUse) -> int:
    return use.low


def _bisect(fits: Callable[[int], bool], most: int) -> int:
    """The largest number that fits, up to `most`; what fits only grows smaller."""
    if fits(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
