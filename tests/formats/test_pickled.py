"""All pickles of a file are found, in whatever they are packed, and nothing is taken for one that is none."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from hfcheck.formats import parts, pickled, tar_, unpack, unpacking
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import OddityKind, PickledFacts
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_kinds import Kind

Unpickled = Callable[..., PickledFacts | None]

CALL = b"cos\nsystem\n(S'echo hfcheck-marker'\ntR."
"""A call in protocol 0, which has no magic number. It is read and never loaded."""

SYSTEM = {("os", "system")}
HARMLESS = pickle.dumps({"a": [1, 2, 3]})


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(*members: tuple[str, bytes], mode: Any = "w", format_: int = tarfile.GNU_FORMAT) -> bytes:  # noqa: ANN401
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=format_) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def array(data: bytes, version: tuple[int, int] = (1, 0), descr: str = "'|O'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def old_joblib(data: bytes) -> bytes:
    return b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data)


def lzma_alone(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_ALONE)


def imported(facts: PickledFacts | None) -> set[tuple[str | None, str | None]]:
    return (
        {use.imported or (use.module, use.name) for found in facts.pickles for use in found.globals} if facts else set()
    )


WRAPPED: dict[str, tuple[bytes, str | None]] = {
    "protocol 0": (CALL, None),
    "protocol 2": (b"\x80\x02" + CALL, None),
    "INST": (b"(S'echo hfcheck-marker'\nios\nsystem\n.", None),
    "behind a long string": (b"X\x00\x00\x02\x00" + b"a" * 2**17 + b"0" + CALL, None),
    "behind a long line": (b"(V" + b"a" * 2**17 + b"\n1" + CALL, None),
    "behind many small opcodes": (b"]" + b"I1\na" * 2**16 + b"0" + CALL, None),
    "second of two": (b"\x80\x02N." + CALL, None),
    "gzip": (gzip.compress(CALL), None),
    "gzip with a name and a wrong checksum": (
        b"\x1f\x8b\x08\x08" + bytes(6) + b"name\0" + zlib.compress(CALL)[2:-4] + bytes(8),
        None,
    ),
    "two gzip members": (gzip.compress(CALL[:9]) + gzip.compress(CALL[9:]), None),
    "bzip2": (bz2.compress(CALL), None),
    "xz": (lzma.compress(CALL), None),
    "lzma": (lzma_alone(CALL), None),
    "zlib": (zlib.compress(CALL), None),
    "zlib without compression": (zlib.compress(CALL, 0), None),
    "joblib before 0.9.3": (old_joblib(CALL), None),
    "zip": (zipped(("a", CALL)), "a"),
    "zip, deflated": (zipped(("a", CALL), method=zipfile.ZIP_DEFLATED), "a"),
    "zip, bzip2": (zipped(("a", CALL), method=zipfile.ZIP_BZIP2), "a"),
    "zip, lzma": (zipped(("a", CALL), method=zipfile.ZIP_LZMA), "a"),
    "tar": (tarred(("a", CALL)), "a"),
    "tar, pax": (tarred(("a" * 200, CALL), format_=tarfile.PAX_FORMAT), "a" * 200),
    "tar, GNU long name": (tarred(("a" * 200, CALL)), "a" * 200),
    "tar.gz": (tarred(("a", CALL), mode="w:gz"), "a"),
    "tar.xz": (tarred(("a", CALL), mode="w:xz"), "a"),
    "zip in zip": (zipped(("b.zip", zipped(("a", CALL)))), "b.zip!/a"),
    "gzip in zip in tar": (tarred(("c", zipped(("b", gzip.compress(CALL))))), "c!/b"),
    "zip behind a shell script": (b"#!/bin/sh\n" + b"\xff" * 600 + zipped(("a", CALL)), None),
    "zip behind a pickle": (HARMLESS + zipped(("a", CALL)), "a"),
    "pickle in front of a zip": (b"\x80\x02" + CALL + zipped(("a", b"text")), None),
    "zip behind a zip": (zipped(("a", b"text")) + zipped(("b", CALL)), "b"),
    "zip in front of a zip": (zipped(("a", CALL)) + zipped(("b", b"text")), "a"),
    "npy 1": (array(CALL), None),
    "npy 2": (array(CALL, (2, 0)), None),
    "npy 3": (array(CALL, (3, 0)), None),
    "npy with a structured type": (array(CALL, descr="[('a', '<f4'), ('b', [('c', '|O')])]"), None),
    "npy in npz": (zipped(("a.npy", array(CALL))), "a.npy"),
    "npy whose header does not parse": (array(CALL, descr="'|O', 5L: 3"), None),
    "raw pickle as npy": (CALL, None),
}


@pytest.mark.parametrize("name", [name for name in WRAPPED if name != "zip behind a shell script"])
def test_a_call_is_found(unpickled: Unpickled, name: str) -> None:
    data, member = WRAPPED[name]
    facts = unpickled(data)
    assert facts is not None
    assert imported(facts) >= SYSTEM
    found = next(found for found in facts.pickles if any(use.name == "system" for use in found.globals))
    assert found.member == member
    if found.origin is not None:
        use = next(use for use in found.globals if use.name == "system")
        at = found.place(use.offset)
        assert at is not None
        assert data[at : at + 1] in (b"c", b"i"), "the place in the file"


def test_a_zip_behind_something_else(unpickled: Unpickled) -> None:
    """`zipfile` and Keras find it by its end. With a name that is for unpicklers, or as data of no type, so do we."""
    data = b"\xff\xfe\xfd" + bytes(100) + zipped(("a", CALL))
    facts = unpickled(data)
    assert facts is None or imported(facts) == set()
    facts = unpickled(data, named=True)
    assert imported(facts) == SYSTEM
    assert facts is not None
    assert [oddity.kind for oddity in facts.oddities] == [OddityKind.TWO_FORMATS]


NOT_PICKLES = {
    "text": b"Copyright (c) 2020\nNobody\n",
    "a list of words": b"cat\ndog\nRabbit\n.\n",
    "more words": b"cost\nsystem\nI\n",
    "brackets": b"(\nVery\n]\n",
    "an import": b"import os\nos.system('echo hfcheck-marker')\n",
    "JSON": b'{"a": 1}',
    "JSON in gzip": gzip.compress(b'{"a": 1}'),
    "a document": zipped(("word/document.xml", b"<?xml version='1.0'?><a/>"), ("image.png", b"\x89PNG\r\n\x1a\n")),
    "an array": array(bytes(4), descr="'<f4'"),
    "an array with an O among its names": array(bytes(4), descr="[('O', '<f4')]"),
    "arrays": zipped(("a.npy", array(bytes(4), descr="'<f4'"))),
    "a tar of text": tarred(("a.txt", b"some text\n")),
    "x and a caret, the first bytes of zlib": b"x^2 + y^2\n",
    "bytes": bytes(range(1, 200)),
    "a list and a zero, the first bytes of lzma": b"]\x00" + bytes(100),
}


@pytest.mark.parametrize("name", NOT_PICKLES)
@pytest.mark.parametrize("named", [False, True])
def test_what_is_none(unpickled: Unpickled, name: str, named: bool) -> None:  # noqa: FBT001 - a parameter of the test
    facts = unpickled(NOT_PICKLES[name], named=named)
    assert facts is None or (facts.pickles, facts.unread, facts.oddities) == ((), (), ())


def test_an_archive_of_text_counts_as_looked_into(unpickled: Unpickled) -> None:
    for name in ("JSON in gzip", "a document", "an array", "arrays", "a tar of text"):
        facts = unpickled(NOT_PICKLES[name])
        assert facts is not None, name
        assert facts.complete, name


def test_a_name_for_unpicklers_makes_a_pickle_of_the_smallest_call(unpickled: Unpickled) -> None:
    facts = unpickled(b"\x80\x01cos\nsystem\n.", named=True)
    assert imported(facts) == SYSTEM


def test_object_arrays_are_listed(unpickled: Unpickled) -> None:
    data = zipped(("a.npy", array(HARMLESS)), ("b.npy", array(bytes(4), descr="'<f4'")))
    facts = unpickled(data)
    assert facts is not None
    assert facts.consumer is Consumer.NUMPY
    assert facts.object_arrays == ("a.npy",)


def test_every_copy_of_a_member_is_read(unpickled: Unpickled) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped(("a", HARMLESS), ("a", CALL), ("A", HARMLESS))
    facts = unpickled(data)
    assert facts is not None
    assert [found.member for found in facts.pickles] == ["a", "a", "A"]


def test_nesting_ends(unpickled: Unpickled) -> None:
    data = zipped(("a", CALL))
    for depth in range(1, parts.MAX_DEPTH + 2):
        facts = unpickled(data)
        assert facts is not None
        if depth <= parts.MAX_DEPTH:
            assert facts.complete
            assert imported(facts) == SYSTEM
        else:
            assert [part.budget for part in facts.unread] == ["pickled.depth"]
        data = zipped(("b", data))


def test_a_quine_of_archives_ends(unpickled: Unpickled) -> None:
    data = CALL
    for _ in range(40):
        data = gzip.compress(data)
    facts = unpickled(data)
    assert facts is not None
    assert [part.budget for part in facts.unread] == ["pickled.depth"]


@pytest.mark.parametrize("pack", [zlib.compress, lzma_alone, old_joblib])
def test_no_codec_is_left_out_below(unpickled: Unpickled, pack: Callable[[bytes], bytes]) -> None:
    """Those without a magic number are noticed at any depth."""
    for depth in range(parts.MAX_DEPTH + 1):
        data = pack(CALL)
        for _ in range(depth):
            data = gzip.compress(data)
        facts = unpickled(data)
        assert facts is not None
        assert imported(facts) == (SYSTEM if depth < parts.MAX_DEPTH else set())
        assert facts.complete == (depth < parts.MAX_DEPTH)


def test_what_unpacks_without_end(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before the limit is followed, and the end that hfcheck made is no fault of the pickle."""
    monkeypatch.setattr(unpack, "MAX_MEMBER", 2**20)
    data = gzip.compress(CALL[:-1] + b"X\x00\x00\x00\x7f" + bytes(2**22))
    facts = unpickled(data)
    assert facts is not None
    assert imported(facts) == SYSTEM
    assert [part.budget for part in facts.unread] == ["pickled.member"]
    assert facts.pickles[0].error is not None
    assert facts.pickles[0].error.budget == "pickled.member"
    assert facts.pickles[0].events == ()


