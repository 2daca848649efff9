"""JSON as a stranger wrote it: what loaders disagree about is kept, not repaired (RFC 8259).

The only module that calls `json.loads`. Python takes what Rust and C++ readers refuse (NaN, a lone surrogate, a key
twice, with the last one winning), so each of these is a fact with its place. What no reader takes is `JsonInvalid`.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, fields
from enum import Enum
from io import SEEK_END
from itertools import chain
from typing import IO, Any

from hfcheck.finding import pointer
from hfcheck.formats.collector import paused
from hfcheck.formats.invalid import Invalid

MAX_BYTES = 64 * 2**20
"""The largest tokenizer is 35 MB, an index of 90,000 tensors 12 MB."""

MAX_DEPTH = 127
"""serde_json, and with it safetensors and tokenizers, stops here."""

MAX_NODES = 4_000_000

MAX_DIGITS = 4300
"""CPython's own default: without it the time for an integer grows with the square of its digits."""

MAX_SHADOWED = 100_000
"""Keys that come again; also the limit in characters of all their pointers together, 100 for each."""

MAX_INDEX = 10
"""Digits of the index of an array."""

SHOWN = 1000
"""Places of one kind that are kept where the first few say enough: one long key can stand above millions of them."""

WATCHED = frozenset({
    "auto_map", "custom_pipelines",
    "trust_remote_code", "trust_repo", "allow_pickle", "allow_all_kernels", "enable_unsafe_deserialization",
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "experts_implementation", "_experts_implementation", "_experts_implementation_internal",
})  # fmt: skip
"""Keys that select code or lift a guard, at any depth: what occurs is noted on the way, because to search the tree of a
large tokenizer for them afterwards takes a tenth of the time of the parser."""

BOM = b"\xef\xbb\xbf"

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


class Fault(Enum):
    """Why a text is no JSON, as far as it can be told; the value completes the sentence "it looks like"."""

    CONFLICT = "a file with unresolved merge conflict markers"
    HTML = "an HTML page saved under this name"
    TRUNCATED = "JSON that was cut off"
    TRAILING = "JSON with something appended to it"
    ENCODING = "text that is not UTF-8"
    SYNTAX = "text that is not JSON"


class JsonInvalid(Invalid):
    """No JSON reader takes these bytes; `fault` says what they look like."""

    def __init__(self, offset: int, expected: str, fault: Fault = Fault.SYNTAX, *, budget: str | None = None) -> None:
        super().__init__(offset, expected, budget=budget)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A value that nobody sees: the same key comes again further on, and the last one wins."""

    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class JsonFacts:
    """A document, as Python's reader takes it, and where other readers would differ (JSON pointers).

    `shadowed` is complete. Of the others, which count hidden values too, only the first `SHOWN` are kept. `watched` are
    the keys of `WATCHED` that occur anywhere. `nodes` is how many values there are at most, `size` how many bytes
    of memory the text takes.
    """

    value: Any
    shadowed: tuple[Shadowed, ...] = ()
    nonfinite: tuple[str, ...] = ()
    surrogates: tuple[str, ...] = ()
    minus_zero: tuple[str, ...] = ()
    bom: bool = False
    watched: frozenset[str] = frozenset()
    nodes: int = 1
    size: int = 0


def read(stream: IO[bytes]) -> JsonFacts:
    """The document in a file; raises JsonInvalid."""
    return parse(take(stream))


def take(stream: IO[bytes]) -> bytes:
    """The bytes of a file that may be JSON; raises JsonInvalid where they are too many."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise JsonInvalid(0, f"at most {MAX_BYTES} bytes of JSON, not {size}", budget="json.bytes")
    stream.seek(0)
    return stream.read(size)  # and not MAX_BYTES: Python makes room for all that it is told to read


