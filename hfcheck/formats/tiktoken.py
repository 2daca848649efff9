"""The ranks of a tiktoken vocabulary: a line for each token, its bytes in base64 and its rank.

https://github.com/openai/tiktoken/blob/0.12.0/tiktoken/load.py . The rank is the id. Llama 3 and 4, Qwen and others
have such a file; of the names in use one (`tokenizer.model`) promises another format.
"""

from array import array
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from io import SEEK_END
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 64 * 2**20
MAX_RANKS = 2_000_000
MAX_DIGITS = 10

HEAD = 1024
"""Bytes from the start of a file that `is_one` wants to see."""


class TiktokenInvalid(Invalid):
    """No file of ranks."""


@dataclass(frozen=True, slots=True)
class TiktokenFacts:
    """The tokens, as bytes, and their ranks. `duplicates` are tokens that come again: the last one counts."""

    tokens: tuple[bytes, ...]
    ranks: "array[int]"
    duplicates: tuple[bytes, ...] = ()

    def ids(self) -> dict[bytes, int]:
        """The rank of each token."""
        return dict(zip(self.tokens, self.ranks, strict=True))


def is_one(head: bytes) -> bool:
    """Whether a file that begins like this is one: its first whole line has base64, a space and a number."""
    line, found, _ = head.partition(b"\n")
    parts = line.split()
    try:
        return bool(found) and len(parts) == 2 and bool(a2b_base64(parts[0])) and parts[1].isdigit()
    except Base64Error:
        return False


def read(stream: IO[bytes]) -> TiktokenFacts:
    """The ranks in a file; raises TiktokenInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise TiktokenInvalid(0, f"at most {MAX_BYTES} bytes, not {size}", budget="tiktoken.bytes")
    stream.seek(0)
    return parse(stream.read(size))


def parse(data: bytes) -> TiktokenFacts:
    """The ranks in these bytes; raises TiktokenInvalid."""
    if (lines := data.count(b"\n")) > MAX_RANKS:
        raise TiktokenInvalid(0, f"at most {MAX_RANKS} ranks, not up to {lines}", budget="tiktoken.ranks")
    tokens: list[bytes] = []
    ranks = array("q")
    at = 0
    for line in data.split(b"\n"):
        if line.strip():
            parts = line.split()
            try:
                token = a2b_base64(parts[0])
            except Base64Error as error:
                raise TiktokenInvalid(at, "a token in base64") from error
            if len(parts) != 2 or not parts[1].isdigit() or len(parts[1]) > MAX_DIGITS:
                raise TiktokenInvalid(at, "a token in base64, a space and its rank")
            tokens.append(token)
            ranks.append(int(parts[1]))
        at += len(line) + 1
    if not tokens:
        raise TiktokenInvalid(0, "a line for each token")
    return TiktokenFacts(tuple(tokens), ranks, _again(tokens))


def _again(tokens: list[bytes]) -> tuple[bytes, ...]:
    if len(set(tokens)) == len(tokens):
        return ()
    seen: set[bytes] = set()
    return tuple(token for token in tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
