"""What a `tokenizer.json` says: a JSON document whose merges are counted and looked up, and not kept.

https://github.com/huggingface/tokenizers/blob/v0.23.3/tokenizers/src/tokenizer/serialization.rs . Merges are three
quarters of the largest files: as Python objects they would take 100 MB and most of the time. They are cut out of the
text, the rest is read as any JSON, and where anything about that is not plain, the whole is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from operator import add, itemgetter, methodcaller
from typing import IO, Any

from hfcheck.formats import json_
from hfcheck.formats.collector import paused
from hfcheck.formats.json_ import JsonFacts, JsonInvalid

SHOWN = 1000
"""Merges of one kind that are kept."""

_CHUNK = 2**18
"""Bytes of merges that are Python objects at the same time."""

_TRIES = 16
"""Places at which a chunk is tried to end: text within a string may look like one."""

_KEY = re.compile(rb'"merges"\s{0,64}:\s{0,64}\[')
_PAIR = re.compile(rb'"\s{0,256}\]\s{0,256}(,)\s{0,256}\[')
_STRING = re.compile(rb'"\s{0,256}(,)\s{0,256}"')
_TAIL = 2048


@dataclass(frozen=True, slots=True)
class Merges:
    """The merges of a BPE model. Of `odd` and `unknown` the first `SHOWN` are kept; the indexes count from 0.

    `pairs` is whether they are written as `["a", "b"]`, which tokenizers before 0.20 do not read. `odd` are no pair at
    all, and tokenizers refuses the file. `unknown` are merges of which a part or the result is not in the vocabulary;
    it refuses that too. `made` are results that end as markers do, in `>`.
    """

    count: int
    pairs: bool = False
    odd: tuple[int, ...] = ()
    unknown: tuple[tuple[int, str], ...] = ()
    odd_count: int = 0
    unknown_count: int = 0
    made: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TokenizerFacts(JsonFacts):
    """The document, in which `model.merges` is an empty array, and what was found in that array; None without it."""

    merges: Merges | None = None


def read(stream: IO[bytes]) -> TokenizerFacts:
    """The document in a file; raises JsonInvalid."""
    return parse(json_.take(stream))


@paused()
def parse(data: bytes) -> TokenizerFacts:
    """The document in these bytes; raises JsonInvalid."""
    found = _without_merges(data)
    if found is not None:
        return found
    document = json_.parse(data)
    model = document.value.get("model") if type(document.value) is dict else None
    rows = model.get("merges") if type(model) is dict else None
    if type(model) is not dict or type(rows) is not list:
        return _with(document, None)
    look = _Look(model)
    for start in range(0, len(rows), 4096):
        look.rows(rows[start : start + 4096])
    model["merges"] = []
    return _with(document, look.merges())


def _with(document: JsonFacts, merges: Merges | None) -> TokenizerFacts:
    return TokenizerFacts(**json_.parts(document), merges=merges)


def _without_merges(data: bytes) -> TokenizerFacts | None:
    """The document, read without its merges; None where they do not stand where every writer puts them, at the end."""
    keys = list(islice(_KEY.finditer(data), 2))
    stop = _last_bracket(data)
    if len(keys) != 1 or keys[0].end() > stop:
        return None
    begin = keys[0].end() - 1
    # A number that the document does not hold stands for the merges: no text can be mistaken for it.
    mark = next(number for number in count(7_000_000_000_000_001) if str(number).encode() not in data)
    try:
        document = json_.parse(b"%b%d%b" % (data[:begin], mark, data[stop + 1 :]))
    except JsonInvalid:
        return None  # the error of the whole says where it is
    model = document.value.get("model") if type(document.value) is dict else None
    if type(model) is not dict or type(model.get("merges")) is not int or model["merges"] != mark:
        return None
    look = _Look(model)
    for rows in _rows(data, begin + 1, stop):
        if rows is None:
            return None
        look.rows(rows)
    if look.strange:
        return None
    model["merges"] = []
    return _with(document, look.merges())


def _last_bracket(data: bytes) -> int:
    """Where the last array ends, if it is the last value of the last object; else -1."""
    tail = data[-_TAIL:].rstrip()
    for _ in range(2):
        tail = tail.removesuffix(b"}").rstrip()
    return max(len(data) - _TAIL, 0) + len(tail) - 1 if tail.endswith(b"]") else -1


def _rows(data: bytes, begin: int, stop: int) -> Iterator[list[Any] | None]:
    """The elements of an array, in chunks; None where they cannot be told.

    What is cut at a comma into two arrays of JSON is one array of the elements of both, wherever the comma was found.
    """
    cut = _PAIR if data[begin : begin + 256].lstrip()[:1] == b"[" else _STRING
    while begin < stop:
        chunk, begin = _chunk(data, begin, stop, cut)
        yield chunk
        if chunk is None:
            return


def _chunk(data: bytes, begin: int, stop: int, cut: re.Pattern[bytes]) -> tuple[list[Any] | None, int]:
    at = begin + _CHUNK
    for _ in range(_TRIES):
        comma = cut.search(data, at, min(at + _CHUNK, stop)) if at < stop else None
        end = comma.start(1) if comma is not None else stop
        if (rows := _elements(data[begin:end])) is not None:
            return rows, end + 1
        if comma is None:
            break
        at = comma.end(1)
    return None, stop


def _elements(chunk: bytes) -> list[Any] | None:
    try:
        text = chunk.decode()
        rows: list[Any] = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    # Half of a surrogate pair is a finding with a place: then the whole is read.
    return None if json_.has_lone_surrogate(text) else rows


class _Look:
    """What is found in merges that come in chunks."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        vocabulary, prefix = model.get("vocab"), model.get("continuing_subword_prefix")
        self.known: Mapping[str, Any] | None = vocabulary if type(vocabulary) is dict else None
        self.skip = len(prefix) if type(prefix) is str else 0
        self.count = 0
        self.pairs = False
        self.strange = False  # something else than strings and arrays of strings: numbers that have facts of their own
        self.parts: set[str] = set()
        self.made: set[str] = set()
        self.marks = False  # whether a part so far ends in ">": else no result does, and none is looked at
        self.odd: list[int] = []
        self.unknown: list[tuple[int, str]] = []
        self.counts = [0, 0]

    def rows(self, rows: list[Any]) -> None:
        """Take the next ones. Almost always all are in order, and that is seen without a loop of Python's."""
        kinds = set(map(type, rows))
        self.pairs |= list in kinds
        pairs = list(map(methodcaller("split", " "), rows)) if kinds == {str} else rows
        if not (kinds <= {str} or kinds == {list}) or set(map(len, pairs)) != {2} or not self._all_known(pairs):
            for index, row in enumerate(rows, self.count):
                self._one(index, row)
        self.count += len(rows)

    def _all_known(self, pairs: list[Any]) -> bool:
        left, right = list(map(itemgetter(0), pairs)), list(map(itemgetter(1), pairs))
        if set(map(type, left)) | set(map(type, right)) != {str}:
            return False
        if self.known is None:
            return True
        ends = [part[self.skip :] for part in right] if self.skip else right
        # Parts come again and again, and a look into a large vocabulary costs more than one into a set of a few.
        parts = {*left, *right} - self.parts
        made = list(map(add, left, ends))
        if not all(map(self.known.__contains__, parts)) or not all(map(self.known.__contains__, made)):
            return False
        self.parts |= parts
        self.marks = self.marks or any(map(methodcaller("endswith", ">"), parts))
        if self.marks:
            self.made.update(filter(methodcaller("endswith", ">"), made))
        return True

    def _one(self, index: int, row: Any) -> None:
        parts = row.split(" ") if type(row) is str else row
        self.strange |= type(parts) is not list or not all(type(part) is str for part in parts)
        if type(parts) is not list or len(parts) != 2 or not all(type(part) is str for part in parts):
            self.counts[0] += 1
            if len(self.odd) < SHOWN:
                self.odd.append(index)
            return
        if self.known is None:
            return
        left, right = parts
        if (made := left + right[self.skip :]).endswith(">"):
            self.marks = True
            self.made.add(made)
        unknown = next((part for part in (left, right, made) if part not in self.known), None)
        if unknown is not None:
            self.counts[1] += 1
            if len(self.unknown) < SHOWN:
                self.unknown.append((index, unknown[:SHOWN]))

    def merges(self) -> Merges:
        odd_count, unknown_count = self.counts
        return Merges(
            self.count,
            self.pairs,
            tuple(self.odd),
            tuple(self.unknown),
            odd_count,
            unknown_count,
            frozenset(self.made),
        )
