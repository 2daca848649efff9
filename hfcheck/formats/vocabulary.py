"""The text files of a tokenizer: `vocab.txt`, a token a line, and `merges.txt`, a merge a line.

tokenizers 0.23 reads them in `models/wordpiece/mod.rs:read_file` and `models/bpe/model.rs:read_file`.
"""

from array import array
from dataclasses import dataclass, field
from io import SEEK_END
from itertools import accumulate
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 64 * 2**20
MAX_LINES = 4_000_000
SHOWN = 1000

WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space as Rust has it: what of it ends a line of `vocab.txt` is no part of the token."""


class VocabularyInvalid(Invalid):
    """No text of lines."""


@dataclass(frozen=True, slots=True)
class VocabularyFacts:
    """The tokens of a `vocab.txt`, without white space behind them: the index of a line is the id of its token.

    `duplicates` are the indexes of lines whose token has come before: its last one is its id. `stripped` are those of
    lines that were nothing but white space, or ended in some other than their end.
    """

    lines: tuple[str, ...]
    duplicates: tuple[int, ...] = ()
    stripped: tuple[int, ...] = ()
    starts: "array[int]" = field(default_factory=lambda: array("q"), repr=False)
    """The offset in bytes of each line."""

    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {token: index for index, token in enumerate(self.lines)}


@dataclass(frozen=True, slots=True)
class MergesFacts:
    """The lines of a `merges.txt`. `odd` are the indexes of those that are no two parts, which tokenizers refuses.

    Lines that begin with `#version` are no merges, empty ones are odd. `numbers` has the line of each merge, from 0.
    """

    merges: tuple[str, ...]
    numbers: range | tuple[int, ...]
    odd: tuple[int, ...] = ()


def read(stream: IO[bytes]) -> VocabularyFacts:
    """The tokens of a `vocab.txt`; raises VocabularyInvalid."""
    lines = _lines(stream)
    tokens = tuple(line.rstrip(WHITE) for line in lines)
    seen: set[str] = set()
    again = tuple(n for n, token in enumerate(tokens) if token in seen or seen.add(token))  # type: ignore[func-returns-value]
    stripped = tuple(n for n, line in enumerate(lines) if len(line.removesuffix("\r")) != len(tokens[n]))
    ends = accumulate(len(line.encode()) + 1 for line in lines)
    starts = array("q", [0, *ends][: len(lines)])
    return VocabularyFacts(tokens, again[:SHOWN], stripped[:SHOWN], starts)


def read_merges(stream: IO[bytes]) -> MergesFacts:
    """The merges of a `merges.txt`; raises VocabularyInvalid."""
    lines = [line.removesuffix("\r") for line in _lines(stream)]
    kept = [(number, line) for number, line in enumerate(lines) if not line.startswith("#version")]
    numbers = tuple(number for number, _ in kept)
    if numbers and numbers == tuple(plain := range(numbers[0], numbers[0] + len(numbers))):
        return MergesFacts(tuple(line for _, line in kept), plain, _odd(kept))
    return MergesFacts(tuple(line for _, line in kept), numbers, _odd(kept))


def _odd(kept: list[tuple[int, str]]) -> tuple[int, ...]:
    return tuple(number for number, line in kept if line.count(" ") != 1)[:SHOWN]


def _lines(stream: IO[bytes]) -> list[str]:
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise VocabularyInvalid(0, f"at most {MAX_BYTES} bytes of text, not {size}", budget="vocabulary.bytes")
    stream.seek(0)
    data = stream.read(size)
    if (count := data.count(b"\n")) > MAX_LINES:
        raise VocabularyInvalid(0, f"at most {MAX_LINES} lines, not up to {count}", budget="vocabulary.lines")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise VocabularyInvalid(error.start, "UTF-8") from error
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
