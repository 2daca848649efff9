"""The safetensors reader, held against the library itself: what it takes and what it refuses (0.8.0)."""

import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import safetensors as library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hfcheck.formats.safetensors import BITS, MAX_HEADER, Fault, SafetensorsFacts, SafetensorsInvalid, read
from hfcheck.formats.tensor import Tensor

F32 = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
NEXT = '{"dtype":"F32","shape":[1],"data_offsets":[4,8]}'
ONE = f'{{"a":{F32}}}'
TWO = f'{{"a":{F32},"b":{NEXT.replace("[4,8]", "[5,9]")}}}'
EMPTY = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def pack(header: str | bytes, data: int = 0, length: int | None = None) -> bytes:
    """A file with this header, `data` zero bytes behind it and, where it is a lie, another length before it."""
    text = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


DESERIALIZE: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = library.deserialize


def ours(data: bytes) -> SafetensorsFacts | SafetensorsInvalid:
    try:
        return read(BytesIO(data))
    except SafetensorsInvalid as error:
        return error


def theirs(data: bytes) -> list[tuple[str, dict[str, Any]]] | None:
    """What the library makes of a file; None where it refuses it."""
    try:
        return DESERIALIZE(data)
    except library.SafetensorError:
        return None


@dataclass(frozen=True)
class Accepted:
    """A file that the library takes, and the facts that say how it departs from the specification."""

    title: str
    data: bytes
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    title: str
    data: bytes
    fault: Fault


