"""The pickle machine says what the unpicklers of the Python that runs this do, on streams that nobody wrote.

They run in a process with limits, on stubs that only note what is done to them. `benchmarks/pickle_differential` does
the same with as many streams as one likes.
"""

import importlib.util
import pickle
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pickle_differential import compare, programs, search
from benchmarks.pickle_differential.oracle import Answer, Load, Oracle
from hfcheck.formats import pickle as pickles
from hfcheck.formats.pickle_facts import Consumer, EventKind, Stopped
from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_source import Source
from hfcheck.formats.pickle_values import Call, Global

STREAMS = 4000
BUDGET_SECONDS = 1.0

C = "c,unbuffered,class,ascii,no"
PYTHON = "python,bytes,class,ascii,no"
PEEKED = "c,1048576,class,latin1,no"

DIVERGES = {EventKind.DIVERGENCE, EventKind.FRAME}
HARMLESS = b"cmodule\nname\n)R."
"""What stands behind a construct: a machine that accepts it comes to this."""


def frame(body: bytes, length: int | None = None) -> bytes:
    """FRAME and what is in it; `length` is what it says of it."""
    return b"\x95" + struct.pack("<Q", len(body) if length is None else length) + body


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as started:
        yield started


def machine(data: bytes) -> Run:
    """Our run, with what other readings add."""
    source = Source(BytesIO(data))
    return pickles.complete_run(source, run(source))


def only(answers: Iterator[Answer]) -> Load:
    (answer,) = answers
    return answer.loads[0]


def reaches(load: Load) -> bool:
    return ["s", "name", 4] in [note.rest[1] for note in load.notes if note.kind == "global"]


def reached_by_ours(found: Run) -> bool:
    return ("module", "name") in {use.key for use in found.globals}


# Streams that nobody wrote.


@pytest.mark.parametrize("generator", search.GENERATORS)
def test_what_a_machine_does_is_in_our_facts(oracle: Oracle, generator: str) -> None:
    count = STREAMS // len(search.GENERATORS)
    streams = (search.stream(generator, number, seed=1) for number in range(count))
    for one in search.compared(streams, oracle):
        assert not one.disagreements, f"{generator} {one.stream.number}: {one.stream.data.hex()}"
        assert one.seconds < BUDGET_SECONDS


def test_most_programs_run_long(oracle: Oracle) -> None:
    """Or the comparison would be one of error messages."""
    streams = [search.stream("program", number, seed=2) for number in range(200)]
    loads = [
        answer.loads[0] for answer in oracle.ask([(one.data, PYTHON.replace("ascii", "latin1")) for one in streams])
    ]
    assert sum(load.error is None for load in loads) > 100
    assert sum(len(load.notes) for load in loads) > 2 * len(loads)


def test_the_comparison_sees_what_is_wrong(oracle: Oracle) -> None:
    """What we miss, what we put elsewhere, what we make up: each in turn, with facts that we spoil ourselves."""
    data = b"\x80\x03cmodule\nname\n(K\x01X\x01\0\0\0atR}bPid\n0."
    answers = tuple(oracle.ask([(data, PYTHON), (data, C)]))
    assert not list(compare.disagreements(data, compare.ours(data), answers))
    for kind in ("global", "call", "method", "persistent"):
        found = compare.ours(data)
        (fact,) = [fact for fact in found.facts if fact.kind == kind]
        found.facts.remove(fact)
        assert {what.sort for what in compare.disagreements(data, found, answers)} == {f"missed {kind}"}
        found.facts.append(replace(fact, at=fact.at + 1, end=fact.end + 1))
        sorts = {what.sort for what in compare.disagreements(data, found, answers)}
        assert sorts >= {f"missed {kind}"}
        found.facts[:] = [*compare.ours(data).facts, replace(fact, at=1, end=2, met=False)]
        assert {what.sort for what in compare.disagreements(data, found, answers)} == {f"more {kind}"}
    other = compare.ours(data.replace(b"K\x01", b"K\x02"))
    assert {what.sort for what in compare.disagreements(data, other, answers)} >= {"missed call with other contents"}


