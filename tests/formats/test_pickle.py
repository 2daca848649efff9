"""What a stream says in all the ways in which it is read: stacked pickles, frames, arrays, budgets.

The machine itself is compared with the real ones in test_pickle_differential.py .
"""

import pickle
import struct
from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import pickle as pickles
from hfcheck.formats import pickle_machine
from hfcheck.formats.pickle_expansion import MAX_SIZE, unfolded
from hfcheck.formats.pickle_facts import Consumer, EventKind, PickleFacts
from hfcheck.formats.pickle_machine import Run, Source
from hfcheck.formats.pickle_source import WINDOW
from hfcheck.formats.pickle_values import Bulk, Call, Dict

CALL = b"cposix\nsystem\n(Vecho hfcheck-marker\ntR"
"""A harmless marker, which nobody runs."""


def read(data: bytes) -> tuple[PickleFacts, ...]:
    return pickles.read(Source(BytesIO(data)), Consumer.PICKLE)


def run(data: bytes) -> Run:
    return pickle_machine.run(Source(BytesIO(data)))


def kinds(facts: PickleFacts) -> set[EventKind]:
    return {event.kind for event in facts.events}


def imports(facts: PickleFacts) -> list[tuple[str | None, str | None]]:
    return [(use.module, use.name) for use in facts.globals]


@pytest.mark.parametrize("protocol", range(6))
def test_a_dictionary_of_everything(protocol: int) -> None:
    value = {"a": [1, 300, 70000, -1, (2, 3.5)], "b": None, "c": True, "d": "\u20ac", "e": (1, 2, 3, 4), 5: ()}
    found = run(pickle.dumps(value, protocol))
    assert found.error is None
    assert type(found.root) is Dict
    assert dict(found.root.pairs()) == value


def test_what_was_found_before_an_error_is_kept() -> None:
    (facts,) = read(CALL + b"\xff")
    assert imports(facts) == [("posix", "system")]
    assert facts.calls[0].call.args == ("echo hfcheck-marker",)
    assert facts.error is not None
    assert facts.error.offset == len(CALL)
    assert not facts.complete


def test_names_of_python_2_are_those_that_python_3_imports() -> None:
    (facts,) = read(b"c__builtin__\nset\n.")
    assert facts.globals[0].imported == ("builtins", "set")
    (facts,) = read(b"\x80\x03c__builtin__\nset\n.")
    assert facts.globals[0].imported == ("__builtin__", "set")


def test_each_stacked_pickle_has_a_memo_of_its_own() -> None:
    stream = b"Va\np7\n.g7\n."
    second = pickle_machine.run(Source(BytesIO(stream)), stream.index(b"g"))
    assert second.error is not None
    assert "memo" in second.error.expected
    assert [(facts.complete, kinds(facts)) for facts in read(stream)] == [(True, {EventKind.TRAILING})]


def test_blanks_and_zeros_may_follow() -> None:
    (facts,) = read(pickle.dumps([]) + b"\n\0\0 ")
    assert facts.complete
    assert not facts.events


def test_other_bytes_that_follow_are_no_pickle() -> None:
    (facts,) = read(pickle.dumps([]) + b"\xfe\xfe\xfe")
    assert [event.detail for event in facts.events] == ["3 bytes follow"]


def test_a_payload_behind_the_end_is_found() -> None:
    facts = read(b"N." + CALL + b"0")
    assert imports(facts[1]) == [("posix", "system")]


def frame(body: bytes, length: int) -> bytes:
    return b"\x95" + struct.pack("<Q", length) + body


def test_an_argument_that_crosses_its_frame_is_read_both_ways() -> None:
    """From memory the name is `abcd`; a machine that drops the rest of the frame takes it from behind it."""
    harmless = b"\x8c\x04abcd"
    stream = b"\x80\x04" + frame(harmless, 3) + b"0" + CALL.replace(b"c", b"c", 1) + b"."
    (facts,) = read(stream)
    assert EventKind.FRAME in kinds(facts)
    # What the frame drops is `a`; `bcd0` is the string then, and all that follows is the same.
    assert ("posix", "system") in imports(facts)
    hidden = b"\x80\x04" + frame(b"\x8c\x30a", 3) + b"0" * 0x30 + CALL + b"."
    assert ("posix", "system") in imports(read(hidden)[0])


