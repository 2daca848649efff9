"""The zip reader: the truth table of readers, one row each, and what hostile bytes may do to it."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import torch_zip, zip_directory
from hfcheck.formats.zip_ import Effect, Fault, Kind, ZipFacts, ZipInvalid, read
from hfcheck.formats.zip_kinds import SHOWN


@dataclass
class Part:
    """A member; `central` and `local` replace fields of its two headers by what is not true."""

    name: bytes
    data: bytes = b"data"
    method: int = 0
    central: dict[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)
    descriptor: bytes = b""


@dataclass
class Archive:
    """An archive of these members; `end` replaces fields of its end record, `wide` those of zip64 records, if any."""

    parts: list[Part]
    end: dict[str, int] = field(default_factory=dict)
    comment: bytes = b""
    tail: bytes = b""
    wide: dict[str, int] | None = None

    def pack(self) -> bytes:
        """Members, directory, `tail`, end records and comment; `tail` is what does not belong there."""
        out, directory, offsets = bytearray(), bytearray(), []
        for part in self.parts:
            offsets.append(len(out))
            out += _local(part)
        for part, offset in zip(self.parts, offsets, strict=True):
            directory += _central(part, offset)
        honest = {
            "disk": 0,
            "directory_disk": 0,
            "here": len(self.parts),
            "count": len(self.parts),
            "size": len(directory),
            "start": len(out),
            "comment": len(self.comment),
        }
        out += directory + self.tail
        if self.wide is not None:
            values = honest | {"length": 44, "record": len(out), "locator_disk": 0, "disks": 1} | self.wide
            numbers = _pick(values, "disk directory_disk here count size start")
            out += struct.pack("<4sQ2H2I4Q", b"PK\6\6", values["length"], 45, 45, *numbers)
            out += struct.pack("<4sIQI", b"PK\6\7", *_pick(values, "locator_disk record disks"))
        values = honest | {"here": self.end.get("count", len(self.parts))} | self.end
        numbers = _pick(values, "disk directory_disk here count size start comment")
        out += struct.pack("<4s4H2IH", b"PK\5\6", *numbers) + self.comment
        return bytes(out)


def _pick(values: dict[str, int], names: str) -> list[int]:
    return [values[name] for name in names.split()]


def _payload(part: Part) -> bytes:
    if part.method != zipfile.ZIP_DEFLATED:
        return part.data
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(part.data) + deflate.flush()


def _fields(part: Part, replaced: dict[str, Any]) -> dict[str, Any]:
    honest = {
        "magic": b"PK\3\4",
        "made": 20,
        "needed": 20,
        "flags": 0,
        "method": part.method,
        "crc": zlib.crc32(part.data),
        "compressed": len(_payload(part)),
        "uncompressed": len(part.data),
        "name": part.name,
        "extra": b"",
        "disk": 0,
        "external": 0,
        "comment": 0,
    }
    return honest | replaced


def _local(part: Part) -> bytes:
    f = _fields(part, part.local)
    sizes = (f["crc"], f["compressed"], f["uncompressed"])
    lengths = (len(f["name"]), f.get("extra_length", len(f["extra"])))
    head = struct.pack("<4s5H3I2H", f["magic"], f["needed"], f["flags"], f["method"], 0, 0x21, *sizes, *lengths)
    return b"".join((head, f["name"], f["extra"], _payload(part), part.descriptor))


def _central(part: Part, offset: int) -> bytes:
    f = _fields(part, {"magic": b"PK\1\2", "offset": offset} | part.central)
    sizes = (f["crc"], f["compressed"], f["uncompressed"], len(f["name"]), len(f["extra"]))
    head = struct.pack("<4s6H3I2H", f["magic"], f["made"], f["needed"], f["flags"], f["method"], 0, 0x21, *sizes)
    head += struct.pack("<3H2I", f["comment"], f["disk"], 0, f["external"], f["offset"])
    return b"".join((head, f["name"], f["extra"]))


def torch_parts() -> list[Part]:
    """What `torch.save` writes, as far as names go."""
    return [
        Part(b"m/data.pkl"),
        Part(b"m/byteorder", b"little"),
        Part(b"m/data/0", bytes(64)),
        Part(b"m/version", b"3\n"),
    ]


def with_part(
    central: dict[str, Any] | None = None, local: dict[str, Any] | None = None, descriptor: bytes = b""
) -> list[Part]:
    """The members of a torch archive, the headers of the first of them falsified."""
    first, *rest = torch_parts()
    return [Part(first.name, central=central or {}, local=local or {}, descriptor=descriptor), *rest]


def facts(data: bytes) -> ZipFacts:
    return read(BytesIO(data))


def kinds(data: bytes) -> set[Kind]:
    found = facts(data)
    torch = torch_zip.describe(found)
    return {difference.kind for difference in (*found.differences, *(torch.differences if torch else ()))}


def row(
    parts: list[Part] | None = None,
    *,
    end: dict[str, int] | None = None,
    comment: bytes = b"",
    tail: bytes = b"",
    wide: dict[str, int] | None = None,
) -> bytes:
    members = torch_parts() if parts is None else parts
    return Archive(members, end or {}, comment, tail, wide).pack()


def extra(kind: int, data: bytes) -> bytes:
    return struct.pack("<2H", kind, len(data)) + data


def concatenated() -> bytes:
    return row() + row([Part(b"m/data.pkl", b"another"), Part(b"m/version", b"3")])


def two_directories() -> bytes:
    """Two lists of the same members: torch goes to the first, `zipfile` to the one that the end record follows."""
    honest, other = Archive(torch_parts()), Archive(with_part(central={"name": b"m/DATA.pkl"}))
    data = honest.pack()
    start = len(data) - 22 - sum(len(_central(part, 0)) for part in honest.parts)
    directory = other.pack()[start:-22]
    return data[:-22] + directory + data[-22:]


def swapped() -> bytes:
    """The first entry's offset leads to the second member."""
    second = len(_local(torch_parts()[0]))
    return row(with_part(central={"offset": second}))


