"""What a safetensors file says about its tensors: https://github.com/huggingface/safetensors#format .

Only the header is read. What safetensors 0.8.0 refuses is `SafetensorsInvalid`; what it takes against the
specification (a name twice, a space before the brace) is a fact, for a rule to judge.
"""

from dataclasses import dataclass
from enum import Enum
from io import SEEK_END
from typing import IO, Any

from hfcheck.finding import quote
from hfcheck.formats import json_
from hfcheck.formats.collector import paused
from hfcheck.formats.invalid import Invalid
from hfcheck.formats.tensor import Tensor

MAX_HEADER = 100_000_000
"""safetensors/src/tensor.rs refuses a longer header."""

MAX_TENSORS = 200_000
"""The largest models have 90,000; each takes about 1 KB here."""

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Bits of one element, for each dtype that safetensors 0.8.0 knows."""


class Fault(Enum):
    """Why the library refuses the file; the value names what is wrong with it."""

    FOREIGN = "not a safetensors file"
    HEADER_TOO_LARGE = "a header over the library's limit"
    HEADER = "a header that is not the JSON object it should be"
    METADATA = "metadata that does not map strings to strings"
    TENSOR = "a tensor whose description is wrong"
    TRUNCATED = "fewer bytes than the header describes"
    TRAILING = "more bytes than the header describes"
    HOLE = "bytes between two tensors that belong to none"
    OVERLAP = "two tensors that share bytes"


class SafetensorsInvalid(Invalid):
    """The library refuses this file. `tensor` is the one at fault, where it is one."""

    def __init__(
        self, offset: int, expected: str, fault: Fault, *, tensor: str | None = None, budget: str | None = None
    ) -> None:
        super().__init__(offset, expected, budget=budget)
        self.fault = fault
        self.tensor = tensor


@dataclass(frozen=True, slots=True)
class SafetensorsFacts:
    """A header that the library takes.

    `metadata` is None where the file has none. `shadowed` are tensors that the library never sees, because their name
    comes again; `shadowed_metadata` are such keys. `data_start` is the offset of the first byte behind the header.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str] | None
    data_start: int
    shadowed: tuple[tuple[str, Tensor], ...] = ()
    shadowed_metadata: tuple[str, ...] = ()
    leading_space: bool = False


@paused()
def read(stream: IO[bytes]) -> SafetensorsFacts:
    """The header of a file; raises SafetensorsInvalid. Reads 8 bytes and the header, never the data."""
    size = stream.seek(0, SEEK_END)
    stream.seek(0)
    length = _header_length(stream.read(9), size)
    stream.seek(8)
    text = stream.read(length)
    # Counted before they are parsed: a tensor has two lists, its shape and its offsets.
    if (lists := text.count(b"[")) > 2 * MAX_TENSORS:
        expected = f"at most {MAX_TENSORS} tensors, not up to {lists // 2}"
        raise SafetensorsInvalid(8, expected, Fault.HEADER, budget="safetensors.tensors")
    document = _header(text)
    start = 8 + length
    entries = {name: info for name, info in document.value.items() if name != "__metadata__"}
    metadata = _metadata(document.value.get("__metadata__"))
    shadowed, shadowed_metadata = _shadowed(document)
    tensors = {name: _tensor(name, info) for name, info in entries.items()}
    _check_extra_fields(document)
    _check_layout(tensors, start, size)
    return SafetensorsFacts(
        tensors,
        metadata,
        start,
        shadowed=shadowed,
        shadowed_metadata=shadowed_metadata,
        leading_space=not text.startswith(b"{"),
    )


def _header_length(head: bytes, size: int) -> int:
    """The length of the header, compared with the file before anything is read: the number is the author's."""
    length = int.from_bytes(head[:8], "little")
    if size < 8 or head[8:] not in (b"{", b" ", b"\t", b"\n", b"\r"):
        raise SafetensorsInvalid(min(size, 8), "8 bytes of length and the { of a header", Fault.FOREIGN)
    if length > MAX_HEADER:
        # Text has no zero byte: "version " is a number of 19 digits, and no header of that size was ever meant.
        foreign = 0 not in head[:8]
        expected = f"a header of at most {MAX_HEADER} bytes, not {length}"
        raise SafetensorsInvalid(0, expected, Fault.FOREIGN if foreign else Fault.HEADER_TOO_LARGE)
    if length > size - 8:
        raise SafetensorsInvalid(size, f"a file of at least {8 + length} bytes, not {size}", Fault.TRUNCATED)
    return length


def _header(text: bytes) -> json_.JsonFacts:
    try:
        document = json_.parse(text)
    except json_.JsonInvalid as error:
        # What is beyond the depth and the digits of Python is beyond those of the library: no limit of ours, a fault.
        budget = None if error.budget in {"json.depth", "json.digits"} else error.budget
        raise SafetensorsInvalid(8 + error.offset, error.expected, Fault.HEADER, budget=budget) from error
    if type(document.value) is not dict:
        raise SafetensorsInvalid(8, "an object that maps names to tensors", Fault.HEADER)
    # Each of these is fine with Python's reader and stops the one of the library.
    for what, places in (("a finite number", document.nonfinite), ("valid Unicode", document.surrogates)):
        if places:
            raise SafetensorsInvalid(8, f"{what} at {quote(places[0])}", Fault.HEADER)
    return document


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if type(value) is not dict:
        raise SafetensorsInvalid(8, "__metadata__ to be an object", Fault.METADATA)
    for key, text in value.items():
        if type(text) is not str:
            kind = {bool: "a boolean", int: "a number", float: "a number", type(None): "null", list: "an array"}
            found = kind.get(type(text), "an object")
            raise SafetensorsInvalid(8, f"a string as __metadata__ {quote(key)}, not {found}", Fault.METADATA)
    return value


