"""The reader of Git LFS pointers: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md ."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats.lfs import LEGACY_MAGIC, MAGIC, MAX_BYTES, PointerFacts, PointerInvalid, is_pointer, read

OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12345\n"
"""The example of the specification."""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POINTER, id="the example of the specification"),
        pytest.param(POINTER.replace("git-lfs.github.com", "hawser.github.com"), id="the name of before 2015"),
        pytest.param(POINTER.replace("\n", "\r\n"), id="checked out with autocrlf"),
        pytest.param(POINTER.rstrip("\n"), id="without the last newline"),
        pytest.param(POINTER.replace("oid", f"ext-0-fold sha256:{'0' * 64}\noid"), id="with an extension"),
    ],
)
def test_pointers(text: str) -> None:
    assert is_pointer(text.encode())
    assert read(BytesIO(text.encode())) == PointerFacts(12345, OID)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("{}", 0),
        ("\n" + POINTER, 0),
        (POINTER.splitlines()[0], len(MAGIC)),
        (POINTER.replace("size 12345", ""), len(POINTER) - len("size 12345")),
        (POINTER.replace("12345", "-1"), POINTER.index("size")),
        (POINTER.replace("12345", "1e5"), POINTER.index("size")),
        (POINTER.replace("12345", "1" * 20), POINTER.index("size")),
        (POINTER.replace("sha256", "md5"), POINTER.index("oid")),
        (POINTER.replace(OID, OID[:-1]), POINTER.index("oid")),
        (POINTER.replace(OID, OID.upper()), POINTER.index("oid")),
        (POINTER + "#" * MAX_BYTES, MAX_BYTES),
    ],
)
def test_no_pointers(text: str, offset: int) -> None:
    with pytest.raises(PointerInvalid) as error:
        read(BytesIO(text.encode()))
    assert (error.value.offset, error.value.budget) == (offset, None)


def test_the_longest_pointer() -> None:
    padding = "x" * (MAX_BYTES - len(POINTER))
    assert read(BytesIO((POINTER + padding).encode())).size == 12345
    with pytest.raises(PointerInvalid):
        read(BytesIO((POINTER + padding + "x").encode()))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.integers(0, 10**19 - 1), st.binary(min_size=32, max_size=32), st.sampled_from([MAGIC, LEGACY_MAGIC]))
def test_written_and_read(size: int, digest: bytes, magic: bytes) -> None:
    text = magic + f"\noid sha256:{digest.hex()}\nsize {size}\n".encode()
    assert read(BytesIO(text)) == PointerFacts(size, digest.hex())