WIDE = 0xFFFFFFFF
UNIX_LINK = 0o120777 << 16
BENIGN: dict[str, bytes] = {
    "as torch writes it": row(),
    "data.pkl deflated": row([Part(b"m/data.pkl", bytes(99), 8), *torch_parts()[1:]]),
    "a comment": row(comment=b"hello"),
    "disk number 1": row(
        [Part(b"m/data.pkl", central={"disk": 1}), Part(b"m/version", central={"disk": 1})],
        end={"disk": 1, "directory_disk": 1},
    ),
    "a root that is not ASCII": row([Part("é/data.pkl".encode()), Part("é/version".encode(), b"3")]),
    "the folder first": row([Part(b"m/", b"", central={"external": 0x10}), *torch_parts()]),
    "zip64 records, as torch always writes them": row(wide={}),
    "zip64 records that replace full fields": row(
        wide={}, end={"here": 0xFFFF, "count": 0xFFFF, "size": WIDE, "start": WIDE}
    ),
    "sizes left to a data descriptor": row(
        with_part(
            central={"flags": 8}, local={"flags": 8, "crc": 0, "compressed": 0, "uncompressed": 0}, descriptor=bytes(16)
        )
    ),
    "zip64 sizes in the local header": row(
        with_part(local={"compressed": WIDE, "uncompressed": WIDE, "extra": extra(1, struct.pack("<2Q", 4, 4))})
    ),
    "zip64 sizes in the directory": row(
        with_part(central={"compressed": WIDE, "uncompressed": WIDE, "extra": extra(1, struct.pack("<2Q", 4, 4))})
    ),
    "an empty member": row([*torch_parts(), Part(b"m/data/1", b"", central={"flags": 0x800}, local={"flags": 0x800})]),
    "padding in the local extra field": row(with_part(local={"extra": extra(0x4246, b"Z" * 40)})),
    "a Unicode path that is the name": row(
        with_part(central={"extra": extra(0x7075, b"\1" + bytes(4) + b"m/data.pkl")})
    ),
    "an archive inside an archive": row([Part(b"m/data.pkl"), Part(b"m/version", b"3"), Part(b"m/a.zip", row())]),
    "no member": row([]),
    "npz: no folder": row([Part(b"weight.npy"), Part(b"bias.npy")]),
    "epub: several folders": row([Part(b"mimetype"), Part(b"META-INF/container.xml"), Part(b"OEBPS/a.html")]),
}

