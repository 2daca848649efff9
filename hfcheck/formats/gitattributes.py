"""Which files of a repository Git hands to LFS: https://git-scm.com/docs/gitattributes ."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2**20
MAX_LINES = 10_000
"""Lines that speak of a filter: each is held against each large file."""

MAX_LINE = 2048
"""Bytes of a line: Git itself ignores a longer one since 2.39.1."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\(?:["\\abfnrtv]|[0-3][0-7]{2}))*)"[ \t\r]')
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_POSIX = re.compile(r"\[:([^\]]{0,32}):\]")
_BLANK = re.compile(r"[ \t\r]+")
_ATTRIBUTE = re.compile(r"[-!]?[A-Za-z0-9_.][-A-Za-z0-9_.]*(=.*)?|")


class AttributesInvalid(Invalid):
    """The file is too long, or no text."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One line: the files that `pattern` names get the filter; None takes a filter away."""

    pattern: str
    filter: str | None


@dataclass(frozen=True, slots=True)
class AttributesFacts:
    """The lines that speak of a filter, in order: the last one that matches counts."""

    lines: tuple[Attribute, ...]

    def filter_of(self, path: str) -> str | None:
        """The filter of a path, relative to the folder of the file; None where there is none."""
        return next((line.filter for line in reversed(self.lines) if matches(line.pattern, path)), None)


def read(stream: IO[bytes]) -> AttributesFacts:
    """The filters in a `.gitattributes`; raises AttributesInvalid."""
    stream.seek(0)
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise AttributesInvalid(MAX_BYTES, f"at most {MAX_BYTES} bytes", budget="gitattributes.bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AttributesInvalid(error.start, "UTF-8") from error
    written = [_split(line) for line in text.split("\n") if len(line.encode()) < MAX_LINE]
    macros = {name.removeprefix("[attr]"): words for name, words in written if name.startswith("[attr]")}
    lines = [
        Attribute(pattern, filter_)
        for pattern, words in written
        if pattern and not pattern.startswith(("#", "!", "[attr]"))
        # One word that is no attribute, a comment for example, and Git passes over the whole line.
        if all(_ATTRIBUTE.fullmatch(word) for word in words)
        for filter_ in _filters(words, macros)
    ]
    if len(lines) > MAX_LINES:
        raise AttributesInvalid(0, f"at most {MAX_LINES} lines that speak of a filter", budget="gitattributes.lines")
    return AttributesFacts(tuple(lines))


def _split(line: str) -> tuple[str, list[str]]:
    """The pattern and the attributes of a line; a pattern in quotes is written as in C."""
    line = line.lstrip(" \t\r")
    if quoted := _QUOTED.match(line + " "):
        return _ESCAPE.sub(_unescaped, quoted[1]), _BLANK.split(line[quoted.end() :])
    pattern, *words = _BLANK.split(line)
    return pattern, words


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1]
    return _LETTERS.get(code, code) if len(code) == 1 else chr(int(code, 8))


