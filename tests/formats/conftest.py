"""What several tests of readers need."""

from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import pytest

from hfcheck.formats import pickled, zip_
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.sniff import HEAD, Content, content

Unpickled = Callable[..., PickledFacts | None]


@pytest.fixture
def unpickled() -> Unpickled:
    """What unpicklers would find in these bytes, as the shelf asks for it."""

    def read(data: bytes, *, named: bool = False) -> PickledFacts | None:
        stream, archive = BytesIO(data), None
        kind = content(data[:HEAD], len(data))
        if kind is Content.ZIP:
            with suppress(zip_.ZipInvalid):
                archive = zip_.read(stream)
        return pickled.read(stream, kind, archive, named=named)

    return read