PARTED: dict[str, tuple[bytes, set[Kind]]] = {
    "100 bytes behind": (row() + bytes(100), {Kind.TRAILING}),
    "end record in the first block": (row(comment=bytes(60_000)), {Kind.END_MISSED}),
    "end record 64 KiB before the end": (row([Part(b"a", bytes(9999))]) + bytes(65_600), {Kind.END_FAR}),
    "end record cut behind the end record": (row() + b"PK\5\6", {Kind.SECOND_END}),
    "a comment that is cut": (row(comment=b"hello")[:-1], {Kind.TRAILING}),
    "the same end record in the comment": (row(comment=row()[-22:]), {Kind.SECOND_END, Kind.DIRECTORY_PLACE}),
    "disk 1 of 0": (row(end={"disk": 1}), {Kind.DISKS}),
    "members on disk 0 of an archive on disk 1": (row(end={"disk": 1, "directory_disk": 1}), {Kind.DISKS}),
    "entries on two disks": (row(end={"here": 2}), {Kind.DISKS}),
    "zip64 locator leads elsewhere": (row(wide={"record": 7}), {Kind.ZIP64_END}),
    "zip64 locator on disk 1": (row(wide={"locator_disk": 1}), {Kind.ZIP64_END}),
    "zip64 locator of two disks": (row(wide={"disks": 2}), {Kind.DISKS}),
    "zip64 record of no length": (row(wide={"length": 0}), {Kind.ZIP64_END}),
    "zip64 counts fewer": (row(wide={"count": 3, "here": 3}), {Kind.ZIP64_END, Kind.COUNT_FEWER}),
    "bytes before the archive": (b"#!/bin/sh\n" + row(), {Kind.PREFIX}),
    "bytes lost from the middle": (row()[:140] + row()[150:], {Kind.MISSING}),
    "two archives": (concatenated(), {Kind.CONCATENATED, Kind.SECOND_END}),
    "bytes between directory and end": (row(tail=bytes(30)), {Kind.DIRECTORY_PLACE}),
    "a second directory": (two_directories(), {Kind.TWO_DIRECTORIES}),
    "last entry cut": (
        row([*torch_parts(), Part(b"m/x", central={"comment": 9})]),
        {Kind.DIRECTORY_CUT},
    ),
    "junk in the directory": (
        row(tail=bytes(30), end={"size": 30 + sum(len(_central(part, 0)) for part in torch_parts())}),
        {Kind.DIRECTORY_TAIL},
    ),
    "fewer counted": (row(end={"count": 3}), {Kind.COUNT_FEWER}),
    "more counted": (row(end={"count": 5}), {Kind.COUNT_MORE}),
    "directory said to be shorter": (row(end={"size": 60}), {Kind.COUNT_MORE, Kind.DIRECTORY_PLACE}),
    "zip64 field missing": (row(with_part(central={"compressed": WIDE})), {Kind.ZIP64_EXTRA}),
    "encrypted": (row(with_part(central={"flags": 1}, local={"flags": 1})), {Kind.FLAGS}),
    "patched": (row(with_part(central={"flags": 0x20}, local={"flags": 0x20})), {Kind.FLAGS}),
    "strongly encrypted": (row(with_part(central={"flags": 0x40}, local={"flags": 0x40})), {Kind.FLAGS}),
    "masked": (row(with_part(central={"flags": 0x2000}, local={"flags": 0x2000})), {Kind.FLAGS}),
    "bzip2": (row(with_part(central={"method": 12}, local={"method": 12})), {Kind.METHOD}),
    "lzma": (row(with_part(central={"method": 14}, local={"method": 14})), {Kind.METHOD}),
    "version needed 255": (row(with_part(central={"needed": 255})), {Kind.VERSION}),
    "stored with two sizes": (
        row(with_part(central={"uncompressed": 9}, local={"uncompressed": 9})),
        {Kind.STORED_SIZES},
    ),
    "something out of nothing": (
        row(with_part(central={"compressed": 0, "method": 8}, local={"compressed": 0, "method": 8})),
        {Kind.NO_DATA},
    ),
    "directory bit": (row(with_part(central={"external": 0x10})), {Kind.FOLDER_WITH_DATA}),
    "duplicate": (row([*torch_parts(), Part(b"m/data.pkl", b"other")]), {Kind.DUPLICATE}),
    "equal but for case": (row([*torch_parts(), Part(b"m/DATA.PKL", b"other")]), {Kind.CASE}),
    "zero byte": (row([*torch_parts(), Part(b"m/a\0b")]), {Kind.NUL}),
    "not UTF-8": (row([*torch_parts(), Part(b"m/\xff")]), {Kind.ENCODING}),
    "said to be UTF-8": (
        row([*torch_parts(), Part(b"m/\xff", central={"flags": 0x800}, local={"flags": 0x800})]),
        {Kind.ENCODING},
    ),
    "Unicode path": (row(with_part(central={"extra": extra(0x7075, b"\1" + bytes(4) + b"x")})), {Kind.UNICODE_PATH}),
    "traversal": (row([*torch_parts(), Part(b"m/../../x")]), {Kind.TRAVERSAL}),
    "traversal on Windows": (row([*torch_parts(), Part(b"m/..\\x")]), {Kind.TRAVERSAL, Kind.BACKSLASH}),
    "absolute": (row([Part(b"/etc/x")]), {Kind.ABSOLUTE}),
    "drive": (row([Part(b"C:/x")]), {Kind.ABSOLUTE}),
    "link": (row([*torch_parts(), Part(b"m/a", central={"external": UNIX_LINK})]), {Kind.LINK}),
    "signature of the first local header": (
        row(with_part(local={"magic": b"PK\3\5"})),
        {Kind.LOCAL_HEADER, Kind.PREFIX},
    ),
    "offset behind the end": (row(with_part(central={"offset": 99999})), {Kind.LOCAL_HEADER}),
    "local name": (row(with_part(local={"name": b"m/else.pkl"})), {Kind.LOCAL_NAME}),
    "local flags": (row(with_part(local={"flags": 1})), {Kind.LOCAL_FLAGS}),
    "local method": (row(with_part(local={"method": 8})), {Kind.LOCAL_METHOD}),
    "local compressed size": (row(with_part(local={"compressed": 3})), {Kind.LOCAL_SIZES}),
    "local uncompressed size": (row(with_part(local={"uncompressed": 3})), {Kind.LOCAL_SIZES}),
    "local CRC": (row(with_part(local={"crc": 3})), {Kind.LOCAL_SIZES}),
    "local extra length": (row(with_part(local={"extra": bytes(8), "extra_length": 5})), {Kind.GAP}),
    "a hidden member": (row([Part(b"m/data.pkl", descriptor=_local(Part(b"x"))), *torch_parts()[1:]]), {Kind.GAP}),
    "offset of another member": (swapped(), {Kind.LOCAL_NAME, Kind.LOCAL_SIZES, Kind.OVERLAP, Kind.GAP}),
    "data behind the end": (
        row(with_part(central={"compressed": 9999, "uncompressed": 9999})),
        {Kind.BEYOND_END, Kind.LOCAL_SIZES, Kind.OVERLAP},
    ),
    "bomb": (row(with_part(central={"uncompressed": 2**30, "method": 8})), {Kind.INFLATION}),
    "no root": (row([Part(b"data.pkl"), Part(b"version")]), {Kind.NO_ROOT}),
    "two roots": (row([*torch_parts(), Part(b"n/data/1")]), {Kind.SEVERAL_ROOTS}),
    "root of two levels": (row([Part(b"a/b/data.pkl"), Part(b"a/b/version")]), {Kind.NO_PICKLE, Kind.NO_VERSION}),
    "root ./": (row([Part(b"./m/data.pkl"), Part(b"./m/version")]), {Kind.NO_PICKLE, Kind.NO_VERSION}),
    "no version": (row(torch_parts()[:3]), {Kind.NO_VERSION}),
    "deflated tensor": (row([*torch_parts(), Part(b"m/data/1", bytes(99), 8)]), {Kind.DEFLATED_TENSOR}),
}