NAMES = [
    name
    for name in dir(pickle)
    if name.isupper() and isinstance(getattr(pickle, name), bytes) and len(getattr(pickle, name)) == 1
]
"""Names of opcodes."""


def test_every_opcode_is_drawn() -> None:
    drawn = {opcode[0] for number in range(3000) for opcode in programs.program(Random(number), 40, protocol=5)}
    assert {getattr(pickle, name)[0] for name in NAMES} - drawn == {pickle.FRAME[0]}, "frames are put around programs"


def test_a_stream_may_kill_the_machine_and_the_next_one_is_answered() -> None:
    hashed = b"}N" + b"2\x86" * 64 + b"Ns."  # takes forever
    with Oracle(seconds=1) as oracle:
        killed, answered = oracle.ask([(hashed, C), (HARMLESS, C)])
    assert not killed.loads
    assert reaches(answered.loads[0])
    assert EventKind.KEY_EXPANSION in {event.kind for event in machine(hashed).events}


# The table of index and argument rules.


@dataclass(frozen=True, slots=True)
class Row:
    """A construct, and which machines come to what stands behind it."""

    construct: bytes
    c: bool
    python: bool


ROWS: dict[str, Row] = {
    "INT in hexadecimal": Row(b"I0x1F\n0", c=True, python=True),
    "LONG in hexadecimal": Row(b"L0x1FL\n0", c=True, python=True),
    "INT with a leading zero": Row(b"I010\n0", c=True, python=False),
    "INT cut by a NUL": Row(b"I1\0junk\n0", c=True, python=False),
    "LONG cut by a NUL": Row(b"L1\0junk\n0", c=True, python=False),
    "FLOAT cut by a NUL": Row(b"F1.5\0junk\n0", c=True, python=False),
    "PUT cut by a NUL": Row(b"Np1\0junk\n0", c=True, python=False),
    "GET cut by a NUL": Row(b"Np1\n0g1\0junk\n0", c=True, python=False),
    "INT with an underscore": Row(b"I1_0\n0", c=True, python=True),
    "INT with a sign": Row(b"I+1\n0", c=True, python=True),
    "INT with leading blanks": Row(b"I 1\n0", c=True, python=True),
    "PUT with an underscore": Row(b"Np1_0\n0", c=True, python=True),
    "PUT with a sign": Row(b"Np+1\n0", c=True, python=True),
    "PUT with leading blanks": Row(b"Np 1\n0", c=True, python=True),
    "PUT with leading zeros": Row(b"Np007\n0h\x070", c=True, python=True),
    "GET with an underscore": Row(b"Nq\x0a0g1_0\n0", c=True, python=True),
    "GET with a sign": Row(b"Nq\x010g+1\n0", c=True, python=True),
    "GET with leading blanks": Row(b"Nq\x010g 1\n0", c=True, python=True),
    "GET with leading zeros": Row(b"Nq\x070g007\n0", c=True, python=True),
    "FLOAT with a blank": Row(b"F1.5 \n0", c=False, python=True),
    "FLOAT with an underscore": Row(b"F1_0.5\n0", c=False, python=True),
    "PUT negative": Row(b"Np-1\n0", c=False, python=False),
    "PUT in hexadecimal": Row(b"Np0x1\n0", c=False, python=False),
    "PUT empty": Row(b"Np\n0", c=False, python=False),
    "GET negative": Row(b"Nq\x010g-1\n0", c=False, python=False),
    "GET in hexadecimal": Row(b"Nq\x010g0x1\n0", c=False, python=False),
    "GET empty": Row(b"Nq\x000g\n0", c=False, python=False),
    "BINSTRING negative": Row(b"T\xff\xff\xff\xff0", c=False, python=False),
    "LONG4 negative": Row(b"\x8b\xff\xff\xff\xff0", c=False, python=False),
    "a length above PY_SSIZE_T_MAX": Row(b"\x8d" + b"\xff" * 8 + b"0", c=False, python=False),
    "a length above PY_SSIZE_T_MAX, of bytes": Row(b"\x8e" + b"\xff" * 8 + b"0", c=False, python=False),
    "a length above PY_SSIZE_T_MAX, of a frame": Row(b"\x95" + b"\xff" * 8 + b"N0", c=False, python=False),
    "PUT after MARK": Row(b"(p0\n1", c=False, python=False),
    "BINPUT after MARK": Row(b"N(q\x001", c=False, python=False),
    "MEMOIZE after MARK": Row(b"N(\x941", c=False, python=False),
    "DUP after MARK": Row(b"N(21", c=False, python=False),
    "BUILD after MARK": Row(b"cmodule\nother\nN(b1", c=False, python=False),
    "BUILD of the value below a MARK": Row(b"cmodule\nother\n(Nb1", c=False, python=False),
    "APPEND after MARK": Row(b"]N(a1", c=False, python=False),
    "APPEND to the list below a MARK": Row(b"](Na1", c=False, python=False),
    "SETITEM of the dictionary below a MARK": Row(b"}(NNs1", c=False, python=False),
    "REDUCE across a MARK": Row(b"cmodule\nother\n()R1", c=False, python=False),
    "STOP with marks left": Row(b"N(", c=True, python=True),
    "STOP with items left": Row(b"NNN", c=True, python=True),
    "a lone surrogate": Row(b"X\x03\0\0\0\xed\xa0\x800", c=True, python=True),
    "text that is no UTF-8": Row(b"X\x01\0\0\0\xff0", c=False, python=False),
    "PROTO in the middle": Row(b"N0\x80\x05N0\x80\x00", c=True, python=True),
    "a protocol that is not there": Row(b"\x80\x06", c=False, python=False),
    "blanks and a CR in the names of GLOBAL": Row(b"c a \nb\r\n0", c=True, python=True),
    "names of GLOBAL in UTF-8": Row(b"c\xc3\xa9\nb\n0", c=True, python=True),
    "names of INST in UTF-8": Row(b"(i\xc3\xa9\nb\n0", c=False, python=False),
    "REDUCE with a list": Row(b"cmodule\nother\n]R0", c=False, python=True),
    "NEWOBJ with a list": Row(b"cmodule\nother\n]\x810", c=False, python=True),
    "NEWOBJ_EX with a list": Row(b"cmodule\nother\n]}\x920", c=False, python=True),
    "GLOBAL with an empty name": Row(b"cother\n\n0", c=False, python=True),
    "GLOBAL with an empty module": Row(b"c\nother\n0", c=False, python=True),
    "INST with an empty name": Row(b"(iother\n\n0", c=False, python=True),
    "a frame longer than the stream": Row(b"\x95\xff\0\0\0\0\0\0\0N0", c=False, python=True),
    "APPENDS of nothing to what is no list": Row(b"N(e0", c=True, python=False),
    "SETITEMS of nothing to what is no dictionary": Row(b"N(u0", c=True, python=True),
    "ADDITEMS of nothing to what is no set": Row(b"N(\x900", c=True, python=False),
    "a frame inside an unfinished frame": Row(frame(b"N" + frame(b"NN", 2) + b"00") + b"0", c=True, python=False),
    "STACK_GLOBAL on what is no string": Row(b"NN\x930", c=False, python=False),
    "STACK_GLOBAL on bytes": Row(b"C\x01aC\x01b\x930", c=False, python=False),
    "a memo index that is not set": Row(b"h\x050", c=False, python=False),
    "an opcode that is not there": Row(b"N\xff0", c=False, python=False),
    "too little on the stack": Row(b"N\x860", c=False, python=False),
    "SETITEMS with a key and no value": Row(b"}(Nu0", c=False, python=False),
    "DICT with a key and no value": Row(b"(Nd0", c=False, python=False),
    "a list as a key": Row(b"}]Ns0", c=False, python=False),
    "BUILD with None on what has no state": Row(b"NNb0", c=True, python=True),
    "BUILD with an empty dictionary on what has no state": Row(b"N}b0", c=False, python=True),
    "a byte at no index": Row(b"\x96" + bytes(8) + b"G" + bytes(8) + b"cother\nother\ns0", c=False, python=False),
    "a byte at an index beyond": Row(b"\x96" + bytes(8) + b"K\x00cother\nother\ns0", c=False, python=False),
    "a call of a constant": Row(b"N)R0", c=False, python=False),
    "EXT with a number that nobody registered": Row(b"\x83\xe7\x030", c=False, python=False),
    "EXT with 0": Row(b"\x82\x000", c=False, python=False),
    "NEXT_BUFFER without buffers": Row(b"\x970", c=False, python=False),
    "a persistent id that is not ASCII": Row(b"P\xff\n0", c=False, python=False),
    "a string of Python 2 that is not ASCII": Row(b"U\x01\xff0", c=False, python=False),
    "READONLY_BUFFER of a string of Python 2": Row(b"U\x01a\x980", c=False, python=False),
    "STRING without quotes": Row(b"Sa\n0", c=False, python=False),
    "STRING with a blank behind its quotes": Row(b"S'a' \n0", c=False, python=False),
}  # fmt: skip