def test_all_that_is_unpacked_is_counted(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_INFLATED", 2**20)
    member = b"\x80\x02X\x00\x00\x08\x00" + b"a" * 2**19 + b"."
    facts = unpickled(zipped(*((str(n), member) for n in range(4)), method=zipfile.ZIP_DEFLATED))
    assert facts is not None
    assert {part.budget for part in facts.unread} == {"pickled.inflated"}


def test_a_bomb_says_so(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MIN_BOMB", 2**16)
    facts = unpickled(gzip.compress(b"\x80\x02X\x00\x00\x10\x00" + bytes(2**20) + b"."))
    assert facts is not None
    assert [oddity.kind for oddity in facts.oddities] == [OddityKind.BOMB]


def test_members_are_counted(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_MEMBERS", 3)
    for data in (zipped(*((str(n), HARMLESS) for n in range(4))), tarred(*((str(n), HARMLESS) for n in range(4)))):
        facts = unpickled(data)
        assert facts is not None
        assert len(facts.pickles) == 3
        assert [part.budget for part in facts.unread] == ["pickled.members"]


def test_pickles_are_counted(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_PICKLES", 2)
    facts = unpickled(zipped(*((str(n), HARMLESS) for n in range(4))))
    assert facts is not None
    assert (len(facts.pickles), [part.budget for part in facts.unread]) == (2, ["pickled.pickles"])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", gzip.compress(CALL + bytes(range(256)) * 99)[:-60]),
        ("bzip2", bz2.compress(CALL)[:-5]),
        ("npy", array(HARMLESS)[:40]),
        ("npy whose array is longer", array(bytes(4), descr="'<f8'")),
        ("xz", lzma.compress(CALL)[:20]),
        ("zip", zipped(("a", CALL))[:-30]),
        ("tar", tarred(("a", CALL))[:520]),
        ("rar", b"Rar!\x1a\x07\x01\x00" + bytes(100)),
        ("7z", b"7z\xbc\xaf\x27\x1c\x00\x04" + b"\xff" * 24),
        (
            "encrypted zip",
            zipped(("a", CALL)).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
        ),
    ],
)
def test_what_cannot_be_read_is_never_complete(unpickled: Unpickled, name: str, data: bytes) -> None:
    facts = unpickled(data)
    assert facts is not None, name
    assert not facts.complete or [oddity.kind for oddity in facts.oddities] == [OddityKind.TRUNCATED]


def test_a_zip_without_its_directory_is_read_from_the_front(unpickled: Unpickled) -> None:
    data = zipped(("x.txt", b"text"), ("a", CALL), ("b", CALL), method=zipfile.ZIP_DEFLATED)
    facts = unpickled(data[: data.index(b"PK\x01\x02")])
    assert facts is not None
    assert [found.member for found in facts.pickles] == ["a", "b"]
    assert not facts.complete


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "link ../../x", "link /etc/x", "hard ../x"], ids=lambda name: name
)
def test_a_member_of_a_tar_that_leaves_the_folder(unpickled: Unpickled, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name.rsplit(maxsplit=1)[-1] if " " not in name else "a/b")
        if " " in name:
            member.type = tarfile.SYMTYPE if name.startswith("link") else tarfile.LNKTYPE
            member.linkname = name.split()[1]
        archive.addfile(member)
    facts = unpickled(stream.getvalue())
    assert facts is not None
    expected = [] if name == "hard ../x" else [OddityKind.LEAVES_FOLDER]
    assert [oddity.kind for oddity in facts.oddities] == expected, "a link to `a/../x` stays inside"