ELSEWHERE = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 4, 4, 216, 400, 0)
INVALID: dict[str, tuple[bytes, Fault]] = {
    "end record in the comment, of a directory that is not there": (row(comment=ELSEWHERE), Fault.DIRECTORY),
    "nothing": (b"", Fault.NOT_ZIP),
    "text": (b"hello", Fault.NOT_ZIP),
    "cut": (row()[:150], Fault.TRUNCATED),
    "cut within the end record": (row()[:-1], Fault.TRUNCATED),
    "64 KiB behind": (row() + bytes(70_000), Fault.TRUNCATED),
    "damaged end record": (row().replace(b"PK\5\6", b"PK\5\7"), Fault.TRUNCATED),
    "damaged directory": (row().replace(b"PK\1\2", b"PK\1\3"), Fault.DIRECTORY),
    "damaged third entry": (row([*torch_parts()[:2], Part(b"m/c", central={"magic": b"PK\1\3"})]), Fault.DIRECTORY),
    "directory longer than the file": (row(end={"size": 10_000}), Fault.DIRECTORY),
    "zip64 directory longer than the file": (row(wide={"size": 2**63}), Fault.DIRECTORY),
    "zip64 directory behind the file": (row(wide={"start": 2**64 - 1, "size": 0}), Fault.DIRECTORY),
}