@paused()
def parse(data: bytes) -> JsonFacts:
    """The document in these bytes; raises JsonInvalid. Memory is bounded by the number of values, not by the bytes."""
    bom = data.startswith(BOM)
    body = data[len(BOM) :] if bom else data
    # Each value but the first follows one of these; counted before the parser makes objects of 60 bytes out of "[]".
    if (nodes := 1 + sum(body.count(mark) for mark in (b",", b"[", b"{"))) > MAX_NODES:
        raise JsonInvalid(0, f"at most {MAX_NODES} values, not up to {nodes}", budget="json.nodes")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        fault = Fault.TRUNCATED if error.reason == "unexpected end of data" else Fault.ENCODING
        raise JsonInvalid(error.start + len(data) - len(body), "UTF-8", fault) from error
    seen = _Seen()
    value = _loads(text, seen, len(data) - len(body))
    _check_depth((), value)
    # Each of these walks costs more than the parser: none is made without a sign that it will find something.
    hidden = _shadowed(value, seen.twice) if seen.twice else []
    roots = [((), value), *hidden]
    return JsonFacts(
        value,
        shadowed=tuple(Shadowed(pointer(*path), node) for path, node in hidden),
        nonfinite=_pointers(roots, _nonfinite) if seen.nonfinite else (),
        surrogates=_pointers(roots, _surrogate) if has_lone_surrogate(text) else (),
        minus_zero=_pointers(roots, _minus_zero) if seen.minus_zero else (),
        bom=bom,
        watched=frozenset(seen.watched),
        nodes=nodes,
        size=sys.getsizeof(text),  # up to four bytes for each character, and one long string can be most of it
    )


def parts(facts: JsonFacts) -> dict[str, Any]:
    """The fields of these facts, for facts of a format that is JSON and more."""
    return {one.name: getattr(facts, one.name) for one in fields(JsonFacts)}


def positions(text: str, wanted: Collection[str]) -> dict[str, int]:
    """Where the pointers in `wanted` stand in a valid document: index of the key, or of the element of an array.

    Of a key that comes twice the last place counts, which is the one that Python takes. What is not there is left out.
    """
    trie: dict[str, Any] = {}
    for target in wanted:
        node = trie
        for part in target.split("/")[1:]:
            node = node.setdefault(part.replace("~1", "/").replace("~0", "~"), {})
        node[_END] = target
    found = {"": 0} if _END in trie else {}
    return found | _scan(text, trie)


class _MinusZero(int):
    """`-0` where an integer is meant: an integer to Python, a float to serde_json."""


@dataclass(slots=True)
class _Seen:
    """The parser's hooks, and what they came across."""

    twice: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = field(default_factory=list)
    watched: set[str] = field(default_factory=set)
    nonfinite: bool = False
    minus_zero: bool = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.twice.append((found, pairs))
        if not found.keys().isdisjoint(WATCHED):
            self.watched.update(found.keys() & WATCHED)
        return found

    def integer(self, digits: str) -> int:
        if digits == "-0":
            self.minus_zero = True
            return _MinusZero()
        if len(digits.lstrip("-")) > MAX_DIGITS:
            raise ValueError("too many digits")
        return int(digits)

    def number(self, digits: str) -> float:  # also for NaN, Infinity and -Infinity
        found = float(digits)
        if not math.isfinite(found):
            self.nonfinite = True
        return found


_END: Any = object()  # a key of the trie that no document can hold
# A string with a backslash in it is left to the decoder: for each of 30 million escapes `re` would keep a way back.
_TOKEN = re.compile(r'"([^"\\]*)"|["{}\[\],:]|[^\s{}\[\],:"]+')
# As many plain values as can be passed over at a time, and pairs of strings: the merges of a tokenizer are a million.
_PLAIN = re.compile(r'(?:[^"{}\[\]]+|"[^"\\]*"|\["[^"\\]*","[^"\\]*"\]|\[\s+"[^"\\]*",\s+"[^"\\]*"\s+\]){1,1000}')
_DECODER = json.JSONDecoder(strict=False)
_EXPECTED = {
    "Extra data": "the end of the file",
    "Invalid control character at": "no raw control character in a string",
    "Unterminated string starting at": "the end of the string that starts here",
}
# Each escape is taken whole, or the `u` of an escaped backslash would pass for the begin of another one.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]|(u[dD][89a-fA-F])|.)", re.DOTALL)
# What the parser stands before when the text was cut off in a literal or in a number.
_PARTS = ("true", "false", "null", "NaN", "Infinity", "-Infinity", ".", "e+", "e-", "E+", "E-")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _loads(text: str, seen: _Seen, shift: int) -> Any:
    # A hook for integers would be called for each of them: only where "-0" stands somewhere is it worth that, or where
    # Python itself sets no limit, or another one (before 3.10.7; PYTHONINTMAXSTRDIGITS).
    limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0
    parse_int = seen.integer if "-0" in text or limit != MAX_DIGITS else None
    try:
        return json.loads(
            text,
            object_pairs_hook=seen.pairs,
            parse_int=parse_int,
            parse_float=seen.number,
            parse_constant=seen.number,
        )
    except json.JSONDecodeError as error:
        offset = shift + len(text[: error.pos].encode())
        raise JsonInvalid(offset, _expected(error), _fault(text, error)) from error
    except RecursionError as error:
        raise JsonInvalid(shift, f"at most {MAX_DEPTH} levels of nesting", budget="json.depth") from error
    except ValueError as error:  # no loader's business
        raise JsonInvalid(shift, f"integers of at most {MAX_DIGITS} digits", budget="json.digits") from error