SHADOWED_F16 = ("a", Tensor("F16", (2,), 0, 4))
ACCEPTED = [
    Accepted("one tensor", pack(ONE, 4)),
    Accepted("a name twice", pack(f'{{"a":{F32},"a":{F32}}}', 4), {"shadowed": (("a", Tensor("F32", (1,), 0, 4)),)}),
    Accepted(
        "a name twice, the first with another dtype",
        pack('{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"a":' + F32 + "}", 4),
        {"shadowed": (SHADOWED_F16,)},
    ),
    Accepted("a key of the metadata twice", pack('{"__metadata__":{"k":"1","k":"2"}}'), {"shadowed_metadata": ("k",)}),
    Accepted("a space before the brace", pack(f' {{"a":{F32}}}', 4), {"leading_space": True}),
    Accepted("spaces behind the header", pack(f'{{"a":{F32}}}   ', 4)),
    Accepted("a newline and a tab behind the header", pack(f'{{"a":{F32}}}\n\t', 4)),
    Accepted("a field that it does not know", pack(f'{{"a":{F32[:-1]},"x":{{"y":[1,null]}}}}}}', 4)),
    Accepted("a shape with a zero", pack('{"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]}}')),
    Accepted("a zero beside 2**63", pack(f'{{"a":{{"dtype":"U8","shape":[0,{2**63}],"data_offsets":[0,0]}}}}')),
    *(
        Accepted(f"the name {name!r}", pack(json.dumps({name: json.loads(F32)}), 4))
        for name in ("\x1b[2J", "a\0b", "a\nb", "../a", "")
    ),
    Accepted("a header of 13 bytes", pack('{"a":' + EMPTY + "}" + " " * 3)),
    Accepted("an empty object and no data", pack("{}")),
    Accepted("no metadata, said with null", pack('{"__metadata__":null}')),
    Accepted("an entry as a list", pack('{"a":["F32",[1],[0,4]]}', 4)),
    Accepted("a dtype as an object", pack('{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}', 4)),
    Accepted("-0 where nobody looks", pack(f'{{"a":{F32[:-1]},"x":-0}}}}', 4)),
    Accepted("309 digits below zero where nobody looks", pack(f'{{"a":{F32[:-1]},"x":-{"1" * 308}}}}}', 4)),
    Accepted("a surrogate pair", pack('{"__metadata__":{"k":"\\ud83d\\ude00"}}')),
    Accepted("125 lists where nobody looks", pack(f'{{"a":{F32[:-1]},"x":{"[" * 125}{"]" * 125}}}}}', 4)),
]
REFUSED = [
    Refused("bytes behind the last tensor", pack(ONE, 5), Fault.TRAILING),
    Refused("a hole between two tensors", pack(f'{{"a":{F32},"b":{NEXT}}}'.replace("[4,8]", "[5,9]"), 9), Fault.HOLE),
    Refused("a hole before the first tensor", pack(f'{{"b":{NEXT}}}', 8), Fault.HOLE),
    Refused("two tensors that overlap", pack(f'{{"a":{F32},"b":{NEXT}}}'.replace("[4,8]", "[3,7]"), 7), Fault.OVERLAP),
    Refused("two tensors in the same place", pack(f'{{"a":{F32},"b":{F32}}}', 4), Fault.OVERLAP),
    Refused("metadata twice", pack('{"__metadata__":{},"__metadata__":{}}'), Fault.METADATA),
    Refused("a field of a tensor twice", pack(f'{{"a":{F32[:-1]},"dtype":"F32"}}}}', 4), Fault.TENSOR),
    Refused("a byte order mark", pack(f'\ufeff{{"a":{F32}}}', 4), Fault.FOREIGN),
    Refused("NUL bytes behind the header", pack(f'{{"a":{F32}}}\0\0', 4), Fault.HEADER),
    Refused("a list as header", pack("[]"), Fault.FOREIGN),
    Refused("a header of no bytes", pack(""), Fault.FOREIGN),
    Refused("a header of no bytes before a brace", pack("{}", length=0), Fault.HEADER),
    Refused("a header longer than the file", pack(ONE, 4, length=1000), Fault.TRUNCATED),
    Refused("a header over 100 MB", pack("{}", length=MAX_HEADER + 1), Fault.HEADER_TOO_LARGE),
    Refused("a dtype that does not exist", pack(ONE.replace("F32", "F31"), 4), Fault.TENSOR),
    Refused("a number in the metadata", pack('{"__metadata__":{"k":1}}'), Fault.METADATA),
    Refused("NaN in the metadata", pack('{"__metadata__":{"k":NaN}}'), Fault.HEADER),
    Refused("a product that overflows", pack(ONE.replace("[1]", f"[{2**63},2]"), 4), Fault.TENSOR),
    Refused("an overflow before a zero", pack(f'{{"a":{EMPTY}}}'.replace("[0]", f"[{2**63},2,0]")), Fault.TENSOR),
    Refused("a negative dimension", pack(ONE.replace("[1]", "[-1]"), 4), Fault.TENSOR),
    Refused("a dimension with a point", pack(ONE.replace("[1]", "[1.0]"), 4), Fault.TENSOR),
    Refused("an end before its begin", pack(ONE.replace("[0,4]", "[4,0]"), 4), Fault.TENSOR),
    Refused("a shape for other offsets", pack(ONE.replace("[1]", "[2]"), 4), Fault.TENSOR),
    Refused("half a surrogate pair", pack('{"__metadata__":{"k":"\\ud800"}}'), Fault.HEADER),
    Refused("half a pair behind a backslash", pack('{"__metadata__":{"k":"\\\\ud83d\\ude00"}}'), Fault.HEADER),
    Refused("bytes that are not UTF-8", pack(b'{"__metadata__":{"k":"\xff"}}'), Fault.HEADER),
    Refused("126 lists where nobody looks", pack(f'{{"a":{F32[:-1]},"x":{"[" * 126}{"]" * 126}}}}}', 4), Fault.HEADER),
    Refused("100,000 lists", pack('{"a":' + "[" * 100_000), Fault.HEADER),
    Refused("fewer bytes than the tensors take", pack(ONE, 3), Fault.TRUNCATED),
    Refused("an empty object with data behind it", pack("{}", 1), Fault.TRAILING),
    Refused("an odd number of halves of a byte", pack(ONE.replace("F32", "F4"), 4), Fault.TENSOR),
    Refused("-0 as a dimension", pack(f'{{"a":{EMPTY}}}'.replace("[0]", "[-0]")), Fault.TENSOR),
    Refused("true as a dimension", pack(ONE.replace("[1]", "[true]"), 4), Fault.TENSOR),
    Refused("1e999 where nobody looks", pack(f'{{"a":{F32[:-1]},"x":1e999}}}}', 4), Fault.HEADER),
    Refused("310 digits where nobody looks", pack(f'{{"a":{F32[:-1]},"x":{"9" * 310}}}}}', 4), Fault.TENSOR),
    Refused("4,301 digits where nobody looks", pack(f'{{"a":{F32[:-1]},"x":{"9" * 4301}}}}}', 4), Fault.HEADER),
    Refused("a wrong entry hidden by a right one", pack(f'{{"a":{{"dtype":"F32"}},"a":{F32}}}', 4), Fault.TENSOR),
    Refused("NaN in a hidden entry", pack(f'{{"a":{F32[:-1]},"x":NaN}},"a":{F32}}}', 4), Fault.HEADER),
    Refused("310 digits in a hidden entry", pack(f'{{"a":{F32[:-1]},"x":{"9" * 310}}},"a":{F32}}}', 4), Fault.TENSOR),
    Refused(
        "half a surrogate pair in a hidden entry",
        pack(f'{{"a":{F32[:-1]},"x":"\\udc00"}},"a":{F32}}}', 4),
        Fault.HEADER,
    ),
    Refused(
        "126 lists in a hidden entry",
        pack(f'{{"a":{F32[:-1]},"x":{"[" * 126}{"]" * 126}}},"a":{F32}}}', 4),
        Fault.HEADER,
    ),
    Refused("a number hidden in the metadata", pack('{"__metadata__":{"k":1,"k":"2"}}'), Fault.METADATA),
    Refused("metadata as a list of pairs", pack('{"__metadata__":[["k","v"]]}'), Fault.METADATA),
    Refused("an entry as a list of four", pack('{"a":["F32",[1],[0,4],1]}', 4), Fault.TENSOR),
    Refused(
        "a dtype twice in an object",
        pack('{"a":{"dtype":{"F32":null,"F32":null},"shape":[1],"data_offsets":[0,4]}}', 4),
        Fault.TENSOR,
    ),
    Refused("an entry that is null", pack('{"a":null}'), Fault.TENSOR),
    Refused("offsets as three numbers", pack(ONE.replace("[0,4]", "[0,4,4]"), 4), Fault.TENSOR),
    Refused("an offset of 2**64", pack(ONE.replace("[0,4]", f"[0,{2**64}]"), 4), Fault.TENSOR),
    Refused("a comma too many", pack(f'{{"a":{F32},}}', 4), Fault.HEADER),
    Refused("text", b"version https://git-lfs.github.com/spec/v1\n", Fault.FOREIGN),
    Refused("an empty file", b"", Fault.FOREIGN),
    Refused("one byte", b"\x01", Fault.FOREIGN),
    Refused("seven bytes", bytes(7), Fault.FOREIGN),
    Refused("eight bytes", pack("", length=2), Fault.FOREIGN),
    Refused("nine bytes", pack("{", length=2), Fault.TRUNCATED),
]


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: row.title)
def test_accepted_there_and_here(row: Accepted) -> None:
    facts, listed = ours(row.data), theirs(row.data)
    assert listed is not None
    assert isinstance(facts, SafetensorsFacts), facts
    _check_same(facts, listed)
    departures = {"shadowed": (), "shadowed_metadata": (), "leading_space": False} | row.facts
    assert {key: getattr(facts, key) for key in departures} == departures


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.title)
def test_refused_there_and_here(row: Refused) -> None:
    error = ours(row.data)
    assert theirs(row.data) is None
    assert isinstance(error, SafetensorsInvalid), error
    assert (error.fault, error.budget) == (row.fault, None)
    assert 0 <= error.offset <= len(row.data)