def test_what_only_the_dropping_machine_sees_is_found_where_it_stands() -> None:
    """Read straight on, the call is inside a string; with the rest of the frame dropped it is not."""
    string = b"\x8c\x50" + b"a" * 0x10
    stream = b"\x80\x04" + frame(string, len(string)) + b"b" * 0x40 + CALL + b"." + b"d" * 9
    (facts,) = read(stream)
    places = [use.offset for use in facts.globals]
    assert places == [stream.index(b"cposix")]


def test_a_frame_inside_a_frame() -> None:
    (facts,) = read(b"\x80\x04" + frame(frame(b"N", 1) + b"0N.", 13))
    assert EventKind.FRAME in kinds(facts)


def test_a_frame_longer_than_the_stream_goes_on_in_one_machine() -> None:
    (facts,) = read(b"\x80\x04" + frame(CALL + b".", 4096))
    assert EventKind.DIVERGENCE in kinds(facts)
    assert imports(facts) == [("posix", "system")]


def test_arrays_are_skipped_and_read() -> None:
    """To joblib the bytes are an array, to `pickle.load` they are opcodes: both are told."""
    wrapper = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}X\x05\0\0\0shapeK\x03sb"
    stream = wrapper + CALL + b"0N."

    def wrapped(_source: Source, call: Call, at: int) -> int | None:
        assert call.is_of("joblib.numpy_pickle", "NumpyArrayWrapper")
        return at + len(CALL) + 1

    (facts,) = pickles.read(Source(BytesIO(stream)), Consumer.JOBLIB, wrapped=wrapped)
    assert facts.complete
    assert EventKind.ARRAY in kinds(facts)
    assert ("posix", "system") in imports(facts)


@pytest.mark.parametrize(("inside", "crosses"), [(0, False), (1, True)])
def test_an_array_stands_between_two_frames(inside: int, crosses: bool) -> None:  # noqa: FBT001 - a parameter
    """The frame ends before joblib writes an array; where it goes on, joblib takes the array from behind it."""
    wrapper = b"\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81}b"
    stream = b"\x80\x04" + frame(wrapper, len(wrapper) + inside) + b"\xff" * 4 + frame(b"N0.", 3)
    (facts,) = pickles.read(Source(BytesIO(stream)), Consumer.JOBLIB, wrapped=lambda _source, _call, at: at + 4)
    assert facts.complete
    assert (EventKind.FRAME in kinds(facts)) == crosses


def test_bytes_that_are_a_pickle_themselves() -> None:
    (facts,) = read(pickle.dumps({"payload": b"\x80\x02" + CALL + b"."}, 4))
    (event,) = (event for event in facts.events if event.kind is EventKind.INNER_PICKLE)
    assert "posix.system" in event.detail
    assert not facts.globals


def test_a_constant_that_only_looks_like_one_is_none() -> None:
    (facts,) = read(pickle.dumps({"picture": b"\x80\x02\xff\xd8" + bytes(40)}, 4))
    assert EventKind.INNER_PICKLE not in kinds(facts)


def test_long_strings_are_not_read() -> None:
    text = "x" * (3 * WINDOW)
    found = run(pickle.dumps([text, 7], 4))
    assert found.error is None
    bulk, number = found.root
    assert isinstance(bulk, Bulk)
    assert (bulk.length, number) == (len(text), 7)


