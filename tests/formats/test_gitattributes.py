"""The reader of `.gitattributes`, held against `git check-attr`."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats.gitattributes import (
    MAX_BYTES,
    MAX_LINE,
    MAX_LINES,
    Attribute,
    AttributesFacts,
    AttributesInvalid,
    matches,
    read,
)

Ask = Callable[[str, Sequence[str]], dict[tuple[str, str], str]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What Git says of the attributes of paths under a `.gitattributes` with this text: (path, attribute) to value."""
    folder = tmp_path_factory.mktemp("repository")
    alone = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    subprocess.run(["git", "init", "-q"], cwd=folder, env=alone, check=True)

    def asked(text: str, paths: Sequence[str]) -> dict[tuple[str, str], str]:
        (folder / ".gitattributes").write_bytes(text.encode())
        done = subprocess.run(
            ["git", "check-attr", "-z", "--stdin", "-a"],
            cwd=folder,
            env=alone,
            input=b"".join(os.fsencode(path) + b"\0" for path in paths),
            capture_output=True,
            check=True,
        )
        fields = [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]]
        return {(path, name): value for path, name, value in zip(*[iter(fields)] * 3, strict=True)}

    return asked


ATOMS = st.sampled_from(
    [
        *("*", "?", "a", "b", "ab", "A", ".bin", ".safetensors", "é", "1", "-", "x", "\\*", "\\a", "\\[", "\\\\", "a]"),
        *(
            "[ab]",
            "[!a]",
            "[^a]",
            "[a-c]",
            "[]]",
            "[]a]",
            "[!]a]",
            "[a",
            "[a-]",
            "[-a]",
            "[z-a]",
            "[\\]]",
            "[[]",
            "[.]",
        ),
        *(
            "[[:alpha:]]",
            "[[:digit:]x]",
            "[![:space:]]",
            "[[:nope:]]",
            "[[:alpha:]",
            "[a/b]",
            "[é]",
            "[a-\\c]",
            "[\\a-c]",
        ),
    ]
)
PARTS = st.lists(ATOMS, min_size=1, max_size=3).map("".join).filter(lambda part: "**" not in part) | st.just("**")
PATTERNS = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(PARTS, min_size=1, max_size=4),
    st.sampled_from(["", "", "", "/", "/**", "\\"]),
)
NAMES = st.sampled_from(
    [
        *("a", "b", "ab", "aab", "c", "x", "A", "1", "a1", "a.bin", "x.safetensors", "é", "\udcff"),
        *("]", "[", "[a", "a]", "*", "**", ".", "-", "\\"),
    ]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join).filter(lambda path: "." not in path.split("/"))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(PATTERNS, min_size=40, max_size=40), st.lists(PATHS, min_size=30, max_size=30, unique=True))
def test_matches_as_git_does(ask: Ask, patterns: list[str], paths: list[str]) -> None:
    text = "".join(f"{pattern} p{number}=x\n" for number, pattern in enumerate(patterns))
    told = ask(text, paths)
    for number, pattern in enumerate(patterns):
        found = {path for path in paths if matches(pattern, path)}
        assert found == {path for path in paths if (path, f"p{number}") in told}, pattern


WORDS = st.sampled_from(
    [
        *("filter=lfs", "filter=lfs", "filter=other", "-filter", "!filter", "filter", "filter=", "lfs", "-lfs"),
        *("diff=lfs", "-text", "#", "é", "--text", "=x"),
    ]
)
LINES = st.builds(
    lambda start, pattern, blank, words, end: start + pattern + blank + blank.join(words) + end,
    st.sampled_from(["", "", "", " ", "\t", "#", "[attr]"]),
    st.sampled_from(["*", "a", "b/*", '"a b"', '"\\141"', '"a\\tb"', '"a', "my[[:space:]]file", "lfs", "é", ""]),
    st.sampled_from([" ", "\t", "  "]),
    st.lists(WORDS, max_size=3),
    st.sampled_from(["\n", "\n", "\r\n", " \n", "\n\n", ""]),
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.sampled_from(["", "\ufeff"]), st.lists(LINES, max_size=5).map("".join))
def test_filters_as_git_does(ask: Ask, start: str, text: str) -> None:
    paths = ["a", "b/a", "a b", "a\tb", '"a', "my file", "lfs", "é", "b"]
    told = ask(start + text, paths)
    facts = read(BytesIO((start + text).encode()))
    for path in paths:
        value = told.get((path, "filter"), "unspecified")
        assert facts.filter_of(path) == (None if value in {"unspecified", "unset", "set"} else value), path


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("*.bin filter=lfs diff=lfs merge=lfs -text\n", (Attribute("*.bin", "lfs"),)),
        ("*.bin -text\n# *.pt filter=lfs\n\n", ()),
        ("*.bin filter=lfs\n*.bin -filter\n", (Attribute("*.bin", "lfs"), Attribute("*.bin", None))),
        ("a\u2028b filter=lfs", (Attribute("a\u2028b", "lfs"),)),
        ("a\xa0b filter=lfs", (Attribute("a\xa0b", "lfs"),)),
        ("[attr]big filter=lfs -text\n*.bin big", (Attribute("*.bin", "lfs"),)),
        (f"{'a' * MAX_LINE} filter=lfs\nb filter=lfs", (Attribute("b", "lfs"),)),
    ],
)
def test_lines(text: str, lines: tuple[Attribute, ...]) -> None:
    assert read(BytesIO(text.encode())) == AttributesFacts(lines)


def test_the_last_line_counts() -> None:
    facts = read(BytesIO(b"*.bin filter=lfs\nsmall.bin !filter\n"))
    assert (facts.filter_of("x/model.bin"), facts.filter_of("x/small.bin"), facts.filter_of("bin")) == (
        "lfs",
        None,
        None,
    )


def test_what_is_no_text() -> None:
    with pytest.raises(AttributesInvalid) as error:
        read(BytesIO(b"*.bin filter=lfs\n\xff"))
    assert (error.value.offset, error.value.budget) == (17, None)


@pytest.mark.parametrize(
    ("data", "budget"),
    [(b"#" * (MAX_BYTES + 1), "gitattributes.bytes"), (b"a filter=x\n" * (MAX_LINES + 1), "gitattributes.lines")],
)
def test_limits(data: bytes, budget: str) -> None:
    with pytest.raises(AttributesInvalid) as error:
        read(BytesIO(data))
    assert error.value.budget == budget
    under = data[: MAX_BYTES if budget.endswith("bytes") else MAX_LINES * 11]
    assert len(read(BytesIO(under)).lines) == (0 if budget.endswith("bytes") else MAX_LINES)


@pytest.mark.parametrize(
    "pattern",
    [
        *("*a" * 1000 + "b", "*?" * 1000 + "!", "*" * 2000 + "b", "\\" * 1999, "[" * 2000, "[[:alpha:]]*" * 150 + "!"),
        *(
            "*[" + "a-z" * 600 + "]!",
            "**/" * 600 + "b",
            "*/" * 900 + "b",
            "**/*a" * 400 + "b",
            "**/" + "a/" * 900 + "b",
        ),
    ],
    ids=lambda pattern: pattern[:12],
)
@pytest.mark.parametrize("path", ["a" * 255, "a/" * 2000 + "a", ("a" * 200 + "/") * 19 + "a"], ids=len)
def test_hostile_patterns_take_no_time(pattern: str, path: str) -> None:
    start = time.process_time()
    assert not matches(pattern, path)
    assert time.process_time() - start < 3
