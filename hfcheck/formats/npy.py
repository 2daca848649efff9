"""The header of a NumPy array file, as `numpy.lib.format` reads it, and whether a pickle follows.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html . It is parsed and not evaluated.
"""

import ast
import re
import warnings
from dataclasses import dataclass
from io import SEEK_END
from math import prod
from typing import IO

from hfcheck.formats.invalid import Invalid

MAGIC = b"\x93NUMPY"

MAX_HEADER = 10_000
"""Bytes of a header that numpy evaluates (`max_header_size`), unless pickles are allowed."""

_PLAIN = re.compile(r"[<>|=]?([biufcSUV])([0-9]{1,9})")

_SEARCHED = 2**20
"""Bytes of a longer header that are looked at: with pickles allowed numpy evaluates it, however long it is."""


class NpyInvalid(Invalid):
    """There is no array here that numpy would read."""


class NpyTruncated(NpyInvalid):
    """The header is to be longer than the file is."""


@dataclass(frozen=True, slots=True)
class NpyFacts:
    """`begin` is the first byte behind the header.

    `objects`: the array is of Python objects, and a pickle begins there. `long`: the header is longer than numpy reads
    where pickles are not allowed. `needed`: the bytes that the array takes, None where that was not worked out.
    """

    begin: int
    objects: bool
    long: bool
    needed: int | None = None


def read(stream: IO[bytes]) -> NpyFacts:
    """The header; raises NpyInvalid."""
    size = stream.seek(0, SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if not head.startswith(MAGIC) or len(head) < 10:
        raise NpyInvalid(0, "the magic number of a NumPy array")
    major = head[6]
    if major not in (1, 2, 3):
        raise NpyInvalid(6, f"version 1, 2 or 3 of the format, not {major}")
    start = 10 if major == 1 else 12
    length = int.from_bytes(head[8:start], "little")
    if start + length > size:
        raise NpyTruncated(8, f"a header of at most {max(size - start, 0)} bytes, not {length}")
    stream.seek(start)
    text = stream.read(min(length, _SEARCHED)).decode("utf-8" if major == 3 else "latin-1", "replace")
    if length > MAX_HEADER:
        return NpyFacts(start + length, objects="O" in text, long=True)
    tree = _tree(text)
    return NpyFacts(start + length, _objects(tree, text), long=False, needed=_needed(tree))


def _values(tree: ast.Expression | None, name: str) -> list[ast.expr]:
    """What the header has under this key; of two the last counts, to numpy."""
    if tree is None or not isinstance(tree.body, ast.Dict):
        return []
    pairs = zip(tree.body.keys, tree.body.values, strict=True)
    return [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == name]


def _needed(tree: ast.Expression | None) -> int | None:
    """Bytes of an array of a plain type."""
    types, shapes = _values(tree, "descr"), _values(tree, "shape")
    match types[-1:], shapes[-1:]:
        case [ast.Constant(value=str(name))], [ast.Tuple(elts=sizes)] if found := _PLAIN.fullmatch(name):
            counts = [size.value for size in sizes if isinstance(size, ast.Constant) and isinstance(size.value, int)]
            if len(counts) == len(sizes):
                return prod(counts) * int(found[2]) * (4 if found[1] == "U" else 1)
    return None


def _objects(tree: ast.Expression | None, text: str) -> bool:
    described = _values(tree, "descr")
    # Python 2 wrote numbers with an L, which numpy takes off. What follows may be a pickle all the same.
    return any(map(_has_objects, described)) if described else "O" in text


def _tree(text: str) -> ast.Expression | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the file
            return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _has_objects(description: ast.expr) -> bool:
    """Whether a type is one of Python objects, or has a field that is."""
    pending = [description]
    while pending:
        match pending.pop():
            case ast.Constant(value=str(name)):
                if "O" in name or "object" in name:  # `i4,O` too
                    return True
            case ast.List(elts=fields):
                # A field is its name, its type and perhaps a shape.
                pending += [field.elts[1] for field in fields if isinstance(field, ast.Tuple) and len(field.elts) > 1]
            case ast.Tuple(elts=parts):  # a type and the shape of what each element is
                pending += parts
            case ast.Constant():
                pass
            case _:  # numpy evaluates no other
                return True
    return False
