"""Which files of a repository Git hands to LFS: https://git-scm.com/docs/gitattributes ."""

from dataclasses import dataclass
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2**20


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
        found = None
        for line in self.lines:
            if matches(line.pattern, path):
                found = line.filter
        return found


def read(stream: IO[bytes]) -> AttributesFacts:
    """The filters in a `.gitattributes`; raises AttributesInvalid."""
    stream.seek(0)
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise AttributesInvalid(MAX_BYTES, f"at most {MAX_BYTES} bytes", budget="gitattributes.bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise AttributesInvalid(error.start, "UTF-8") from error
    lines: list[Attribute] = []
    for line in text.splitlines():
        pattern, *attributes = line.split() or [""]
        if not pattern or pattern.startswith(("#", "!", "[attr]")):
            continue
        for attribute in attributes:
            if attribute.startswith("filter="):
                lines.append(Attribute(pattern, attribute.removeprefix("filter=")))
            elif attribute in {"-filter", "!filter"}:
                lines.append(Attribute(pattern, None))
    return AttributesFacts(tuple(lines))


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern of Git names a path: without a slash it is held against the last part alone."""
    anchored = "/" in pattern.rstrip("/")
    parts = path.split("/") if anchored else [path.rsplit("/", 1)[-1]]
    return _parts_match(pattern.removeprefix("/").split("/"), parts)


def _parts_match(patterns: list[str], parts: list[str]) -> bool:
    """`**` stands for any number of folders; two pointers and one way back keep it linear in practice."""
    here = there = 0
    star, mark = -1, 0
    while there < len(parts):
        if here < len(patterns) and patterns[here] == "**":
            star, mark = here, there
            here += 1
        elif here < len(patterns) and _glob(patterns[here], parts[there]):
            here, there = here + 1, there + 1
        elif star >= 0:
            mark += 1
            here, there = star + 1, mark
        else:
            return False
    return all(pattern == "**" for pattern in patterns[here:])


def _glob(pattern: str, name: str) -> bool:
    """`*`, `?` and `[...]` without a regular expression: the pattern is the author's, and its time must be bounded."""
    here = there = 0
    star, mark = -1, 0
    while there < len(name):
        width = _one(pattern, here, name[there]) if here < len(pattern) and pattern[here] != "*" else 0
        if width:
            here, there = here + width, there + 1
        elif here < len(pattern) and pattern[here] == "*":
            star, mark = here, there
            here += 1
        elif star >= 0:
            mark += 1
            here, there = star + 1, mark
        else:
            return False
    return not pattern[here:].strip("*")


def _one(pattern: str, at: int, char: str) -> int:
    """How many characters of the pattern stand for this one character; 0 where they do not."""
    if pattern[at] == "?":
        return 1
    close = pattern.find("]", at + 2)
    if pattern[at] == "[" and close > 0:
        body = pattern[at + 1 : close]
        inverted = body[:1] in ("!", "^")
        return close + 1 - at if (char in _members(body[inverted:])) != inverted else 0
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return 2 if pattern[at + 1] == char else 0
    return 1 if pattern[at] == char else 0


def _members(body: str) -> str:
    found = ""
    while body:
        if len(body) > 2 and body[1] == "-":
            found += "".join(map(chr, range(ord(body[0]), min(ord(body[2]), ord(body[0]) + 256) + 1)))
            body = body[3:]
        else:
            found, body = found + body[0], body[1:]
    return found
