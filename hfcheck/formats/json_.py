"""JSON as a stranger wrote it: what loaders disagree about is kept, not repaired (RFC 8259).

The only module that calls `json.loads`. Python takes what Rust and C++ readers refuse (NaN, a lone surrogate, a key
twice, with the last one winning), so each of these is a fact with its place. What no reader takes is `JsonInvalid`.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from io import SEEK_END
from itertools import chain
from typing import IO, Any

from hfcheck.finding import pointer
from hfcheck.formats.invalid import Invalid

MAX_BYTES = 64 * 2**20
"""The largest tokenizer is 35 MB, an index of 90,000 tensors 12 MB."""

MAX_DEPTH = 127
"""serde_json, and with it safetensors and tokenizers, stops here."""

MAX_NODES = 4_000_000
BOM = b"\xef\xbb\xbf"


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
    """A document, as Python's reader takes it, and where other readers would differ (JSON pointers)."""

    value: Any
    shadowed: tuple[Shadowed, ...] = ()
    nonfinite: tuple[str, ...] = ()
    surrogates: tuple[str, ...] = ()
    minus_zero: tuple[str, ...] = ()
    bom: bool = False


def read(stream: IO[bytes]) -> JsonFacts:
    """The document in a file; raises JsonInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise JsonInvalid(0, f"at most {MAX_BYTES} bytes of JSON, not {size}", budget="json.bytes")
    stream.seek(0)
    return parse(stream.read(MAX_BYTES + 1))


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
        raise JsonInvalid(error.start + len(data) - len(body), "UTF-8", Fault.ENCODING) from error
    seen = _Seen()
    value = _loads(text, seen, len(data) - len(body))
    _check_depth(value)
    # Each of these walks costs more than the parser: none is made without a sign that it will find something.
    return JsonFacts(
        value,
        shadowed=tuple(_shadowed(value, seen.twice)) if seen.twice else (),
        nonfinite=tuple(_pointers(value, _nonfinite)) if seen.nonfinite else (),
        surrogates=tuple(_pointers(value, _surrogate)) if "\\u" in text and _LONE_SURROGATE.search(text) else (),
        minus_zero=tuple(_pointers(value, _minus_zero)) if seen.minus_zero else (),
        bom=bom,
    )


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
    """What the parser's hooks came across."""

    twice: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = field(default_factory=list)
    nonfinite: bool = False
    minus_zero: bool = False


_END: Any = object()  # a key of the trie that no document can hold
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_EXPECTED = {
    "Extra data": "the end of the file",
    "Invalid control character at": "no raw control character in a string",
    "Unterminated string starting at": "the end of the string that starts here",
}
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]",
)


def _loads(text: str, seen: _Seen, shift: int) -> Any:
    def pairs_hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen.twice.append((found, pairs))
        return found

    def integer(digits: str) -> int:
        if digits != "-0":
            return int(digits)
        seen.minus_zero = True
        return _MinusZero()

    def number(digits: str) -> float:  # also for NaN, Infinity and -Infinity
        found = float(digits)
        if not math.isfinite(found):
            seen.nonfinite = True
        return found

    # A hook for integers would be called for each of them: only where "-0" stands somewhere is it worth that.
    parse_int = integer if "-0" in text else None
    try:
        return json.loads(
            text, object_pairs_hook=pairs_hook, parse_int=parse_int, parse_float=number, parse_constant=number
        )
    except json.JSONDecodeError as error:
        offset = shift + len(text[: error.pos].encode())
        raise JsonInvalid(offset, _expected(error), _fault(text, error)) from error
    except RecursionError as error:
        raise JsonInvalid(shift, f"at most {MAX_DEPTH} levels of nesting", budget="json.depth") from error
    except ValueError as error:  # an integer of more than 4,300 digits: CPython's own limit, and no loader's business
        raise JsonInvalid(shift, "integers of at most 4,300 digits", budget="json.digits") from error


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
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return Fault.TRUNCATED
    return Fault.SYNTAX


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise JsonInvalid(0, f"at most {MAX_DEPTH} levels of nesting", budget="json.depth")
        children = chain.from_iterable(node.values() if type(node) is dict else node for node in level)
        level = [child for child in children if type(child) is dict or type(child) is list]


def walk(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a document with the keys and indexes that lead to it, in the order of the document."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if type(node) is dict:
            stack.extend([((*path, key), child) for key, child in node.items()][::-1])
        elif type(node) is list:
            stack.extend([((*path, index), child) for index, child in enumerate(node)][::-1])


def _pointers(value: Any, test: Callable[[Any], bool]) -> Iterator[str]:
    for path, node in walk(value):
        if test(node) or (path and isinstance(path[-1], str) and test(path[-1])):
            yield pointer(*path)


def _nonfinite(node: Any) -> bool:
    return isinstance(node, float) and not math.isfinite(node)


def _surrogate(node: Any) -> bool:
    return isinstance(node, str) and any("\ud800" <= char <= "\udfff" for char in node)


def _minus_zero(node: Any) -> bool:
    return type(node) is _MinusZero


def _shadowed(value: Any, twice: list[tuple[dict[str, Any], list[tuple[str, Any]]]]) -> Iterator[Shadowed]:
    by_identity = {id(found): pairs for found, pairs in twice}
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while pending:  # a hidden value may hide others in its turn: readers parse it all the same
        start, root = pending.pop()
        for path, node in walk(root):
            pairs = by_identity.get(id(node), ()) if type(node) is dict else ()
            last = {key: index for index, (key, _) in enumerate(pairs)}
            for index, (key, hidden) in enumerate(pairs):
                if last[key] != index:
                    yield Shadowed(pointer(*start, *path, key), hidden)
                    pending.append(((*start, *path, key), hidden))


def _scan(text: str, trie: dict[str, Any]) -> dict[str, int]:
    """One pass over the tokens. A frame is [node of the trie or None, index in an array or None in an object]."""
    found: dict[str, int] = {}
    stack: list[list[Any]] = []
    node: Any = trie
    expect_key = False
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        top = stack[-1] if stack else None
        if top is not None and top[1] is not None and mark not in ",]:":
            node = _arrive(top[0], str(top[1]), token.start(), found)
        if mark in "{[":
            stack.append([node, 0 if mark == "[" else None])
            expect_key = mark == "{"
        elif mark in "}]":
            if stack:  # an invalid document has no places, and must not stop the report of its own fault
                stack.pop()
            expect_key = False
        elif mark == ",":
            expect_key = top is not None and top[1] is None
            if top is not None and top[1] is not None:
                top[1] += 1
        elif expect_key and top is not None:
            # The key is decoded only where somebody asks for something in this object.
            key = _decoded(token.group()) if top[0] is not None else ""
            node = _arrive(top[0], key, token.start(), found)
            expect_key = False
    return found


def _decoded(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return ""


def _arrive(node: dict[str, Any] | None, part: str, at: int, found: dict[str, int]) -> dict[str, Any] | None:
    child = node.get(part) if node is not None else None
    if child is not None and _END in child:
        found[child[_END]] = at
    return child
