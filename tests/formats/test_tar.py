"""Tar archives: the members that Python's own reader finds, and any header that it would take."""

import io
import tarfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import tar_

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=180).filter(
    lambda name: name.strip(".") and name == name.strip()
)
FORMATS = st.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))


def written(members: dict[str, bytes], format_: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=1100), max_size=4), FORMATS)
def test_the_members_that_tarfile_writes(members: dict[str, bytes], format_: int) -> None:
    try:
        data = written(members, format_)
    except ValueError:  # a name too long for this format
        return
    if not members:
        with pytest.raises(tar_.TarInvalid):
            tar_.read(io.BytesIO(data))
        return
    facts = tar_.read(io.BytesIO(data))
    assert facts.whole
    assert {member.name: data[member.offset : member.offset + member.size] for member in facts.members} == members


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file(kind: Any) -> None:  # noqa: ANN401 - bytes, to some versions of the types
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("a")
        member.type, member.linkname, member.size = kind, "b" * 120, 5  # a size that none of these has
        archive.addfile(member)
        archive.addfile(tarfile.TarInfo("c"))
    facts = tar_.read(io.BytesIO(stream.getvalue()))
    assert [member.name.rstrip("/") for member in facts.members] == ["a", "c"]
    link = kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
    assert (facts.members[0].link, facts.members[0].size) == ("b" * 120 if link else None, 0)
    assert facts.members[0].device == (kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE))


def test_a_size_in_base_256() -> None:
    data = bytearray(written({"a": b"12345"}, tarfile.GNU_FORMAT))
    data[124:136] = b"\x80" + (5).to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert tar_.read(io.BytesIO(bytes(data))).members[0].size == 5


def test_a_checksum_of_signed_bytes() -> None:
    data = bytearray(written({"\udce9": b""}, tarfile.GNU_FORMAT))
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % (sum(data[:512]) - 256)
    assert tar_.is_header(bytes(data[:512]))


@pytest.mark.parametrize("data", [b"", b"a" * 512, bytes(1024), b"\xff" * 512])
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(tar_.TarInvalid):
        tar_.read(io.BytesIO(data))


def test_what_follows_a_whole_member_and_is_none() -> None:
    data = written({"a": b"1"}, tarfile.GNU_FORMAT)
    facts = tar_.read(io.BytesIO(data[:1024] + b"x" * 512))
    assert (len(facts.members), facts.end, facts.whole) == (1, 1024, False)