@pytest.mark.parametrize("data", BENIGN.values(), ids=BENIGN.keys())
def test_what_every_reader_reads_alike(data: bytes) -> None:
    found = facts(data)
    assert kinds(data) == set()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        infos = archive.infolist()
    # zipfile decodes by code page 437 where no flag says UTF-8, so the bytes are compared.
    raw = [info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437") for info in infos]
    assert [member.raw_name for member in found.members] == raw
    for member, info in zip(found.members, infos, strict=True):
        assert (member.method, member.flags, member.crc) == (info.compress_type, info.flag_bits, info.CRC)
        assert (member.compressed, member.uncompressed) == (info.compress_size, info.file_size)
        assert member.header_offset == info.header_offset
        start = member.data_offset or 0
        if member.method == 0:
            assert zlib.crc32(data[start : start + member.compressed]) == member.crc


@pytest.mark.parametrize(("data", "expected"), PARTED.values(), ids=PARTED.keys())
def test_readers_part(data: bytes, expected: set[Kind]) -> None:
    found = kinds(data)
    # A falsified number is often visible at a second place: the row names what must be told, not all that may be.
    assert expected <= found
    assert any(kind.effect is not Effect.HARMLESS for kind in found) or expected == {Kind.TRAILING}


@pytest.mark.parametrize(("data", "fault"), INVALID.values(), ids=INVALID.keys())
def test_no_reader_lists_it(data: bytes, fault: Fault) -> None:
    with pytest.raises(ZipInvalid) as caught:
        facts(data)
    assert caught.value.fault is fault
    assert caught.value.budget is None
    assert 0 <= caught.value.offset <= len(data)


def test_both_directories_are_listed() -> None:
    assert {"m/data.pkl", "m/DATA.pkl"} <= {member.name for member in facts(two_directories()).members}


def test_the_last_of_two_archives_is_listed_at_its_true_place() -> None:
    data = concatenated()
    first = facts(data).members[0]
    assert data[first.data_offset or 0 :].startswith(b"another")


def test_members_that_are_not_counted_are_listed() -> None:
    assert [member.name for member in facts(row(end={"count": 1})).members][1:] == [
        "m/byteorder",
        "m/data/0",
        "m/version",
    ]


def test_members_beyond_the_size_of_the_directory_are_listed() -> None:
    assert len(facts(row(end={"size": 60})).members) == 4


def test_place_and_sentence() -> None:
    (difference,) = facts(row(with_part(local={"method": 8}))).differences
    assert (difference.member, difference.offset) == ("m/data.pkl", 0)
    assert difference.detail == 'the method of member "m/data.pkl" is 0, in the local header 8'


def test_hostile_names_are_quoted() -> None:
    (difference,) = facts(row([*torch_parts(), Part(b"m/\x1b[2J\0")])).differences
    assert difference.detail == r'the name "m/\x1b[2J\x00" has a zero byte in it'


def test_names_are_lossless() -> None:
    names = [b"m/\xff\xfe", "m/é".encode(), b"m/\xed\xa0\x80"]
    assert [member.raw_name for member in facts(row([Part(name) for name in names])).members] == names


def test_a_flood_of_differences_is_counted() -> None:
    found = facts(row([Part(b"m/same") for _ in range(SHOWN + 51)]))
    assert len(found.differences) == SHOWN
    assert found.left_out == 50


def test_torch_archive_is_described() -> None:
    found = torch_zip.describe(facts(row([*torch_parts(), Part(b"m/constants.pkl"), Part(b"m/code/a.py")])))
    assert found is not None
    assert (found.root, found.torchscript, found.code) == ("m", True, True)
    assert [key for key, _ in found.storages] == ["0"]
    assert [member.name for member in found.pickles] == ["m/data.pkl"]


def test_other_archives_are_not_torch() -> None:
    assert torch_zip.describe(facts(row([Part(b"weight.npy")]))) is None
    assert torch_zip.describe(facts(row([]))) is None


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_directory, "MAX_MEMBERS", 4)
    assert len(facts(row()).members) == 4
    with pytest.raises(ZipInvalid) as caught:
        facts(row([*torch_parts(), Part(b"m/x")]))
    assert caught.value.budget == "zip.members"