def _filters(words: list[str], macros: dict[str, list[str]]) -> list[str | None]:
    """What each word says of the filter, those that say nothing left out; a macro stands for its own words."""
    expanded = [part for word in words for part in (macros.get(word, [word]))]
    return [
        word.removeprefix("filter=") if word.startswith("filter=") else None
        for word in expanded
        if word.startswith("filter=") or word in {"filter", "-filter", "!filter"}
    ]


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern of Git names a path: without a slash it is held against the last part alone."""
    globs = _parsed(_bytewise(pattern))
    parts = _bytewise(path).split("/")
    if globs is None:
        return False
    return _parts_match(globs, parts) if "/" in pattern else _glob(globs[0], parts[-1])


def _bytewise(text: str) -> str:
    """One character for each byte: `?` is one byte to Git."""
    return text.encode(errors="surrogateescape").decode("latin-1")


@dataclass(frozen=True, slots=True)
class _Class:
    """`[...]`: the ranges of characters in it."""

    inverted: bool
    ranges: tuple[tuple[str, str], ...]

    def holds(self, char: str) -> bool:
        return any(first <= char <= last for first, last in self.ranges) != self.inverted


_STAR = _Class(inverted=False, ranges=())
_ANY = _Class(inverted=True, ranges=())
_Glob = tuple[str | _Class, ...]
_FOLDERS: _Glob = (_STAR, _STAR)

_NAMED = {
    "alnum": ("09", "AZ", "az"), "alpha": ("AZ", "az"), "blank": ("\t\t", "  "), "cntrl": ("\0\x1f", "\x7f\x7f"),
    "digit": ("09",), "graph": ("!~",), "lower": ("az",), "print": (" ~",), "punct": ("!/", ":@", "[`", "{~"),
    "space": ("\t\r", "  "), "upper": ("AZ",), "xdigit": ("09", "AF", "af"),
}  # fmt: skip
"""Classes of POSIX; `git lfs track "my file.bin"` writes `my[[:space:]]file.bin`."""


@lru_cache(maxsize=MAX_LINES)
def _parsed(pattern: str) -> tuple[_Glob, ...] | None:
    """The parts of a pattern between its slashes; None where it can match nothing."""
    parts: list[list[str | _Class]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "/":
            parts.append([])
        elif char == "[":
            found = _class(pattern, at)
            if found is None:
                return None
            element, at = found
            parts[-1].append(element)
        elif char == "\\":
            if at == len(pattern):
                return None
            if pattern[at] != "/":
                parts[-1].append(pattern[at])
                at += 1
        else:
            parts[-1].append({"*": _STAR, "?": _ANY}.get(char, char))
    if len(parts) > 1 and not parts[0]:  # a slash at the start: this folder, which is meant anyway
        del parts[0]
    # A whole part of two stars or more; beside anything else they mean what one star means.
    return tuple(_FOLDERS if len(part) > 1 and part.count(_STAR) == len(part) else tuple(part) for part in parts)


def _class(pattern: str, at: int) -> tuple[_Class, int] | None:
    """The class that begins behind the bracket at `at - 1`, and where it ends; None where it does not."""
    inverted = pattern[at : at + 1] in {"!", "^"}
    at += inverted
    start = at
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or at == start):
        if named := _POSIX.match(pattern, at):
            if named[1] not in _NAMED:
                return None
            ranges += [(pair[0], pair[1]) for pair in _NAMED[named[1]]]
            at = named.end()
            continue
        first, at = _literal(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in {"]", ""}:
            last, at = _literal(pattern, at + 1)
            ranges.append((first, last))
        else:
            ranges.append((first, first))
    return (_Class(inverted, tuple(ranges)), at + 1) if at < len(pattern) else None


def _literal(pattern: str, at: int) -> tuple[str, int]:
    return (pattern[at + 1 : at + 2], at + 2) if pattern[at] == "\\" else (pattern[at], at + 1)


def _parts_match(patterns: tuple[_Glob, ...], parts: list[str]) -> bool:
    """`**` stands for any number of folders; two pointers and one way back keep it from growing exponentially."""
    here = there = 0
    star, mark = -1, 0
    while there < len(parts):
        if here < len(patterns) and patterns[here] is _FOLDERS:
            star, mark = here, there
            here += 1
        elif here < len(patterns) and _glob(patterns[here], parts[there]):
            here, there = here + 1, there + 1
        elif star >= 0:
            mark += 1
            here, there = star + 1, mark
        else:
            return False
    return here == len(patterns)


def _glob(pattern: _Glob, name: str) -> bool:
    """One part without a regular expression: the pattern is the author's, and its time must be bounded."""
    here = there = 0
    star, mark = -1, 0
    while there < len(name):
        element = pattern[here] if here < len(pattern) else ""
        if element is _STAR:
            star, mark = here, there
            here += 1
        elif element == name[there] or (isinstance(element, _Class) and element.holds(name[there])):
            here, there = here + 1, there + 1
        elif star >= 0:
            mark += 1
            here, there = star + 1, mark
        else:
            return False
    return all(element is _STAR for element in pattern[here:])