GOES_ON = {
    "a protocol that is not there": EventKind.DIVERGENCE,
    "EXT with a number that nobody registered": EventKind.EXTENSION,
    "NEXT_BUFFER without buffers": EventKind.OUT_OF_BAND,
    "a string of Python 2 that is not ASCII": EventKind.ENCODING,
    "READONLY_BUFFER of a string of Python 2": EventKind.ENCODING,
}
"""What both refuse here and take elsewhere: we go on and say so. The weights-only machine of torch takes any protocol,
the others need a registry, buffers or another encoding."""


@pytest.mark.parametrize("name", ROWS)
def test_row(oracle: Oracle, name: str) -> None:
    row = ROWS[name]
    data = row.construct + HARMLESS
    assert (reaches(only(oracle.ask([(data, C)]))), reaches(only(oracle.ask([(data, PYTHON)])))) == (row.c, row.python)
    found = machine(data)
    kinds = {event.kind for event in found.events}
    if row.c and row.python:
        assert reached_by_ours(found)
        assert found.end == len(data)
        assert not kinds & DIVERGES
    elif row.c or row.python:
        assert reached_by_ours(found)
        assert kinds & DIVERGES, "the machines part, and nothing says so"
    elif name in GOES_ON:
        assert reached_by_ours(found)
        assert GOES_ON[name] in kinds
    else:
        assert not reached_by_ours(found)
        assert isinstance(found.error, Stopped)
        assert found.error.offset <= len(row.construct)
        assert found.error.budget is None


