"""The largest context and batch, against the memory model that they are found with."""

from dataclasses import replace

import pytest

from hfcheck.placement.activations import Widths, Work
from hfcheck.placement.cache import Kept, Sequences
from hfcheck.placement.device import Device
from hfcheck.placement.dimensions import Sizes
from hfcheck.placement.limits import MAX_BATCH, MAX_TOKENS, largest_batch, largest_context
from hfcheck.placement.memory import Occupancy, device_use
from hfcheck.placement.result import Largest

GIB = 2**30
SIZES = Sizes(hidden=4096, vocabulary=32000, heads=32, kv_heads=8, generates=True)
WORK = Work(frozenset({Widths("target", 40_000, 4096)}), {Kept("", "attention", 2048): 32}, has_output=True)
FULL = Occupancy(Device(0, 24 * GIB), weights=16 * GIB, work=WORK)


@pytest.mark.parametrize("size", [17, 20, 24, 80])
@pytest.mark.parametrize("field", ["tokens", "batch"])
def test_it_fits_and_one_more_does_not(size: int, field: str) -> None:
    one, start = replace(FULL, device=Device(0, size * GIB)), Sequences(1000)
    found = (largest_context if field == "tokens" else largest_batch)([one], SIZES, start)
    assert found is not None
    assert found.surely is not None
    assert found.perhaps is not None
    assert found.device == 0
    surely, more = (device_use(one, SIZES, replace(start, **{field: found.surely + extra})) for extra in (0, 1))
    assert found.surely == 0 or surely.high <= size * GIB
    assert more.high > size * GIB
    perhaps, more = (device_use(one, SIZES, replace(start, **{field: found.perhaps + extra})) for extra in (0, 1))
    assert perhaps.low <= size * GIB < more.low


def test_the_model_ends_it_where_the_memory_does_not() -> None:
    sizes = replace(SIZES, positions=2048)
    assert largest_context([FULL], sizes, Sequences(1)) == Largest(2048, 2048)


def test_the_smallest_device_ends_it() -> None:
    second = Occupancy(Device(1, 24 * GIB), weights=23 * GIB, work=WORK)
    found = largest_context([FULL, second], SIZES, Sequences(1))
    assert found is not None
    assert found.device == 1
    assert found == largest_context([second], SIZES, Sequences(1))


def test_nothing_fits() -> None:
    full = replace(FULL, weights=30 * GIB)
    assert largest_context([full], SIZES, Sequences(1)) == Largest(0, 0, 0)


def test_nothing_is_too_much_without_a_size() -> None:
    disk = Occupancy(Device("disk", None, "disk"), weights=30 * GIB)
    assert largest_context([disk], SIZES, Sequences(1)) == Largest(MAX_TOKENS, MAX_TOKENS)
    assert largest_batch([disk], SIZES, Sequences(1)) == Largest(MAX_BATCH, MAX_BATCH)


def test_no_context_for_a_model_that_does_not_generate() -> None:
    assert largest_context([FULL], replace(SIZES, generates=False), Sequences(1)) is None


def test_a_source_that_is_as_long_grows_with_it() -> None:
    crossing = replace(FULL, work=replace(WORK, kept={Kept("", "cross", 2048): 32}))
    short, long = (largest_context([crossing], SIZES, Sequences(100, source=source)) for source in (100, 1500))
    assert short is not None
    assert long is not None
    assert short.perhaps is not None
    assert long.perhaps is not None
    assert short.perhaps < long.perhaps