def _check_same(facts: SafetensorsFacts, listed: list[tuple[str, dict[str, Any]]]) -> None:
    """The same tensors with the same names, dtypes, shapes and numbers of bytes."""
    tensors = {name: (tensor.dtype, list(tensor.shape), tensor.nbytes) for name, tensor in facts.tensors.items()}
    assert tensors == {name: (info["dtype"], info["shape"], len(info["data"])) for name, info in listed}


@pytest.mark.parametrize("dtype", BITS)
def test_every_dtype(dtype: str) -> None:
    size = 4 * BITS[dtype]
    data = pack(f'{{"a":{{"dtype":"{dtype}","shape":[4,8],"data_offsets":[0,{size}]}}}}', size)
    facts, listed = ours(data), theirs(data)
    assert listed is not None
    assert isinstance(facts, SafetensorsFacts), facts
    _check_same(facts, listed)


WORDS = [
    *("-0", "-1", "NaN", "1e999", "1e2", "1.0", "null", "true", "0", "1", "4", "8", "9" * 310, "1" * 4301, str(2**64)),
    *('"F32"', '"F16"', '"F4"', '{"F32":null}', '{"F32":{}}', '{"F32":null,"F32":null}', '"a"', '""', "[]", "{}"),
    *("[0,4]", "[4,8]", "[4,4]", "[0]", '"dtype"', '"shape"', '"data_offsets"', '"__metadata__"', '"x"', '"\\ud800"'),
    *("\\ud800", "\\ud83d\\ude00", "\\\\ud800\\udc00", "\ufeff", "\x1b", "\0", " ", "\n", ",", ":", "[", "]", "{", "}"),
    *('["F32",[1],[0,4]]', F32, NEXT, f'"a":{F32},', '"__metadata__":{"k":"v","k":"w"},', '"__metadata__":null,'),
    *("[" * 124 + "]" * 124, "[" * 126 + "]" * 126, '"x":1,'),
]  # fmt: skip
SKELETONS = [
    (["{", '"a"', ":", F32, ",", '"b"', ":", NEXT, "}"], 8),
    (["{", '"a"', ":", "{", '"dtype"', ":", '"F32"', ",", '"shape"', ":", "[", "1", "]", ",", '"data_offsets"', ":",
      "[", "0", ",", "4", "]", "}", "}"], 4),
    (["{", '"__metadata__"', ":", "{", '"k"', ":", '"v"', "}", ",", '"a"', ":", "[", '"F32"', ",", "[", "]", ",",
      "[", "0", ",", "4", "]", "]", "}"], 4),
    (["{", '"a"', ":", F32[:-1], ",", '"x"', ":", "{", '"y"', ":", "[", "2.5", "]", "}", "}", ",", '"a"', ":", F32,
      "}"], 4),
]  # fmt: skip