def test_int_with_a_leading_zero_is_octal(oracle: Oracle) -> None:
    data = b"cmodule\nname\n(I010\ntR."
    (call,) = [note for note in only(oracle.ask([(data, C)])).notes if note.kind == "call"]
    assert call.rest[1] == ["t", [["i", "0x8"]], 1]
    assert machine(data).calls[0].args == (8,)


def test_memoize_counts_what_is_filled(oracle: Oracle) -> None:
    """A PUT with an index of its own, then MEMOIZE: it takes the number of filled places, and may overwrite one."""
    data = b"cmodule\nfirst\np1\n0cmodule\nsecond\n\x940h\x01)R."
    for variant in (C, PYTHON):
        (call,) = [note for note in only(oracle.ask([(data, variant)])).notes if note.kind == "call"]
        assert call.rest[0][4] == ["s", "second", 6]
    callee = machine(data).calls[0].callee
    assert isinstance(callee, Global)
    assert callee.name == "second"


def test_the_second_pickle_has_a_memo_of_its_own(oracle: Oracle) -> None:
    data = b"Nq\x05.h\x05cmodule\nname\n."
    for variant in (C, PYTHON):
        (answer,) = oracle.ask([(data, variant)])
        assert len(answer.loads) == 2
        assert not answer.loads[1].notes
    assert not any(
        use.name == "name" for one in pickles.read(Source(BytesIO(data)), Consumer.PICKLE) for use in one.globals
    )


