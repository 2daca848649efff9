"""The GGUF reader: tiny files written here, each field of them falsified."""

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import gguf
from hfcheck.formats.gguf import Array, Fault, GgufFacts, GgufInvalid, GgufTensor, LongText, read

F32, Q4_K, REMOVED, UNKNOWN = 0, 12, 31, 99
TENSOR = ("w", (2, 3), F32, 0)


class Writer:
    """Bytes of a file in one order; nothing is checked, so that everything can be wrong."""

    def __init__(self, order: str = "<") -> None:
        self.order = order

    def pack(self, code: str, *values: float) -> bytes:
        return struct.pack(self.order + code, *values)

    def text(self, value: bytes) -> bytes:
        return self.pack("Q", len(value)) + value

    def key(self, name: str, kind: int, value: bytes) -> bytes:
        return self.text(name.encode()) + self.pack("I", kind) + value

    def tensor(self, name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
        return self.text(name.encode()) + self.pack(f"I{len(shape)}QIQ", len(shape), *shape, kind, offset)

    def header(self, keys: list[bytes], tensors: list[bytes], version: int = 3) -> bytes:
        counts = self.pack("I2Q", version, len(tensors), len(keys))
        return b"".join((b"GGUF", counts, *keys, *tensors))

    def file(self, keys: list[bytes], *tensors: tuple[str, tuple[int, ...], int, int], data: int = 24) -> bytes:
        """A header padded to 32 bytes, and so many bytes of data."""
        header = self.header(keys, [self.tensor(*tensor) for tensor in tensors])
        return header + bytes(-len(header) % 32) + bytes(data)


LITTLE, BIG = Writer("<"), Writer(">")


def facts(data: bytes) -> GgufFacts:
    return read(BytesIO(data))


def refused(data: bytes) -> GgufInvalid:
    with pytest.raises(GgufInvalid) as caught:
        facts(data)
    return caught.value


def all_values(w: Writer) -> list[bytes]:
    return [
        w.key("u8", 0, w.pack("B", 255)),
        w.key("i8", 1, w.pack("b", -1)),
        w.key("u16", 2, w.pack("H", 65535)),
        w.key("i16", 3, w.pack("h", -1)),
        w.key("u32", 4, w.pack("I", 2**32 - 1)),
        w.key("i32", 5, w.pack("i", -1)),
        w.key("f32", 6, w.pack("f", 0.5)),
        w.key("bool", 7, b"\2"),
        w.key("str", 8, w.text("é".encode())),
        w.key("strs", 9, w.pack("IQ", 8, 2) + w.text(b"a") + w.text(bytes(70_000))),
        w.key("u64s", 9, w.pack("IQ", 10, 3) + bytes(24)),
        w.key("u64", 10, w.pack("Q", 2**64 - 1)),
        w.key("i64", 11, w.pack("q", -1)),
        w.key("f64", 12, w.pack("d", 0.25)),
    ]


@pytest.mark.parametrize("writer", [LITTLE, BIG], ids=["little", "big"])
def test_every_type_of_value_in_both_orders(writer: Writer) -> None:
    found = facts(writer.file(all_values(writer), TENSOR))
    assert found.big_endian is (writer is BIG)
    assert found.metadata == {
        "u8": 255,
        "i8": -1,
        "u16": 65535,
        "i16": -1,
        "u32": 2**32 - 1,
        "i32": -1,
        "f32": 0.5,
        "bool": True,
        "str": "é",
        "strs": Array("str", 2),
        "u64s": Array("u64", 3),
        "u64": 2**64 - 1,
        "i64": -1,
        "f64": 0.25,
    }
    assert found.tensors == {"w": GgufTensor(F32, (2, 3), found.data_start, found.data_start + 24)}
    assert (found.version, found.cut, found.misplaced, found.unknown_types) == (3, (), (), ())
    assert found.expected_size == found.size


def test_version_2_has_the_same_layout() -> None:
    assert facts(LITTLE.header([], [], version=2)).version == 2


def test_alignment_moves_the_data() -> None:
    found = facts(LITTLE.header([LITTLE.key("general.alignment", 4, LITTLE.pack("I", 4096))], [LITTLE.tensor(*TENSOR)]))
    assert (found.alignment, found.data_start) == (4096, 4096)


def test_a_shard_without_tensors_ends_with_its_header() -> None:
    data = LITTLE.header([LITTLE.key("split.count", 2, LITTLE.pack("H", 3))], [])
    assert facts(data).expected_size == len(data)


def test_cut_data_is_a_fact_that_names_the_tensor() -> None:
    whole = LITTLE.file([], TENSOR, ("v", (8,), F32, 32), data=64)
    found = facts(whole[:-1])
    assert found.cut == ("v",)
    assert found.tensors["v"].end == found.expected_size == found.size + 1
    assert facts(whole).cut == ()


def test_a_file_cut_before_its_data() -> None:
    data = LITTLE.header([], [LITTLE.tensor(*TENSOR)])
    assert facts(data).cut == ("w",)


def test_size_by_blocks() -> None:
    tensor = facts(LITTLE.file([], ("w", (512, 2), Q4_K, 0), data=576)).tensors["w"]
    assert (tensor.end or 0) - tensor.begin == 512 * 2 // 256 * 144
    assert tensor.described == "Q4_K [512, 2]"


def test_unknown_type_is_a_fact() -> None:
    found = facts(LITTLE.file([], ("w", (7,), UNKNOWN, 0), ("v", (1,), F32, 32)))
    assert found.unknown_types == ("w",)
    assert found.tensors["w"].described == "type 99 [7]"
    assert found.misplaced == ()  # where the second has to begin cannot be told


def test_given_up_types_have_a_size() -> None:
    assert REMOVED in gguf.REMOVED
    assert facts(LITTLE.file([], ("w", (32,), REMOVED, 0), data=18)).cut == ()


def test_a_tensor_that_does_not_follow_the_one_before() -> None:
    assert facts(LITTLE.file([], TENSOR, ("v", (1,), F32, 24), data=64)).misplaced == ("v",)
    assert facts(LITTLE.file([], TENSOR, ("v", (1,), F32, 32), data=64)).misplaced == ()


def test_names_that_come_twice() -> None:
    keys = [LITTLE.key("a", 0, b"\1"), LITTLE.key("a", 0, b"\2")]
    found = facts(LITTLE.file(keys, TENSOR, TENSOR))
    assert (found.duplicate_keys, found.duplicate_tensors) == (("a",), ("w",))
    assert found.metadata == {"a": 1}


def test_long_text_is_not_kept() -> None:
    length = gguf.MAX_VALUE + 1
    keys = [LITTLE.key("t", 8, LITTLE.text(bytes(length))), LITTLE.key("u", 8, LITTLE.text(b"a" * (length - 1)))]
    found = facts(LITTLE.header(keys, []))
    assert found.metadata["t"] == LongText(length)
    assert found.metadata["u"] == "a" * (length - 1)


def test_names_that_are_not_utf8_are_kept_apart() -> None:
    keys = [LITTLE.text(name) + LITTLE.pack("IB", 0, 1) for name in (b"\xff", b"\xfe")]
    assert len(facts(LITTLE.header(keys, [])).metadata) == 2


def number(at: int, width: int, value: int) -> bytes:
    """A small file with another number at byte `at`."""
    data = LITTLE.file([LITTLE.key("k", 8, LITTLE.text(b"v"))], TENSOR)
    return data[:at] + value.to_bytes(width, "little") + data[at + width :]


# Offsets in the file above: counts at 8 and 16, key length 24, type 33, value length 37, then the tensor:
# name length 46, dimensions 55, shape 59 and 67, type 75, offset 79.
WRONG: dict[str, tuple[bytes, Fault]] = {
    "empty": (b"", Fault.NOT_GGUF),
    "another format": (b"GGML" + bytes(20), Fault.NOT_GGUF),
    "magic only": (b"GGUF", Fault.TRUNCATED),
    "version 0": (number(4, 4, 0), Fault.VERSION),
    "version 1": (number(4, 4, 1), Fault.VERSION),
    "version 4": (number(4, 4, 4), Fault.VERSION),
    "counts cut": (LITTLE.file([], TENSOR)[:20], Fault.TRUNCATED),
    "key cut": (number(4, 4, 3)[:30], Fault.TRUNCATED),
    "value cut": (number(4, 4, 3)[:45], Fault.TRUNCATED),
    "tensor cut": (number(4, 4, 3)[:80], Fault.TRUNCATED),
    "more tensors than there are": (number(8, 8, 5), Fault.TRUNCATED),
    "2**63 tensors": (number(8, 8, 2**63), Fault.COUNTS),
    "2**63 keys": (number(16, 8, 2**63), Fault.COUNTS),
    "a key of 2**63 bytes": (number(24, 8, 2**63), Fault.COUNTS),
    "a type of values that is none": (number(33, 4, 13), Fault.VALUE),
    "a string of 2**64 - 1 bytes": (number(37, 8, 2**64 - 1), Fault.COUNTS),
    "five dimensions": (number(55, 4, 5), Fault.COUNTS),
    "2**32 - 1 dimensions": (number(55, 4, 2**32 - 1), Fault.COUNTS),
    "2**63 elements": (number(59, 8, 2**62), Fault.ARITHMETIC),
    "a negative dimension": (number(59, 8, 2**64 - 1), Fault.ARITHMETIC),
    "an offset of 2**64 - 1": (number(79, 8, 2**64 - 1), Fault.ARITHMETIC),
    "a row that does not fill its blocks": (LITTLE.file([], ("w", (100,), Q4_K, 0)), Fault.ARITHMETIC),
    "nested array": (LITTLE.file([LITTLE.key("k", 9, LITTLE.pack("IQ", 9, 0))]), Fault.VALUE),
    "array of 2**63 numbers": (LITTLE.file([LITTLE.key("k", 9, LITTLE.pack("IQ", 4, 2**63))]), Fault.COUNTS),
    "array of 2**63 strings": (LITTLE.file([LITTLE.key("k", 9, LITTLE.pack("IQ", 8, 2**63))]), Fault.COUNTS),
    "array cut": (LITTLE.file([LITTLE.key("k", 9, LITTLE.pack("IQ", 4, 100))]), Fault.TRUNCATED),
    "strings cut": (LITTLE.header([LITTLE.key("k", 9, LITTLE.pack("IQQQ", 8, 2, 0, 9))], []), Fault.TRUNCATED),
    "alignment 0": (LITTLE.file([LITTLE.key("general.alignment", 4, bytes(4))]), Fault.ARITHMETIC),
    "alignment 24": (LITTLE.file([LITTLE.key("general.alignment", 4, b"\x18\0\0\0")]), Fault.ARITHMETIC),
    "alignment of another type": (
        LITTLE.file([LITTLE.key("general.alignment", 8, LITTLE.text(b"32"))]),
        Fault.ARITHMETIC,
    ),
}


@pytest.mark.parametrize(("data", "fault"), WRONG.values(), ids=WRONG.keys())
def test_no_reader_takes_it(data: bytes, fault: Fault) -> None:
    error = refused(data)
    assert error.fault is fault
    assert error.budget is None
    assert 0 <= error.offset <= len(data)


def test_the_tensor_at_fault_is_named() -> None:
    assert refused(WRONG["five dimensions"][0]).tensor == "w"


@pytest.mark.parametrize(
    ("limit", "value", "budget"),
    [
        ("MAX_STRING", 5, "gguf.string"),
        ("MAX_STRINGS", 1, "gguf.strings"),
        ("MAX_HEADER", 100, "gguf.header"),
        ("MAX_KEPT", 10, "gguf.names"),
    ],
)
def test_budgets(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, budget: str) -> None:
    keys = [LITTLE.key("key", 9, LITTLE.pack("IQ", 8, 2) + 2 * LITTLE.text(b"a"))]
    data = LITTLE.file(keys, ("tensor-name", (6,), F32, 0))
    facts(data)
    monkeypatch.setattr(gguf, limit, value)
    assert refused(data).budget == budget


@pytest.mark.parametrize(("what", "at", "least"), [("tensors", 8, 24), ("keys", 16, 13)])
def test_too_many(monkeypatch: pytest.MonkeyPatch, what: str, at: int, least: int) -> None:
    monkeypatch.setattr(gguf, "MAX_COUNT", 2)
    size = len(number(at, 8, 0))
    assert refused(number(at, 8, size // least)).budget == f"gguf.{what}"
    assert refused(number(at, 8, size // least + 1)).fault is Fault.COUNTS


SEEDS = [
    LITTLE.file(all_values(LITTLE)[:9], TENSOR, ("v", (512,), Q4_K, 32), data=320),
    BIG.file(all_values(BIG)[10:], TENSOR),
    LITTLE.header([], []),
    *(data for data, _ in WRONG.values()),
]
EXTREME = (0, 1, 4, 5, 8, 9, 13, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An almost valid file: cut, flipped, spliced, or with an extreme number in place of another."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        width = draw(st.sampled_from((1, 4, 8)))
        value = draw(st.sampled_from((*EXTREME, len(data), len(data) + 1))) % 256**width
        changed = (
            data[:at],
            data[:at] + bytes(data[at : at + 1]).translate(bytes(range(255, -1, -1))) + data[at + 1 :],
            data[:at] + value.to_bytes(width, "little") + data[at + width :],
            data[:at] + value.to_bytes(width, "big") + data[at + width :],
            data[:at] + data[at // 2 :],
        )
        data = draw(st.sampled_from(changed))
    return data


@settings(max_examples=1500, deadline=None)
@given(st.one_of(mutated(), st.binary(max_size=100), st.binary(max_size=100).map(lambda data: b"GGUF\3\0\0\0" + data)))
def test_any_bytes_give_facts_or_the_one_error(data: bytes) -> None:
    try:
        found = facts(data)
    except GgufInvalid as error:
        place = error.offset
    else:
        place = 0
        assert bool(found.cut) is (found.expected_size > found.size)
        assert all(tensor.begin >= found.data_start for tensor in found.tensors.values())
    assert 0 <= place <= len(data)


@pytest.mark.parametrize("w", [LITTLE, BIG], ids=["little", "big"])
def test_the_vocabulary_is_kept(w: Writer) -> None:
    texts = ["<s>", "é", "", "a" * 70_000]
    tokens = w.key(gguf.TOKENS, 9, w.pack("IQ", 8, 4) + b"".join(w.text(text.encode()) for text in texts))
    types = w.key(gguf.TOKEN_TYPES, 9, w.pack("IQ4i", 5, 4, 3, 1, 2, 6))
    found = facts(w.file([tokens, types], TENSOR))
    assert found.tokens == ("<s>", "é", "", "")  # one that is longer than a piece is left out
    assert found.token_types == bytes((3, 1, 2, 6))
    assert found.metadata[gguf.TOKENS] == Array("str", 4)


def test_a_vocabulary_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "MAX_TOKENS", 1)
    w = LITTLE
    tokens = w.key(gguf.TOKENS, 9, w.pack("IQ", 8, 2) + w.text(b"a") + w.text(b"b"))
    found = facts(w.file([tokens, w.key(gguf.TOKEN_TYPES, 9, w.pack("IQ2i", 5, 2, 1, 1))], TENSOR))
    assert (found.tokens, found.token_types) == (None, None)