def test_a_name_that_leaves_the_folder_in_an_archive_inside(unpickled: Unpickled) -> None:
    facts = unpickled(zipped(("b", zipped(("../../x", b"text")))))
    assert facts is not None
    assert [(oddity.kind, oddity.member) for oddity in facts.oddities] == [(OddityKind.LEAVES_FOLDER, "b")]


def test_what_stands_behind_a_broken_member(unpickled: Unpickled) -> None:
    data = zipped(("a", HARMLESS * 99), ("b", CALL), method=zipfile.ZIP_DEFLATED)
    place = data.index(b"PK\x03\x04") + 40
    facts = unpickled(data[:place] + b"\xff\xff\xff" + data[place + 3 :])
    assert imported(facts) == SYSTEM
    assert facts is not None
    assert not facts.complete


def test_differences_of_an_archive_inside(unpickled: Unpickled) -> None:
    inner = zipped(("m/data.pkl", HARMLESS), ("m/DATA.PKL", HARMLESS), ("m/version", b"3\n"))
    for data in (tarred(("a.ckpt", inner)), zipped(("a.ckpt", inner))):
        facts = unpickled(data)
        assert facts is not None
        assert [(found.kind, found.member) for found in facts.inner] == [(Kind.CASE, "a.ckpt!/m/DATA.PKL")]
    facts = unpickled(inner)
    assert facts is not None
    assert facts.inner == (), "those are in the facts of the archive"


