"""Weight files of random values with NaN, infinities and zeros in known places, and what numpy says of them."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Census: TypeAlias = tuple[int, int, int, int]
"""NaN, inf, -inf, and the index of the first of them."""

BUFFER, TILE = 8 * 2**20, 2**18
"""What a rehearsal reads, and looks at, at a time: what lies at the edges is planted more often than by chance."""

FLOATS = {"F16": ("<u2", "<f2"), "F32": ("<u4", "<f4"), "F64": ("<u8", "<f8"), "C64": ("<u4", "<f4")}
BYTES: dict[str, tuple[frozenset[int], int, int]] = {
    "F8_E5M2": (frozenset({0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF}), 0x7C, 0xFC),
    "F8_E4M3": (frozenset({0x7F, 0xFF}), -1, -1),
    "F8_E8M0": (frozenset({0xFF}), -1, -1),
    "F8_E4M3FNUZ": (frozenset({0x80}), -1, -1),
    "F8_E5M2FNUZ": (frozenset({0x80}), -1, -1),
}
"""NaN, inf and -inf of the types of one byte, as torch 2.13 converts them to float32."""

WHOLE = {"I32": "<u4", "U8": "u1"}
TYPES = ("BF16", *FLOATS, *BYTES, *WHOLE)


@dataclass(frozen=True, slots=True)
class Planted:
    """A file: how many values were planted, and what there is to find, by the names of tensors."""

    path: Path
    plants: int
    non_finite: dict[str, Census]
    zero: frozenset[str]


def bits(dtype: str) -> str:
    """The type of numpy that holds the bits of one value."""
    if dtype == "BF16":
        return "<u2"
    if dtype in FLOATS:
        return FLOATS[dtype][0]
    return WHOLE.get(dtype, "u1")


def census(dtype: str, values: Array) -> Census:
    """What numpy says of values that are given as bits."""
    if dtype in WHOLE:
        return 0, 0, 0, -1
    if dtype in BYTES:
        nan_bytes, above, below = BYTES[dtype]
        nan, inf, negative = np.isin(values, list(nan_bytes)), values == above, values == below
    else:
        floats = (
            (values.astype("<u4") << np.uint32(16)).view("<f4") if dtype == "BF16" else values.view(FLOATS[dtype][1])
        )
        nan, inf, negative = np.isnan(floats), np.isposinf(floats), np.isneginf(floats)
    bad = nan | inf | negative
    return int(nan.sum()), int(inf.sum()), int(negative.sum()), int(bad.argmax()) if bad.any() else -1


def planted(path: Path, generator: np.random.Generator, size: int) -> Planted:
    """Write a file of about so many bytes."""
    header: dict[str, Any] = {}
    pieces: list[bytes] = []
    end = plants = 0
    non_finite: dict[str, Census] = {}
    zero: set[str] = set()
    start = 8 + 2**16 + int(generator.integers(0, 9))  # the header is filled up to here: values may lie anywhere
    while end < size:
        name, dtype = f"t{len(header)}", str(generator.choice(TYPES))
        width = np.dtype(bits(dtype)).itemsize
        count = max(int(2 ** generator.uniform(0, 23)) // width, 1) * (2 if dtype == "C64" else 1)
        values = _values(dtype, generator, count)
        if generator.random() < 1 / 5:
            values[:] = 0
        elif dtype not in WHOLE:
            places = _places(generator, start + end, width, count)
            plants += len(places)
            for place in places:
                values[place] = _bad(dtype, generator)
        data = values.tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": [count // (2 if dtype == "C64" else 1)],
            "data_offsets": [end, end + len(data)],
        }
        if (found := census(dtype, values))[3] >= 0:
            non_finite[name] = found
        if not values.any() and dtype != "F8_E8M0":
            zero.add(name)
            plants += 1
        pieces.append(data)
        end += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", start - 8) + text.ljust(start - 8) + b"".join(pieces))
    return Planted(path, plants, non_finite, frozenset(zero))


def _values(dtype: str, generator: np.random.Generator, count: int) -> Array:
    """Values all of which are finite."""
    kind = bits(dtype)
    values = np.frombuffer(generator.bytes(count * np.dtype(kind).itemsize), kind).copy()
    if dtype in BYTES:
        nan_bytes, above, below = BYTES[dtype]
        values[np.isin(values, [*nan_bytes, above, below])] = 1
    elif dtype not in WHOLE:
        floats = (
            (values.astype("<u4") << np.uint32(16)).view("<f4") if dtype == "BF16" else values.view(FLOATS[dtype][1])
        )
        values[~np.isfinite(floats)] = 1
    return cast("Array", values)


def _bad(dtype: str, generator: np.random.Generator) -> int:
    """The bits of a value that is not finite."""
    if dtype in BYTES:
        nan_bytes, above, below = BYTES[dtype]
        return int(generator.choice([value for value in (*nan_bytes, above, below) if value >= 0]))
    width = np.dtype(bits(dtype)).itemsize * 8
    fraction = {"BF16": 7, "F16": 10, "F64": 52}.get(dtype, 23)
    exponent = (1 << (width - 1 - fraction)) - 1
    payload = 0 if generator.random() < 1 / 2 else int(generator.integers(1, 1 << min(fraction, 60)))
    return int(generator.integers(0, 2)) << (width - 1) | exponent << fraction | payload


def _places(generator: np.random.Generator, offset: int, width: int, count: int) -> set[int]:
    """Indices of values: none, at the ends of the tensor, at the edges of a buffer or a tile, or anywhere."""
    found: set[int] = set()
    for _ in range(int(generator.integers(0, 4))):
        way = generator.random()
        if way < 1 / 4:
            found.add(int(generator.choice([0, count - 1])))
        elif way < 1 / 2:
            found.add(int(generator.integers(0, count)))
        else:
            step = BUFFER if way < 3 / 4 else TILE
            edge = (offset // step + int(generator.integers(1, 3))) * step
            found.add(max(min((edge - offset) // width + int(generator.integers(-2, 2)), count - 1), 0))
    return found
