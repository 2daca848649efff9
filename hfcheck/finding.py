"""What hfcheck says about a repository: a severity, a place and a sentence."""

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from unicodedata import category

QUOTED = 120
"""Characters of a string of the repository that a message shows; a longer one is cut in the middle."""

MESSAGE = 500
"""Characters of a message."""


class Severity(Enum):
    """error: a structural fact; warning: selects code, or loads here and not there; note: inventory."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst, so that a sort puts errors first."""
        return _RANKS[self]

    def at_least(self, other: "Severity") -> bool:
        return self.rank <= other.rank


_RANKS = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True)
class At:
    """A place in a repository, symbolic: line and column are worked out by `hfcheck.locate` when it is shown.

    `path` is relative to the repository, with `/`, as the file system has it. `pointer` is a JSON pointer (RFC 6901),
    `tensor` a name in a weight file, `member` a name in an archive. `offset` counts bytes from the start of the file
    and does not tell two places apart: the same fault at another byte is still the same place.
    """

    path: str
    pointer: str | None = None
    tensor: str | None = None
    member: str | None = None
    offset: int | None = field(default=None, compare=False)

    @property
    def logical(self) -> str:
        """The name of the place inside the file, empty for the file as a whole."""
        parts = (self.pointer, self.member and f"!/{self.member}", self.tensor and f"#{self.tensor}")
        return "".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault at one place. `message` and `hint` are sentences, in which strings of the repository are quoted."""

    id: str
    name: str
    severity: Severity
    at: At
    message: str
    hint: str

    @property
    def fingerprint(self) -> str:
        """Equal for the same fault in the next commit: no line, offset or wording is part of it."""
        parts = (self.id, self.at.path, self.at.logical)
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def pointer(*parts: str | int) -> str:
    """A JSON pointer to the value that the keys and indexes in `parts` lead to (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def visible(text: str) -> str:
    r"""A string of a repository as printable characters of one line: the first of two steps on the way to any sink.

    Control, format, surrogate, private and unassigned characters and line separators become `\xNN`, `\uNNNN` or
    `\UNNNNNNNN`; a backslash is doubled, so that the result cannot be mistaken. The second step belongs to the sink.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_visible, text))


def printable(text: str) -> str:
    """A message of a rule, made safe: what a forgotten `quote` would have let through is escaped as in `visible`."""
    if text.isprintable():
        return text
    return "".join(char if char == "\\" else _visible(char) for char in text)


def quote(text: str, limit: int = QUOTED) -> str:
    """A string of a repository for use in a message: visible, shortened, in quotes."""
    return f'"{shorten(visible(text), limit)}"'


def shorten(text: str, limit: int) -> str:
    """The text, or its two ends and its length where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    gap = f"...({len(text)} characters)..."
    kept = max(limit - len(gap), 2)
    return text[: kept - kept // 2] + gap + text[len(text) - kept // 2 :]


def _visible(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable() or category(char) == "Zs":
        return char
    code = f"{ord(char):x}"
    if len(code) <= len("ff"):
        return f"\\x{code:0>2}"
    return f"\\u{code:0>4}" if len(code) <= len("ffff") else f"\\U{code:0>8}"
