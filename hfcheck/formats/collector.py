"""Python's search for garbage in cycles, while a reader makes a million objects of which none is in a cycle."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No search in this block: over a header of 45,000 tensors it takes as long as all the rest."""
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()
