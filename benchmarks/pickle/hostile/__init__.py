"""The hostile set: one module for the classes of one kind, each a generator of samples."""

from collections.abc import Iterator

from benchmarks.pickle.hostile import (
    arrays,
    bombs,
    calls,
    combined,
    divergence,
    gadgets,
    torch_archives,
    tricks,
    wrapped,
)
from benchmarks.pickle.sample import Sample


def samples() -> Iterator[Sample]:
    for module in (calls, tricks, divergence, gadgets, torch_archives, wrapped, arrays, bombs, combined):
        yield from module.samples()
