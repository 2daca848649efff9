"""The bytes of one pickle: of a file, of a member of an archive, of the second of several, and no more than that."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck.formats import pickle_bytes
from hfcheck.formats.pickle_bytes import MAX_BYTES, PickleBytesInvalid
from hfcheck.formats.pickle_facts import Consumer, PickleFacts, Stopped

ONE, TWO = pickle.dumps([1, "one"]), pickle.dumps({"two": 2})


def facts(
    *, member: str | None = None, origin: int | None = 0, offset: int = 0, stop: int | None = None
) -> PickleFacts:
    error = Stopped(0, "a STOP") if stop is None else None
    return PickleFacts(
        member, origin, 0, offset, Consumer.PICKLE, 4, 1, (), (), (), (), (), stop, error,
    )  # fmt: skip


def archive(method: int, content: bytes, name: str = "archive/data.pkl") -> tuple[bytes, int]:
    """A zip archive, and where the data of its second member begin."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("archive/version", "3\n")
        packed.writestr(zipfile.ZipInfo(name), content, method)
        packed.writestr("archive/data/0", bytes(100))
        begin = packed.getinfo(name).header_offset + 30 + len(name)
    return stream.getvalue(), begin


def test_plain() -> None:
    stream = io.BytesIO(ONE + TWO + b"behind")
    assert pickle_bytes.read(stream, facts(stop=len(ONE) - 1)) == ONE
    assert pickle_bytes.read(stream, facts(offset=len(ONE), stop=len(ONE + TWO) - 1)) == TWO
    assert pickle_bytes.read(stream, facts(offset=len(ONE))) == TWO + b"behind", "no STOP, no end"


def test_stored_member() -> None:
    content, begin = archive(zipfile.ZIP_STORED, ONE + TWO)
    stream, name = io.BytesIO(content), "archive/data.pkl"
    assert pickle_bytes.read(stream, facts(member=name, origin=begin, stop=len(ONE) - 1)) == ONE
    assert pickle_bytes.read(stream, facts(member=name, origin=begin)) == ONE + TWO, "no STOP: to the end of the member"


def test_deflated_member() -> None:
    content, _ = archive(zipfile.ZIP_DEFLATED, ONE + TWO)
    stream, name = io.BytesIO(content), "archive/data.pkl"
    second = facts(member=name, origin=None, offset=len(ONE), stop=len(ONE + TWO) - 1)
    assert pickle_bytes.read(stream, second) == TWO
    assert pickle_bytes.read(stream, facts(member=name, origin=None)) == ONE + TWO


def test_huge() -> None:
    stream = io.BytesIO(b"")
    with pytest.raises(PickleBytesInvalid, match=f"at most {MAX_BYTES} bytes") as raised:
        pickle_bytes.read(stream, facts(stop=MAX_BYTES))
    assert raised.value.budget == "opinion.bytes"


def test_deflated_bomb() -> None:
    content, _ = archive(zipfile.ZIP_DEFLATED, bytes(MAX_BYTES + 1))
    with pytest.raises(PickleBytesInvalid):
        pickle_bytes.read(io.BytesIO(content), facts(member="archive/data.pkl", origin=None))


def broken(content: bytes, begin: int) -> bytes:
    return content[:begin] + b"\xff" * 8 + content[begin + 8 :]


@pytest.mark.parametrize(
    "spoil",
    [
        broken,
        lambda *_: ONE,
        lambda *_: archive(zipfile.ZIP_DEFLATED, ONE, "archive/other.pkl")[0],
    ],
    ids=["damaged", "no archive", "no such member"],
)
def test_what_cannot_be_unpacked(spoil: Callable[[bytes, int], bytes], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(spoil(*archive(zipfile.ZIP_DEFLATED, ONE)))
    with (tmp_path / "file").open("rb") as stream, pytest.raises(PickleBytesInvalid):
        pickle_bytes.read(stream, facts(member="archive/data.pkl", origin=None))