def test_directory_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(len(_central(part, 0)) for part in torch_parts())
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", size)
    assert len(facts(row()).members) == 4
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", size - 1)
    with pytest.raises(ZipInvalid) as caught:
        facts(row())
    assert caught.value.budget == "zip.directory"


def test_reasons_tell_the_kinds_apart() -> None:
    assert len({kind.reason for kind in Kind}) == len(Kind)  # two equal values would be one kind to Enum


SEEDS = [*BENIGN.values(), *(data for data, _ in PARTED.values())]
EXTREME = (0, 1, 2, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, WIDE - 1, WIDE, 2**63, 2**64 - 1)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An almost valid archive: cut, flipped, spliced, or with an extreme number in place of another."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        change: Callable[[bytearray, int], bytes | bytearray] = draw(st.sampled_from([_cut, _flip, _double, _drop]))
        if draw(st.booleans()):
            number = draw(st.sampled_from((*EXTREME, len(data), len(data) + 1)))
            width = draw(st.sampled_from((2, 4, 8)))
            data[at : at + width] = (number % 256**width).to_bytes(width, "little")
        else:
            data = bytearray(change(data, at))
    return bytes(data)


def _cut(data: bytearray, at: int) -> bytearray:
    return data[:at]


def _flip(data: bytearray, at: int) -> bytearray:
    return data[:at] + bytes([data[at] ^ 0x81 if at < len(data) else 0]) + data[at + 1 :]


def _double(data: bytearray, at: int) -> bytearray:
    return data[:at] + data[at // 2 :]


def _drop(data: bytearray, at: int) -> bytearray:
    return data[:at] + data[at + 7 :]


@settings(max_examples=1500, deadline=None)
@given(
    st.one_of(
        mutated(), st.binary(max_size=200), st.binary(max_size=60).map(lambda data: row()[:90] + data + row()[-22:])
    )
)
def test_any_bytes_give_facts_or_the_one_error(data: bytes) -> None:
    try:
        found = facts(data)
    except ZipInvalid as error:
        places = [error.offset]
    else:
        torch_zip.describe(found)
        places = [difference.offset for difference in found.differences]
    assert all(0 <= place <= len(data) for place in places)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=8), st.binary(max_size=40)),
        max_size=6,
        unique_by=lambda x: x[0].lower(),
    )
)
def test_zipfile_lists_the_same(members: list[tuple[bytes, bytes]]) -> None:
    data = row([Part(name, text) for name, text in members])
    with zipfile.ZipFile(BytesIO(data)) as archive:
        expected = [(info.header_offset, info.file_size, info.CRC) for info in archive.infolist()]
    assert [(member.header_offset, member.uncompressed, member.crc) for member in facts(data).members] == expected