def test_a_tar_without_the_word_ustar(unpickled: Unpickled) -> None:
    """The header of Version 7, which `tarfile` and so torch take by its checksum alone."""
    header = bytearray(tarred(("model.ckpt", CALL))[:512])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + CALL.ljust(512, b"\0") + bytes(1024)
    assert tar_.read(io.BytesIO(data)).members[0].name == "model.ckpt"
    for packed in (data, gzip.compress(data), zipped(("a", data))):
        assert imported(unpickled(packed)) == SYSTEM


@pytest.mark.parametrize("module", ["lz4.frame", "zstandard", "py7zr"])
def test_without_the_extra(unpickled: Unpickled, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    data = {
        "lz4.frame": b"\x04\x22\x4d\x18" + bytes(20),
        "zstandard": b"\x28\xb5\x2f\xfd" + bytes(20),
        "py7zr": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24),
    }
    facts = unpickled(data[module])
    assert facts is not None
    assert [part.why for part in facts.unread] == ["needs pip install hfcheck[archives]"]


def test_with_the_extra(unpickled: Unpickled) -> None:
    lz4 = pytest.importorskip("lz4.frame")
    zstandard = pytest.importorskip("zstandard")
    py7zr = pytest.importorskip("py7zr")
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w") as archive:
        archive.writestr(CALL, "a")
        archive.writestr(b"text", "b")
        archive.writestr(zipped(("c", CALL)), "d")
    for data, count in ((lz4.compress(CALL), 1), (zstandard.compress(CALL), 1), (stream.getvalue(), 2)):
        facts = unpickled(data)
        assert facts is not None
        assert facts.complete
        assert imported(facts) == SYSTEM
        assert len(facts.pickles) == count
    facts = unpickled(stream.getvalue(), named=True)
    assert facts is not None
    assert [oddity.kind for oddity in facts.oddities] == [OddityKind.CLOSED]


def test_a_7z_that_unpacks_without_end(unpickled: Unpickled, monkeypatch: pytest.MonkeyPatch) -> None:
    py7zr = pytest.importorskip("py7zr")
    monkeypatch.setattr(unpacking, "MAX_INFLATED", 2**20)
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w") as archive:
        archive.writestr(bytes(2**22), "a")
    facts = unpickled(stream.getvalue())
    assert facts is not None
    assert [part.budget for part in facts.unread] == ["pickled.inflated"]


def test_most_files_are_not_worth_a_look() -> None:
    """By their first byte, so that the machine is not even imported."""
    for text in (b"# Read me\n", b'{"a": 1}', b"---\nlicense: mit\n", b"\xff\xd8\xff\xe0", b"\x00" * 600):
        assert not pickled.may_hold(text, Content.UNKNOWN)
