"""What may lead out of a folder."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.paths import escape


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "a/..",
        "/abs",
        "\\\\host\\share",
        "C:x",
        "c:\\x",
        "a\\b",
        "..\\x",
        "~/x",
        "http://h/x",
        "x\0y",
        "//h/x",
    ],
)
def test_leads_out(path: str) -> None:
    assert escape(path)


@pytest.mark.parametrize("path", ["x", "a/b/x.safetensors", "./x", "a..b", "...", "a/.hidden", "a~b", "xx:y/z"])
def test_stays_inside(path: str) -> None:
    assert escape(path) is None


@given(st.lists(st.sampled_from(["..", ".", "a", "b c", "", "...", "~", "C:", "\\"]), min_size=1, max_size=6))
def test_what_stays_by_our_word_stays_by_that_of_the_system(parts: list[str]) -> None:
    path = "/".join(parts)
    if escape(path) is None:
        joined = posixpath.normpath(posixpath.join("/models/folder", path))
        assert joined == "/models/folder" or joined.startswith("/models/folder/")
