"""What a Python file defines at its top level, found in the syntax tree; nothing is imported or run."""

import ast
from dataclasses import dataclass
from io import SEEK_END
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2 * 2**20
"""The largest modelling files have 400 KB."""


class PythonInvalid(Invalid):
    """The file is not Python that this version can parse."""


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """`names`: what `from module import name` finds. `open_ended`: more may appear when it runs (`import *`)."""

    names: frozenset[str]
    open_ended: bool


def read(stream: IO[bytes]) -> PythonFacts:
    """The top-level names of a file; raises PythonInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise PythonInvalid(0, f"at most {MAX_BYTES} bytes of Python, not {size}", budget="python.bytes")
    stream.seek(0)
    try:
        tree = ast.parse(stream.read(MAX_BYTES + 1))
    except SyntaxError as error:
        raise PythonInvalid(0, f"Python that parses (line {error.lineno or 1})") from error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; 100,000 operators in a row
        raise PythonInvalid(0, "Python that a parser can hold") from error
    names: set[str] = set()
    open_ended = False
    pending: list[ast.AST] = [tree]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(name)
                    open_ended |= name == "__getattr__"
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    open_ended |= any(alias.name == "*" for alias in aliases)
                    names.update(alias.asname or alias.name.split(".")[0] for alias in aliases)
                case ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.Lambda() | ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                    pass
                case _:  # a class may stand inside `if` or `try`
                    pending.append(node)
    return PythonFacts(frozenset(names), open_ended)