@st.composite
def almost_valid(draw: st.DrawFn) -> bytes:
    """A header with up to three tokens dropped, replaced, put in or copied, and now and then a lie about lengths."""
    tokens, size = draw(st.sampled_from(SKELETONS))
    tokens = [*tokens]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(tokens)))
        match draw(st.sampled_from(("drop", "replace", "insert", "copy"))):
            case "drop":
                del tokens[at : at + 1]
            case "replace":
                tokens[at : at + 1] = [draw(st.sampled_from(WORDS))]
            case "insert":
                tokens[at:at] = [draw(st.sampled_from(WORDS))]
            case _:
                other = draw(st.integers(0, len(tokens)))
                tokens[at:at] = tokens[other : other + draw(st.integers(1, 7))]
    text = "".join(tokens).encode()
    if draw(st.integers(0, 9)) == 0 and text:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + bytes([text[at] ^ 1 << draw(st.integers(0, 7))]) + text[at + 1 :]
    off = draw(st.sampled_from([0] * 12 + [-4, -1, 1, 4]))
    lie = draw(st.sampled_from([0] * 12 + [-1, 1, 2**63]))
    return pack(text, max(size + off, 0), max(len(text) + lie, 0))


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(almost_valid())
@example(pack('{"__metadata__":{"k":"\\\\ud800\\udc00"}}'))
def test_differential(data: bytes) -> None:
    """Accepted there, accepted here with the same tensors; refused there, refused here."""
    found, listed = ours(data), theirs(data)
    if listed is None:
        assert isinstance(found, SafetensorsInvalid)
    else:
        assert isinstance(found, SafetensorsFacts), found
        _check_same(found, listed)


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, MAX_HEADER, MAX_HEADER + 1, 55, 56, 57])
def test_every_length_is_compared_with_the_file_first(length: int) -> None:
    data = pack(ONE, 4, length)
    tracemalloc.start()
    try:
        found = ours(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert isinstance(found, SafetensorsFacts) == (length == len(data) - 8 - 4) == (theirs(data) is not None)


def test_data_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    size = 2**40
    path.write_bytes(pack(f'{{"a":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}}}}'))
    start = path.stat().st_size
    os.truncate(path, start + size)  # sparse: takes no room
    with path.open("rb") as stream:
        tracemalloc.start()
        try:
            facts = read(stream)
            assert tracemalloc.get_traced_memory()[1] < 2**20
        finally:
            tracemalloc.stop()
    assert (facts.data_start, facts.tensors["a"].nbytes) == (start, size)


def test_metadata_and_absence_of_it() -> None:
    with_format, without = ours(pack('{"__metadata__":{"format":"pt"}}')), ours(pack("{}"))
    assert isinstance(with_format, SafetensorsFacts)
    assert isinstance(without, SafetensorsFacts)
    assert (with_format.metadata, without.metadata) == ({"format": "pt"}, None)


@pytest.mark.parametrize(
    ("data", "offset", "tensor"),
    [
        pytest.param(pack(TWO, 9), 8 + len(TWO) + 4, "b", id="begin of the hole"),
        pytest.param(pack(ONE, 5), 8 + len(ONE) + 4, None, id="end of the last tensor"),
        pytest.param(pack(ONE, 3), 8 + len(ONE) + 3, None, id="end of the file"),
        pytest.param(pack('{"é":1 2}'), 8 + len('{"é":1 '.encode()), None, id="in bytes behind a letter of two"),
        pytest.param(pack(ONE.replace("F32", "F31"), 4), 8, "a", id="the tensor by name"),
    ],
)
def test_where(data: bytes, offset: int, tensor: str | None) -> None:
    error = ours(data)
    assert isinstance(error, SafetensorsInvalid)
    assert (error.offset, error.tensor) == (offset, tensor)
