"""Strides: any view of any storage, beside the plainest way to gather it."""

import tempfile
from collections.abc import Iterator
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.conversion import gather as module
from hfcheck.conversion.gather import Strided, Vanished, gather

SIZE = 3000
CONTENT = bytes(number * 7 % 251 for number in range(SIZE))


def plainly(tensor: Strided) -> Iterator[bytes]:
    for place in product(*map(range, tensor.shape)):
        begin = tensor.offset + sum(i * step for i, step in zip(place, tensor.stride, strict=True)) * tensor.width
        yield CONTENT[begin : begin + tensor.width]


@st.composite
def tensors(draw: st.DrawFn) -> Strided:
    extents = st.sampled_from([0, 1, 1, 2, 3, 4, 7, 30])
    shape = draw(st.lists(extents, max_size=4).filter(lambda sizes: prod(sizes) <= SIZE))
    stride = [draw(st.sampled_from([0, 1, 2, 3, 5, 12, 40])) for _ in shape]
    tensor = Strided(draw(st.integers(0, 70)), draw(st.sampled_from([1, 2, 4, 8])), tuple(shape), tuple(stride))
    return tensor if tensor.offset + tensor.span <= SIZE else Strided(tensor.offset, 1, (), ())


@given(tensors(), st.sampled_from([8, 24, 64, 1 << 20]))
@settings(max_examples=400, deadline=None)
def test_any_strides(tensor: Strided, chunk: int) -> None:
    with tempfile.TemporaryFile() as stream, pytest.MonkeyPatch.context() as patch:
        stream.write(CONTENT)
        stream.flush()
        patch.setattr(module, "CHUNK", chunk)
        chunks = list(gather(stream, tensor))
    assert b"".join(chunks) == b"".join(plainly(tensor))
    assert all(len(part) <= chunk for part in chunks)
    assert tensor.nbytes == sum(map(len, chunks))


@pytest.mark.parametrize("stride", [(10, 1), (1, 100)])
def test_a_file_that_is_shorter_than_it_was(stride: tuple[int, int]) -> None:
    with tempfile.TemporaryFile() as stream:
        stream.write(bytes(500))
        stream.flush()
        with pytest.raises(Vanished):
            list(gather(stream, Strided(400, 1, (100, 10), stride)))
