"""The names of opcodes, and streams that are written with them, are those of `pickletools`."""

import io
import pickletools

import pytest

from hfcheck.pickle_assembler import assembled, opcode_name


@pytest.mark.parametrize("opcode", pickletools.opcodes, ids=lambda opcode: opcode.name)
def test_names(opcode: pickletools.OpcodeInfo) -> None:
    assert opcode_name(ord(opcode.code)) == opcode.name


def test_a_byte_that_is_no_opcode() -> None:
    assert opcode_name(0xFF) == "0xff"


LINES = (
    "PROTO 4", "FRAME 8", "MARK", "GLOBAL os path", "BINUNICODE a b", "SHORT_BINUNICODE c", "BININT -2", "BININT1 3",
    "BININT2 400", "LONG1 0102", "SHORT_BINBYTES ff", "INT 7", "STRING 'x'", "TUPLE", "BINPUT 1", "LONG_BINGET 1",
    "BINFLOAT 0.5", "STOP",
)  # fmt: skip


def test_pickletools_reads_what_is_assembled() -> None:
    read = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(io.BytesIO(assembled(LINES)))]
    assert [name for name, _ in read] == [line.split(" ")[0] for line in LINES]
    arguments = [argument for _, argument in read if argument is not None]
    assert arguments == [4, 8, "os path", "a b", "c", -2, 3, 400, 0x0201, b"\xff", 7, "x", 1, 1, 0.5]


def test_bytes_stand_as_they_are() -> None:
    assert assembled([b"\xff\xfe", "STOP"]) == b"\xff\xfe."