STRADDLE = b"\x80\x04\x95\x03\0\0\0\0\0\0\0Ncacmodule\nname\n)R."
"""GLOBAL begins in the frame, and the name of the module goes on behind it."""


@pytest.mark.skipif(
    sys.version_info >= (3, 14, 7) or (3, 13, 15) <= sys.version_info < (3, 14),
    reason="python/cpython#154848 is put right",
)
def test_an_argument_that_crosses_the_end_of_its_frame(oracle: Oracle) -> None:
    """From memory C drops the `a` and takes the line behind the frame, with all in its buffer it reads straight on."""
    dropped, straight, python = (only(oracle.ask([(STRADDLE, variant)])) for variant in (C, PEEKED, PYTHON))
    assert [note.rest[0][1] for note in dropped.notes if note.kind == "global"] == ["cmodule"]
    assert [note.rest[0][1] for note in straight.notes if note.kind == "global"] == ["acmodule"]
    assert not python.notes
    found = machine(STRADDLE)
    assert {use.module for use in found.globals} == {"cmodule", "acmodule"}
    assert EventKind.FRAME in {event.kind for event in found.events}


@pytest.mark.skipif(sys.version_info[:2] == (3, 13) and sys.version_info >= (3, 13, 15), reason="see above")
@pytest.mark.parametrize("protocol", range(6))
def test_a_name_at_the_end_of_the_stream_loses_its_last_byte(oracle: Oracle, protocol: int) -> None:
    """The machine in Python takes the newline off without a look at it, and imports what is left."""
    data = (b"\x80" + bytes([protocol]) if protocol > 1 else b"") + b"cmodule\nnames"
    assert not only(oracle.ask([(data, C)])).notes
    assert reaches(only(oracle.ask([(data, PYTHON)])))
    assert reached_by_ours(machine(data))


