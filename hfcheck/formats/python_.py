"""What a Python file defines at its top level, found in the syntax tree; nothing is imported or run.

https://docs.python.org/3/reference/import.html , https://peps.python.org/pep-0263/
"""

import ast
import codecs
import re
import tokenize
import warnings
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2 * 2**20
"""The largest modelling files have 400 KB."""

MAX_TOKENS = 200_000
"""Words and marks. CPython's parser takes about 1 KB for each; the largest modelling files have 85,000."""

MAX_BRACES = 2**32
"""Opening braces times characters: CPython up to 3.11 goes back to the start of an f-string for each of its fields."""

_TOKEN = re.compile(r"\w+|[^\w\s]|\n")
_SLOW = frozenset({"punycode", "idna"})  # quadratic: hours for 2 MB
_NAMESPACES = frozenset({"globals", "locals", "vars", "exec"})


class PythonInvalid(Invalid):
    """The file is not Python that this version can parse."""


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """`names`: what `from module import name` finds.

    `open_ended`: more may appear when it runs, by `import *`, `__getattr__` or `globals()`.
    """

    names: frozenset[str]
    open_ended: bool


def read(stream: IO[bytes]) -> PythonFacts:
    """The top-level names of a file; raises PythonInvalid."""
    return _facts(parsed(stream))


def parsed(stream: IO[bytes]) -> ast.Module:
    """The syntax tree of a file, which costs no more than the limits allow; raises PythonInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise PythonInvalid(0, f"at most {MAX_BYTES} bytes of Python, not {size}", budget="python.bytes")
    stream.seek(0)
    text = _decoded(stream.read(size))
    # Counted in the text and not in the bytes: UTF-7 would hide a million marks in one long word.
    if (tokens := sum(1 for _ in _TOKEN.finditer(text))) > MAX_TOKENS:
        raise PythonInvalid(0, f"at most {MAX_TOKENS} words and marks, not {tokens}", budget="python.tokens")
    if (braces := text.count("{")) * len(text) > MAX_BRACES:
        raise PythonInvalid(0, f"fewer braces in {len(text)} characters than {braces}", budget="python.braces")
    return _tree(text)


def _decoded(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        if codecs.lookup(encoding).name in _SLOW:
            raise PythonInvalid(0, "an encoding for source text, not one for the names of hosts")
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise PythonInvalid(error.start, f"Python in {error.encoding}") from error
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise PythonInvalid(0, "Python in an encoding that is known") from error


def _tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the file, and would end on stderr
            return ast.parse(text)
    except SyntaxError as error:
        raise PythonInvalid(0, f"Python that parses (line {error.lineno or 1})") from error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; 100,000 operators in a row
        raise PythonInvalid(0, "Python that a parser can hold") from error


def _facts(tree: ast.Module) -> PythonFacts:
    names: set[str] = set()
    open_ended = False
    pending: list[ast.AST] = [tree]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(name)
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    names.update(alias.asname or alias.name.split(".")[0] for alias in aliases)
                case ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.Name(id=name):
                    open_ended |= name in _NAMESPACES
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                    names.add(name)
                    pending.append(node)
                case ast.Lambda() | ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                    pass
                case _:  # a class may stand inside `if` or `try`
                    pending.append(node)
    return PythonFacts(frozenset(names - {"*"}), open_ended or not names.isdisjoint({"*", "__getattr__"}))