def _expected(error: json.JSONDecodeError) -> str:
    """Python's wording ("Expecting value") as something that goes on after "expected"."""
    message = error.msg.split(":")[0]
    if message.startswith("Expecting "):
        return message.removeprefix("Expecting ").removesuffix(" enclosed in double quotes")
    return _EXPECTED.get(message, f"valid JSON ({message[:1].lower()}{message[1:]})")


def _fault(text: str, error: json.JSONDecodeError) -> Fault:
    if re.search(r"^(?:<<<<<<<|>>>>>>>)", text, re.MULTILINE):
        return Fault.CONFLICT
    if text[:200].lstrip()[:1] == "<":
        return Fault.HTML
    if error.msg.startswith("Extra data"):
        return Fault.TRAILING
    if error.msg.startswith("Unterminated string"):
        return Fault.TRUNCATED
    rest = text[error.pos :].rstrip()
    in_escape = error.msg.startswith("Invalid \\") and len(rest) < len("\\u0000") and '"' not in rest
    cut = in_escape or any(part.startswith(rest) for part in _PARTS)
    return Fault.TRUNCATED if cut else Fault.SYNTAX


def _check_depth(path: Path, value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    depth = len(path)
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise JsonInvalid(0, f"at most {MAX_DEPTH} levels of nesting", budget="json.depth")
        children = chain.from_iterable(node.values() if type(node) is dict else node for node in level)
        level = [child for child in children if type(child) is dict or type(child) is list]


def type_of(value: Any) -> str:
    """The type of a value in the words of JSON, with an article."""
    if value is None:
        return "null"
    names = ((bool, "a boolean"), (str, "a string"), (list, "an array"), (dict, "an object"))
    return next((name for kind, name in names if isinstance(value, kind)), "a number")


def walk(value: Any, start: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document with the keys and indexes that lead to it, in the order of the document."""
    yield start, value
    stack = [(start, _children(value))]
    while stack:
        path, children = stack[-1]
        for part, child in children:
            yield (here := (*path, part)), child
            if type(child) is dict or type(child) is list:
                stack.append((here, _children(child)))
                break
        else:
            stack.pop()


def _children(node: Any) -> Iterator[tuple[str | int, Any]]:
    if type(node) is dict:
        return iter(node.items())
    return enumerate(node) if type(node) is list else iter(())


def _pointers(roots: Iterable[tuple[Path, Any]], test: Callable[[Any], bool]) -> tuple[str, ...]:
    found: list[str] = []
    characters = 0
    for start, root in roots:
        for path, node in walk(root, start):
            if test(node) or (path and isinstance(path[-1], str) and test(path[-1])):
                found.append(pointer(*path))
                characters += len(found[-1])
                if len(found) >= SHOWN or characters >= SHOWN * 100:
                    return tuple(found)
    return tuple(found)


def _nonfinite(node: Any) -> bool:
    return isinstance(node, float) and not math.isfinite(node)


def has_lone_surrogate(text: str) -> bool:
    """Whether half of a surrogate pair is written as an escape without the other half; the text itself holds none."""
    return "\\u" in text and any(escape[1] for escape in _ESCAPE.finditer(text))


def _surrogate(node: Any) -> bool:
    return isinstance(node, str) and _SURROGATE.search(node) is not None


def _minus_zero(node: Any) -> bool:
    return type(node) is _MinusZero


def _shadowed(value: Any, twice: list[tuple[dict[str, Any], list[tuple[str, Any]]]]) -> list[tuple[Path, Any]]:
    by_identity = {id(found): pairs for found, pairs in twice}
    hidden: list[tuple[Path, Any]] = []
    pending: list[tuple[Path, Any]] = [((), value)]
    characters = 0
    while pending:  # a hidden value may hide others in its turn: readers parse it all the same
        start, root = pending.pop()
        for path, node in walk(root, start):
            pairs = by_identity.get(id(node), ()) if type(node) is dict else ()
            last = {key: index for index, (key, _) in enumerate(pairs)}
            for index, (key, child) in enumerate(pairs):
                if last[key] != index:
                    hidden.append(((*path, key), child))
                    pending.append(hidden[-1])
                    characters += sum(len(part) for part in hidden[-1][0] if isinstance(part, str))
                    if len(hidden) > MAX_SHADOWED or characters > MAX_SHADOWED * 100:
                        raise JsonInvalid(0, f"at most {MAX_SHADOWED} keys that come again", budget="json.duplicates")
                    _check_depth(*hidden[-1])
    return hidden


def _scan(text: str, trie: dict[str, Any]) -> dict[str, int]:  # noqa: C901 - a case for each mark
    """One pass over the tokens. A frame is [node of the trie, index in an array or None in an object, last index]."""
    found: dict[str, int] = {}
    stack: list[list[Any]] = []
    node: Any = trie
    expect_key = False
    tokens = _Tokens(text)
    for start, string in tokens:
        mark = text[start]
        top = stack[-1] if stack else None
        if top is not None and top[1] is not None and mark not in ",]:":
            node = _arrive(top[0], str(top[1]), start, found)
        if mark in "{[" and node is None:
            tokens.move(_behind(text, start))
            expect_key = False
        elif mark in "{[":
            stack.append([node, 0 if mark == "[" else None, _last_index(node)])
            expect_key = mark == "{"
        elif mark in "}]":
            if stack:  # an invalid document has no places, and must not stop the report of its own fault
                stack.pop()
            expect_key = False
        elif mark == ",":
            expect_key = top is not None and top[1] is None
            if top is not None and top[1] is not None:
                top[1] += 1
                if top[1] > top[2]:  # of an array, which has no index twice, the rest is of no interest
                    tokens.move(_behind(text, start, depth=1))
                    stack.pop()
        elif expect_key and top is not None:
            node = _arrive(top[0], string, start, found)
            expect_key = False
    return found


class _Tokens:
    """Where each token begins, and what it says where it is a string; ends at a string that has no end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.move(0)

    def move(self, position: int) -> None:
        """Go on from here."""
        self._found = _TOKEN.finditer(self._text, position)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (token := next(self._found, None)) is not None:
            start = token.start()
            if token.group() != '"':
                yield start, token[1] or ""
                continue
            try:
                string, end = _DECODER.raw_decode(self._text, start)
            except ValueError:
                return
            self.move(end)
            yield start, string


def _last_index(node: Any) -> int:
    """The highest index that is wanted of an array."""
    numbers = (int(part) for part in node if isinstance(part, str) and part.isdecimal() and len(part) < MAX_INDEX)
    return max(numbers, default=-1)


def _behind(text: str, position: int, depth: int = 0) -> int:
    """The end of the array or object that begins here or holds this place, without a look at what is in it."""
    while position < len(text):
        mark = text[position]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return position + 1
        elif (plain := _PLAIN.match(text, position)) is not None:
            position = plain.end()
            continue
        else:  # a string with a backslash in it
            try:
                position = _DECODER.raw_decode(text, position)[1]
            except ValueError:
                break
            continue
        position += 1
        if (plain := _PLAIN.match(text, position)) is not None:
            position = plain.end()
    return len(text)


def _arrive(node: dict[str, Any] | None, part: str, at: int, found: dict[str, int]) -> dict[str, Any] | None:
    child = node.get(part) if node is not None else None
    if child is not None and _END in child:
        found[child[_END]] = at
    return child
