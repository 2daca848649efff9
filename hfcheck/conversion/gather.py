"""The bytes of a tensor in the order of its elements, from a storage in which strides may have spread them."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import IO

CHUNK = 4 * 2**20
"""Bytes that are held at a time."""


class Vanished(OSError):
    """The file is shorter than it was when it was looked at."""


@dataclass(frozen=True, slots=True)
class Strided:
    """A tensor in a file: `offset` is the byte of its first element, strides count elements of `width` bytes."""

    offset: int
    width: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.width

    @property
    def span(self) -> int:
        """Bytes from the first element to the end of the last, which strides may move far apart."""
        if 0 in self.shape:
            return 0
        last = sum((extent - 1) * step for extent, step in zip(self.shape, self.stride, strict=True))
        return (last + 1) * self.width


def gather(stream: IO[bytes], tensor: Strided) -> Iterator[bytes | bytearray]:
    """All bytes of a tensor, in chunks."""
    dimensions = _merged(tensor)
    if 0 in tensor.shape:
        return iter(())
    if not dimensions or dimensions == [(prod(tensor.shape), 1)]:
        return _contiguous(stream, tensor.offset, tensor.nbytes)
    return _scattered(stream, tensor, dimensions)


def _merged(tensor: Strided) -> list[tuple[int, int]]:
    """Extent and stride of each dimension, without those of one element, neighbours that follow each other as one."""
    found: list[tuple[int, int]] = []
    for extent, step in zip(tensor.shape, tensor.stride, strict=True):
        if extent == 1:
            continue
        if found and found[-1][1] == extent * step:
            found[-1] = found[-1][0] * extent, step
        else:
            found.append((extent, step))
    return found


def _contiguous(stream: IO[bytes], offset: int, left: int) -> Iterator[bytes]:
    stream.seek(offset)
    while left:
        chunk = stream.read(min(left, CHUNK))
        if not chunk:
            raise Vanished("it ends before a tensor does")
        left -= len(chunk)
        yield chunk


def _scattered(stream: IO[bytes], tensor: Strided, dimensions: list[tuple[int, int]]) -> Iterator[bytearray]:
    """The file is mapped, and not read: elements that belong together may lie gigabytes apart."""
    begin = tensor.offset - tensor.offset % mmap.ALLOCATIONGRANULARITY
    skipped = tensor.offset - begin
    try:
        mapped = mmap.mmap(stream.fileno(), skipped + tensor.span, access=mmap.ACCESS_READ, offset=begin)
    except ValueError as error:
        raise Vanished("it ends before a tensor does") from error
    with (
        mapped,
        memoryview(mapped) as whole,
        whole[skipped : skipped + tensor.span] as span,
        _elements(span, tensor.width) as elements,
    ):
        for start, block in _blocks(dimensions, CHUNK // tensor.width):
            yield _copied(elements, start, block, tensor.width)


def _blocks(dimensions: list[tuple[int, int]], most: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Parts of at most so many elements in their order: where each begins, and its dimensions."""
    outer = 0
    while prod(extent for extent, _ in dimensions[outer + 1 :]) > most:
        outer += 1
    inner = dimensions[outer + 1 :]
    rows = max(most // prod(extent for extent, _ in inner), 1)
    extent, step = dimensions[outer]
    for place in product(*(range(count) for count, _ in dimensions[:outer])):
        start = sum(index * stride for index, (_, stride) in zip(place, dimensions[:outer], strict=True))
        for row in range(0, extent, rows):
            yield start + row * step, [(min(rows, extent - row), step), *inner]


def _copied(elements: memoryview, start: int, block: list[tuple[int, int]], width: int) -> bytearray:
    """One block without gaps. The longest dimension is copied in one go for each place in the others."""
    steps = [prod(extent for extent, _ in block[number + 1 :]) for number in range(len(block))]
    longest = max(range(len(block)), key=lambda number: block[number][0])
    (count, step), into = block[longest], steps[longest]
    others = [(*block[number], steps[number]) for number in range(len(block)) if number != longest]
    copied = bytearray(prod(extent for extent, _ in block) * width)
    with memoryview(copied) as raw, _elements(raw, width) as target:
        for place in product(*(range(extent) for extent, _, _ in others)):
            source = start + sum(index * other[1] for index, other in zip(place, others, strict=True))
            begin = sum(index * other[2] for index, other in zip(place, others, strict=True))
            end = begin + (count - 1) * into + 1
            if step:
                target[begin:end:into] = elements[source : source + (count - 1) * step + 1 : step]
            else:  # one element, expanded
                repeated = elements[source : source + 1].tobytes() * count
                target[begin:end:into] = _elements(memoryview(repeated), width)
    return copied


def _elements(view: memoryview, width: int) -> memoryview:
    """Bytes as elements of this size: what they mean does not matter here."""
    match width:
        case 1:
            return view.cast("B")
        case 2:
            return view.cast("H")
        case 4:
            return view.cast("I")
    return view.cast("Q")