def _shadowed(document: json_.JsonFacts) -> tuple[tuple[tuple[str, Tensor], ...], tuple[str, ...]]:
    """What stands before the last entry of the same name. It must be well-formed: the library parses it as well."""
    tensors: list[tuple[str, Tensor]] = []
    metadata: list[str] = []
    for hidden in document.shadowed:
        parts = _parts(hidden)
        if parts == ["__metadata__"]:
            raise SafetensorsInvalid(8, "__metadata__ once", Fault.METADATA)
        if parts[0] == "__metadata__":
            if type(hidden.value) is not str:
                raise SafetensorsInvalid(8, f"a string as __metadata__ {quote(parts[-1])}", Fault.METADATA)
            metadata.append(parts[-1])
        elif len(parts) == 1:
            tensors.append((parts[0], _entry(parts[0], hidden.value)))
        elif len(parts) == 2 and parts[1] in _FIELDS:
            raise _wrong(parts[0], f"{parts[1]} once")
        elif len(parts) == 3 and parts[1] in {"dtype", "0"} and parts[2] in BITS:  # {"F32": null, "F32": null}
            raise _wrong(parts[0], "one dtype")
    return tuple(tensors), tuple(metadata)


def _parts(hidden: json_.Shadowed) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in hidden.pointer.split("/")[1:]]


_FIELDS = ("dtype", "shape", "data_offsets")


def _entry(name: str, info: Any) -> Tensor:
    """An entry by its form alone, without the arithmetic."""
    if type(info) is list and len(info) == len(_FIELDS):  # no writer does so: serde takes a sequence for a struct
        info = dict(zip(_FIELDS, info, strict=True))
    if type(info) is not dict:
        raise _wrong(name, "an object with dtype, shape and data_offsets")
    dtype, shape, offsets = info.get("dtype"), info.get("shape"), info.get("data_offsets")
    if type(shape) is not list or type(offsets) is not list or len(offsets) != 2:
        raise _wrong(name, "a list as shape and two numbers as data_offsets")
    if type(dtype) is dict and list(dtype.values()) == [None]:  # {"F32": null}: serde's other spelling of an enum
        (dtype,) = dtype
    if type(dtype) is not str or dtype not in BITS:
        found = quote(dtype) if type(dtype) is str else "something that is no string"
        raise _wrong(name, f"a dtype that safetensors 0.8.0 knows, not {found}")
    # `type is`, because True is an int to isinstance, and -0 is one to Python; neither is one to the library.
    for number in (*shape, *offsets):
        if type(number) is not int or not 0 <= number < 2**64:
            raise _wrong(name, "shape and data_offsets to be whole numbers below 2**64")
    return Tensor(dtype, tuple(shape), offsets[0], offsets[1])


def _tensor(name: str, info: Any) -> Tensor:
    """An entry whose dtype, shape and offsets agree."""
    tensor = _entry(name, info)
    count = 1
    for extent in tensor.shape:
        count *= extent
        if count >= 2**64:  # at each step: the plain product of 4 MB of shape takes minutes
            break
    bits = count * BITS[tensor.dtype]
    if bits != (tensor.end - tensor.begin) * 8 or bits >= 2**64:
        raise _disagree(name, tensor, bits)
    return tensor


def _disagree(name: str, tensor: Tensor, bits: int) -> SafetensorsInvalid:
    if tensor.begin > tensor.end:
        return _wrong(name, f"data_offsets in order, not {tensor.begin} before {tensor.end}")
    if bits >= 2**64:
        return _wrong(name, "a shape whose size can be computed in 64 bits")
    if bits % 8:
        return _wrong(name, f"{tensor.described} to fill whole bytes")
    return _wrong(name, f"{bits // 8} bytes for {tensor.described}, not {tensor.nbytes}")


def _check_extra_fields(document: json_.JsonFacts) -> None:
    """The library skips fields that it does not know, and still refuses a number that no float can hold."""
    places = [(name, info) for name, info in document.value.items() if type(info) is dict and len(info) > len(_FIELDS)]
    places += [(_parts(hidden)[0], hidden.value) for hidden in document.shadowed]
    for name, info in places:
        for _, value in json_.walk(info):
            if type(value) is int and abs(value) >= 2**1024:
                raise _wrong(name, "numbers that a 64-bit float can hold")


def _wrong(name: str, expected: str) -> SafetensorsInvalid:
    return SafetensorsInvalid(8, f"{expected} for tensor {quote(name)}", Fault.TENSOR, tensor=name)


def _check_layout(tensors: dict[str, Tensor], start: int, size: int) -> None:
    """Tensors fill the data one after the other, from its first byte to the last byte of the file."""
    end, before = 0, ""
    for name, tensor in sorted(tensors.items(), key=_extent):
        if tensor.begin > end:
            expected = f"{quote(name)} to begin at byte {start + end}, {tensor.begin - end} bytes earlier"
            raise SafetensorsInvalid(start + end, expected, Fault.HOLE, tensor=name)
        if tensor.begin < end:
            expected = f"{quote(name)} to begin where {quote(before)} ends, {end - tensor.begin} bytes later"
            raise SafetensorsInvalid(start + tensor.begin, expected, Fault.OVERLAP, tensor=name)
        end, before = tensor.end, name
    if start + end != size:
        fault = Fault.TRUNCATED if start + end > size else Fault.TRAILING
        raise SafetensorsInvalid(min(size, start + end), f"a file of {start + end} bytes, not {size}", fault)


def _extent(item: tuple[str, Tensor]) -> tuple[int, int]:
    return item[1].begin, item[1].end