def test_the_opcodes_of_the_weights_only_machine() -> None:
    """By its source: to import torch for that would take longer than all the rest."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        pytest.skip("torch is not installed")
    text = Path(found.origin).with_name("_weights_only_unpickler.py").read_text(encoding="utf-8")
    machine_ = text[text.index("class Unpickler") :]
    theirs = {getattr(pickle, name)[0] for name in re.findall(r"\b([A-Z][A-Z0-9_]+)\[0\]", machine_)}
    streams = {code: b"NN" + bytes([code]) + b"\n" * 20 for code in range(256)}
    refused = {code for code, data in streams.items() if run(Source(BytesIO(data))).refused_opcode == code}
    assert refused >= {pickle.FRAME[0], pickle.MEMOIZE[0], pickle.INST[0]}
    assert not refused & theirs
    known = {getattr(pickle, name)[0] for name in NAMES}
    assert known - refused == theirs


# Where the machines and ours once parted: one stream for each cause, as short as it gets.

REGRESSIONS = {
    "SETITEMS of nothing calls nothing": b"Pid\n(u.",
    "SETITEMS of a key alone calls nothing": b"cmodule\nother\n(Nu.",
    "what is refused may cross the end of a frame": frame(b"(") + frame(b"P\x8c\x01a\x8c\x01b\x93i", 10) + b"d\n(tt.",
    "the end of a frame inside a frame does not count": frame(b"N0" + frame(b"N") + b"0ca") + b"module\nname\n)R.",
    "a frame inside a frame reaches over its end": frame(b"N0" + frame(b"N0", 30) + b"0")
    + b"cmodule\nname\n)R0" * 3
    + b".",
    "a persistent id is another one in the other reading": frame(b"X\x05\0\0\0a\n") + b"b\\uq\0Q.",
    "arguments are others in the other reading": frame(b"cmodule\nname\nX\x05\0\0\0a\n") + b"b\\uq\0\x85R.",
    "one frame is read on from, the next one dropped": frame(b"ca")
    + b"b\nc\n0"
    + frame(b"N0" * 30 + b"ca")
    + b"module\nname\n.",
    "STOP inside a frame: the next pickle begins behind it": frame(b"N.X\x10\0\0\0") + b"cmodule\nname\n)R" * 3 + b".",
    "STOP inside a frame that is longer than the stream": frame(b"N.", 200) + b"cmodule\nname\n)R.",
    "what follows a pickle comes to its end only where a frame is dropped": b"N."
    + frame(b"V\\uz")
    + b"a\n0"
    + HARMLESS,
    "an unknown byte at no index": b"\x96" + bytes(8) + b"G" + bytes(8) + b"cmodule\nname\ns.",
    "a memo index beyond 64 bits": b"Np18446744073709551616\n0" + HARMLESS,
    "a number of many digits": b"F" + b"1" * 5000 + b"\n0" + HARMLESS,
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression(oracle: Oracle, name: str) -> None:
    for number in range(8):  # eight sets of variants
        one = search.Stream("regression", number, REGRESSIONS[name])
        answers = tuple(oracle.ask([(one.data, variant) for variant in search.variants(one)]))
        assert not search.judged(one, answers).disagreements


# Whatever the bytes.


def _made(seed: int) -> bytes:
    dice = Random(seed)
    return search.stream(dice.choice(list(search.GENERATORS)), dice.getrandbits(60)).data


MADE = st.integers(0, 2**60).map(_made)


def _same(first: Run, second: Run) -> bool:
    def outline(found: Run) -> list[object]:
        calls = [(use.offset, use.opcode, getattr(use.callee, "offset", None)) for use in found.calls]
        return [
            [(use.key, use.offset, use.protocol) for use in found.globals],
            calls,
            found.events,
            found.error,
            found.end,
        ]

    return outline(first) == outline(second)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.one_of(st.binary(max_size=300), MADE))
def test_any_bytes_give_a_run(data: bytes) -> None:
    found = machine(data)
    assert (found.end is None) != (found.error is None)
    places = [use.offset for use in found.globals] + [use.offset for use in found.calls]
    places += [use.offset for use in found.methods] + [use.offset for use in found.persistent]
    places += [event.offset for event in found.events]
    assert all(0 <= offset <= len(data) for offset in places)
    if found.error is not None:
        assert 0 <= found.error.offset <= len(data)
        assert found.error.expected.isprintable(), "it becomes part of a message"
    assert _same(found, machine(data))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(MADE.filter(lambda data: b"\x95" not in data), st.randoms(use_true_random=False))
def test_what_was_found_before_an_error_is_kept(data: bytes, dice: Random) -> None:
    """The globals of the first part of a stream are the first of its globals; a name that is cut may follow."""
    whole, part = machine(data), machine(data[: dice.randrange(len(data) + 1)])
    keys = [(use.key, use.offset) for use in part.globals]
    expected = [(use.key, use.offset) for use in whole.globals]
    cut = [event for event in part.events if "ends with the stream" in event.detail]
    assert keys[: len(keys) - len(cut)] == expected[: len(keys) - len(cut)]
    assert len(keys) <= len(expected) + 1
    assert len(part.calls) <= len(whole.calls) + 1


@settings(max_examples=300, derandomize=True, deadline=None)
@given(MADE)
def test_facts_of_a_file_count_all_that_happened(data: bytes) -> None:
    found = compare.ours(data)
    for facts, one in zip(found.pickles, found.runs, strict=True):
        assert sum(use.count for use in facts.globals) == len(one.globals)
        assert {(use.module, use.name) for use in facts.globals} == {use.key for use in one.globals}
        assert all(isinstance(use.call, Call) for use in facts.calls)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(MADE, st.integers(17, 300))
def test_nothing_depends_on_where_a_window_ends(data: bytes, window: int) -> None:
    whole, cut = compare.ours(data), compare.ours(data, window)
    assert [(fact.kind, fact.at, fact.rest) for fact in cut.facts] == [
        (fact.kind, fact.at, fact.rest) for fact in whole.facts
    ]
    assert compare.events(cut) == compare.events(whole)
    assert [(one.end, one.error) for one in cut.runs] == [(one.end, one.error) for one in whole.runs]