def test_strings_over_the_border_of_a_window_are_whole() -> None:
    value = [f"{number:09}" for number in range(2 * WINDOW // 11)]
    found = run(pickle.dumps(value, 2))
    assert found.root == value


def test_lines_over_the_border_of_a_window_are_whole() -> None:
    value = [f"{number:09}" for number in range(2 * WINDOW // 20)]
    found = run(pickle.dumps(value, 0))
    assert found.root == value


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x8e" + struct.pack("<Q", 2**62), id="BINBYTES8"),
        pytest.param(b"\x96" + struct.pack("<Q", 2**40), id="BYTEARRAY8"),
        pytest.param(b"X" + struct.pack("<I", 2**32 - 1), id="BINUNICODE"),
        pytest.param(b"\x8b" + struct.pack("<i", 2**31 - 1), id="LONG4"),
        pytest.param(b"T" + struct.pack("<I", 2**31), id="BINSTRING"),
    ],
)
def test_lengths_beyond_the_end(stream: bytes) -> None:
    (facts,) = read(stream + b".")
    assert EventKind.LENGTH in kinds(facts)
    assert not facts.complete


def test_a_memo_index_that_reserves_memory() -> None:
    assert EventKind.MEMO in kinds(read(b"Nr\xff\xff\xff\x7f.")[0])
    assert EventKind.MEMO not in kinds(read(b"Nr\xff\x00\x00\x00.")[0])


def test_a_tuple_that_is_doubled() -> None:
    (facts,) = read(b"N" + b"2\x86" * 60 + b".")
    assert EventKind.EXPANSION in kinds(facts)
    (facts,) = read(b"}N" + b"2\x86" * 60 + b"Ns.")
    assert EventKind.KEY_EXPANSION in kinds(facts)


def test_a_key_that_cannot_be_hashed_stops_all() -> None:
    (facts,) = read(b"}]Ns" + CALL + b".")
    assert facts.error is not None
    assert not facts.globals


def test_nesting() -> None:
    (facts,) = read(b"N" + b"\x85" * 2000 + b".")
    assert EventKind.DEPTH in kinds(facts)


def test_sharing_is_no_expansion() -> None:
    shared = ["a", "b"]
    (facts,) = read(pickle.dumps([shared] * 5000, 2))
    assert not facts.events


def test_a_value_inside_itself() -> None:
    value: list[object] = []
    value.append(value)
    found = run(pickle.dumps(value))
    assert unfolded(found.root) == (2, 1)


def test_sizes_stop_somewhere() -> None:
    value: object = 0
    for _ in range(200):
        value = (value, value)
    assert unfolded(value) == (MAX_SIZE, 200)


def test_too_many_opcodes_are_a_limit() -> None:
    found = pickle_machine.run(Source(BytesIO(b"N0" * WINDOW + b"N.")), opcodes=1000)
    assert found.error is not None
    assert found.error.budget == "pickle.opcodes"


def test_a_computed_name_is_an_import() -> None:
    (facts,) = read(b"\x80\x04\x8c\x08builtins\x8c\x03str\x93\x8c\x02os)R\x8c\x06system\x93.")
    assert EventKind.COMPUTED_NAME not in kinds(facts)
    (facts,) = read(b"\x80\x04c_codecs\nencode\n\x8c\x02os\x85R\x8c\x06system\x93.")
    assert EventKind.COMPUTED_NAME in kinds(facts)
    assert (None, "system") in imports(facts)


def test_uses_are_grouped() -> None:
    (facts,) = read(pickle.dumps([1j, 2j, 3j], 2))
    (use,) = facts.globals
    assert (use.imported, use.count) == (("builtins", "complex"), 1)
    (call,) = facts.calls
    assert call.count == 3


def test_source_without_a_part() -> None:
    source = Source(BytesIO(b"0123456789"), 1, 9)
    assert source.size == 8
    cut = source.without(2, 4)
    assert cut.read(0, 99) == b"125678"
    assert [cut.offset(at) for at in range(7)] == [1, 2, 5, 6, 7, 8, 9]
    assert source.part(2, 3).read(0, 99) == b"345"
    assert source.part(7, 9).read(0, 99) == b"8"
    assert source.line(0) == (b"12345678", False)


def streams() -> Iterator[bytes]:
    for protocol in range(6):
        yield pickle.dumps({"a": [1, 2.5, (3, b"4")], "b": {5, 6}, "c": 2**70}, protocol)
    yield b"\x80\x02" + CALL + b"."


@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.sampled_from(list(streams())), st.integers(0, 200), st.binary(max_size=6)).map(
            lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
        ),
    )
)
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_facts(data: bytes) -> None:
    found = read(data)
    assert found == () or found[0].number == 0
    assert [facts.offset for facts in found] == sorted({facts.offset for facts in found})


@given(st.sampled_from([stream for stream in streams() if b"\x95" not in stream]), st.integers(0, 200))
def test_a_stream_that_was_cut_says_no_less_up_to_there(stream: bytes, length: int) -> None:
    """All but the last name, which the unpickler in Python takes as far as it goes."""
    whole, cut = run(stream), run(stream[:length])
    names, found = ([(use.module, use.name, use.offset) for use in each.globals] for each in (whole, cut))
    assert found[:-1] == names[: max(len(found) - 1, 0)]
