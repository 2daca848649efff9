"""The outermost fields of an ONNX model: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (`ModelProto`).

The graph is skipped, wherever it stands and however long it is. The encoding:
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import SEEK_END, BytesIO
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2**31 - 1
"""protobuf reads no longer message; larger models keep their weights beside them."""

MAX_FIELDS = 1_000_000
MAX_DEPTH = 64
MAX_TEXT = 2**20
"""Bytes of a name or of an operator set that are read."""

MAX_READ = 64 * 2**20
"""Bytes of all names and operator sets."""


class Fault(Enum):
    """Why it is no model; the value completes the sentence "it is"."""

    NOT_ONNX = "no ONNX model"
    TRUNCATED = "an ONNX model that was cut off"
    ENCODING = "no protocol buffer"
    LIMIT = "an ONNX model larger than hfcheck reads"


class OnnxInvalid(Invalid):
    """protobuf refuses these bytes, or they are no model."""

    def __init__(self, offset: int, expected: str, fault: Fault, *, budget: str | None = None) -> None:
        super().__init__(offset, expected, budget=budget)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What a model says about itself. Of a field that comes twice the last one counts, as it does to protobuf.

    `opsets` are domain and version of each operator set that is imported; "" is the domain of ONNX itself. `graph` is
    the number of bytes of the graph, `graphs` how often that field comes: protobuf merges them. `functions` counts
    the model's own.
    """

    ir_version: int | None
    producer_name: str
    producer_version: str
    domain: str
    model_version: int
    opsets: tuple[tuple[str, int], ...]
    graph: int
    graphs: int
    functions: int
    size: int


def read(stream: IO[bytes]) -> OnnxFacts:
    """The outermost fields of a file; raises OnnxInvalid. Reads a few bytes for each field."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise OnnxInvalid(0, f"at most {MAX_BYTES} bytes, not {size}", Fault.LIMIT, budget="onnx.bytes")
    budget = _Budget()
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    opsets: list[tuple[str, int]] = []
    graph = graphs = functions = 0
    for field in _fields(stream, 0, size, budget):
        match field.number, field.wire:
            case (1 | 5, 0):
                numbers[field.number] = _signed(field.value)
            case (2 | 3 | 4, 2):
                texts[field.number] = _text(stream, field, budget)
            case (8, 2):
                opsets.append(_opset(stream, field, budget))
            case (7, 2):
                graph, graphs = graph + field.value, graphs + 1
            case (25, 2):
                functions += 1
    if not graphs:
        raise OnnxInvalid(size, "a model with a graph", Fault.NOT_ONNX)
    return OnnxFacts(
        numbers.get(1),
        texts.get(2, ""),
        texts.get(3, ""),
        texts.get(4, ""),
        numbers.get(5, 0),
        tuple(opsets),
        graph,
        graphs,
        functions,
        size,
    )


_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}


@dataclass(slots=True)
class _Budget:
    """What was read of this file so far, at any depth."""

    fields: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True)
class _Field:
    """A field whose payload starts at `at`; `value` is its number where `wire` is a varint, its length else."""

    at: int
    number: int
    wire: int
    value: int


def _fields(stream: IO[bytes], position: int, end: int, budget: _Budget) -> Iterator[_Field]:
    """The fields of the message in these bytes, without those in groups, which protobuf skips."""
    groups: list[int] = []
    while position < end:
        budget.fields += 1
        if budget.fields > MAX_FIELDS:
            raise OnnxInvalid(position, f"at most {MAX_FIELDS} fields", Fault.LIMIT, budget="onnx.fields")
        start = position
        tag, position = _varint(stream, position, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 2**29 or wire > _FIXED32:
            raise OnnxInvalid(start, "the number and the type of a field", Fault.ENCODING)
        value = 0
        if wire in (_VARINT, _BYTES):
            value, position = _varint(stream, position, end)
        else:
            _enter_or_leave(start, number, wire, groups)
        length = value if wire == _BYTES else _WIDTHS.get(wire, 0)
        if length > end - position:
            raise OnnxInvalid(end, f"{length} bytes of field {number} from byte {position} on", Fault.TRUNCATED)
        if not groups and wire != _END_GROUP:
            yield _Field(position, number, wire, value)
        position += length
    if groups:
        raise OnnxInvalid(end, "the end of a group", Fault.TRUNCATED)


def _enter_or_leave(start: int, number: int, wire: int, groups: list[int]) -> None:
    """The groups that are open, as this field changes them."""
    if wire == _GROUP:
        groups.append(number)
        if len(groups) > MAX_DEPTH:
            raise OnnxInvalid(start, f"at most {MAX_DEPTH} levels", Fault.LIMIT, budget="onnx.depth")
    elif wire == _END_GROUP and (not groups or groups.pop() != number):
        raise OnnxInvalid(start, "the end of a group that was begun", Fault.ENCODING)


def _varint(stream: IO[bytes], position: int, end: int) -> tuple[int, int]:
    """A number of up to ten bytes at this position, and the position behind it."""
    stream.seek(position)
    data = stream.read(min(10, end - position))
    number = 0
    for index, byte in enumerate(data):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number % 2**64, position + index + 1
    if len(data) == 10:
        raise OnnxInvalid(position, "a number of at most ten bytes", Fault.ENCODING)
    raise OnnxInvalid(end, f"the rest of the number at byte {position}", Fault.TRUNCATED)


def _text(stream: IO[bytes], field: _Field, budget: _Budget) -> str:
    return _payload(stream, field, budget).decode("utf-8", "surrogateescape")


def _opset(stream: IO[bytes], field: _Field, budget: _Budget) -> tuple[str, int]:
    """Domain and version of an `OperatorSetIdProto`."""
    message = BytesIO(_payload(stream, field, budget))
    domain, version = "", 0
    try:
        for inner in _fields(message, 0, field.value, budget):
            match inner.number, inner.wire:
                case (1, 2):
                    domain = _text(message, inner, budget)
                case (2, 0):
                    version = _signed(inner.value)
    except OnnxInvalid as error:
        # It is whole in the file: what is cut in it was written so.
        fault = Fault.ENCODING if error.fault is Fault.TRUNCATED else error.fault
        raise OnnxInvalid(field.at + error.offset, error.expected, fault, budget=error.budget) from error
    return domain, version


def _payload(stream: IO[bytes], field: _Field, budget: _Budget) -> bytes:
    budget.read += field.value
    if field.value > MAX_TEXT:
        expected = f"at most {MAX_TEXT} bytes, not {field.value}"
        raise OnnxInvalid(field.at, expected, Fault.LIMIT, budget="onnx.text")
    if budget.read > MAX_READ:
        raise OnnxInvalid(field.at, f"at most {MAX_READ} bytes of names", Fault.LIMIT, budget="onnx.read")
    stream.seek(field.at)
    return stream.read(field.value)


def _signed(number: int) -> int:
    """An `int64`, of which a negative one is written as its complement."""
    return number - 2**64 if number >= 2**63 else number
