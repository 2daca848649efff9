"""The ONNX reader: messages written field by field, each of them falsified."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import onnx
from hfcheck.formats.onnx import Fault, OnnxFacts, OnnxInvalid, read


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def opset(domain: bytes, version: int) -> bytes:
    return text(8, text(1, domain) + number(2, version))


GRAPH = text(7, b"\x0a\x00" * 50)
MODEL = b"".join(
    (
        number(1, 10),
        text(2, b"pytorch"),
        text(3, b"2.13"),
        text(4, b"org.example"),
        number(5, 3),
        text(6, b"documentation"),
        GRAPH,
        opset(b"", 18),
        opset(b"com.microsoft", 1),
        text(25, b"a function"),
    )
)


def facts(data: bytes) -> OnnxFacts:
    return read(BytesIO(data))


def refused(data: bytes) -> OnnxInvalid:
    with pytest.raises(OnnxInvalid) as caught:
        facts(data)
    return caught.value


def test_a_model() -> None:
    opsets = (("", 18), ("com.microsoft", 1))
    assert facts(MODEL) == OnnxFacts(10, "pytorch", "2.13", "org.example", 3, opsets, 100, 1, 1, len(MODEL))


def test_fields_in_another_order() -> None:
    assert facts(opset(b"", 9) + GRAPH + number(1, 4)).opsets == (("", 9),)


def test_what_protobuf_skips() -> None:
    unknown = b"".join(
        (
            number(99, 1),
            text(100, b"x"),
            varint(101 << 3 | 5) + bytes(4),
            varint(102 << 3 | 1) + bytes(8),
            varint(103 << 3 | 3) + number(1, 77) + varint(103 << 3 | 4),
            text(1, b"the wrong type"),
        )
    )
    assert facts(unknown + MODEL + unknown).ir_version == 10


def test_the_last_one_counts_and_graphs_are_merged() -> None:
    found = facts(MODEL + number(1, 11) + GRAPH)
    assert (found.ir_version, found.graphs, found.graph) == (11, 2, 200)


def test_a_negative_number() -> None:
    assert facts(GRAPH + number(5, 2**64 - 1)).model_version == -1


def test_text_that_is_not_utf8() -> None:
    assert facts(GRAPH + text(2, b"\xff")).producer_name == "\udcff"


def test_the_graph_is_not_read() -> None:
    reads: list[int] = []

    class Counted(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            reads.append(len(data))
            return data

    read(Counted(text(7, bytes(2**20)) + opset(b"", 1)))
    assert sum(reads) < 200


WRONG: dict[str, tuple[bytes, Fault]] = {
    "empty": (b"", Fault.NOT_ONNX),
    "no graph": (number(1, 10), Fault.NOT_ONNX),
    "cut in the graph": (MODEL[:80], Fault.TRUNCATED),
    "cut in a number": (GRAPH + number(1, 2**40)[:-1], Fault.TRUNCATED),
    "cut behind a tag": (GRAPH + varint(1 << 3), Fault.TRUNCATED),
    "cut in four bytes": (GRAPH + varint(9 << 3 | 5) + bytes(3), Fault.TRUNCATED),
    "cut in a group": (GRAPH + varint(9 << 3 | 3), Fault.TRUNCATED),
    "a length of 2**63": (varint(7 << 3 | 2) + varint(2**63), Fault.TRUNCATED),
    "a number of eleven bytes": (GRAPH + varint(1 << 3) + b"\xff" * 11, Fault.ENCODING),
    "field 0": (GRAPH + number(0, 1), Fault.ENCODING),
    "field 2**29": (GRAPH + number(2**29, 1), Fault.ENCODING),
    "type 6": (GRAPH + varint(1 << 3 | 6), Fault.ENCODING),
    "the end of no group": (GRAPH + varint(9 << 3 | 4), Fault.ENCODING),
    "the end of another group": (GRAPH + varint(9 << 3 | 3) + varint(8 << 3 | 4), Fault.ENCODING),
    "an operator set that is none": (GRAPH + text(8, text(1, b"a")[:-1]), Fault.ENCODING),
}


@pytest.mark.parametrize(("data", "fault"), WRONG.values(), ids=WRONG.keys())
def test_no_model(data: bytes, fault: Fault) -> None:
    error = refused(data)
    assert error.fault is fault
    assert error.budget is None
    assert 0 <= error.offset <= len(data)


@pytest.mark.parametrize(
    ("limit", "value", "budget"),
    [
        ("MAX_BYTES", len(MODEL) - 1, "onnx.bytes"),
        ("MAX_FIELDS", 13, "onnx.fields"),
        ("MAX_TEXT", 10, "onnx.text"),
        ("MAX_READ", 40, "onnx.read"),
    ],
)
def test_budgets(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, budget: str) -> None:
    monkeypatch.setattr(onnx, limit, value)
    assert refused(MODEL).budget == budget


def test_fields_are_counted_at_every_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = facts(MODEL)
    monkeypatch.setattr(onnx, "MAX_FIELDS", 14)
    assert facts(MODEL) == unlimited, "one field more than the 13 that are refused above"


def test_depth() -> None:
    begin, end = varint(9 << 3 | 3), varint(9 << 3 | 4)
    facts(GRAPH + begin * onnx.MAX_DEPTH + end * onnx.MAX_DEPTH)
    assert refused(GRAPH + begin * (onnx.MAX_DEPTH + 1)).budget == "onnx.depth"


SEEDS = [MODEL, *(data for data, _ in WRONG.values())]
EXTREME = (0, 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**69)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An almost valid model: cut, flipped, spliced, or with an extreme number put in."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        extreme = varint(draw(st.sampled_from((*EXTREME, len(data), len(data) + 1))))
        changed = (
            data[:at],
            data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :],
            data[:at] + extreme + data[at:],
            data[:at] + extreme + data[at + len(extreme) :],
            data[:at] + data[at // 2 :],
        )
        data = draw(st.sampled_from(changed))
    return data


@settings(max_examples=1500, deadline=None)
@given(st.one_of(mutated(), st.binary(max_size=100)))
def test_any_bytes_give_facts_or_the_one_error(data: bytes) -> None:
    try:
        found = facts(data)
    except OnnxInvalid as error:
        place = error.offset
    else:
        place = 0
        assert found.graph <= found.size
    assert 0 <= place <= len(data)
