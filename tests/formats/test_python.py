"""The reader of Python files: the names that an import finds, and what would stop a parser."""

import ast
import base64
import os
import symtable
import time
import warnings
from io import BytesIO
from pathlib import Path

import pytest

from hfcheck.formats.python_ import MAX_BRACES, MAX_BYTES, MAX_TOKENS, PythonFacts, PythonInvalid, read

LIBRARY = Path(os.__file__).parent
MODULES = sorted(LIBRARY.glob("[a-c]*.py"))


def names(text: str | bytes) -> PythonFacts:
    return read(BytesIO(text.encode() if isinstance(text, str) else text))


def found(text: str) -> PythonFacts | PythonInvalid:
    try:
        return names(text)
    except PythonInvalid as error:
        return error


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_as_the_compiler_says(module: Path) -> None:
    """The symbol table of the compiler, less what is gone behind its block: exceptions, variables of comprehensions."""
    text = module.read_text(encoding="utf-8")
    table = symtable.symtable(text, module.name, "exec")
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    nodes = list(ast.walk(ast.parse(text)))
    gone = {node.name for node in nodes if isinstance(node, ast.ExceptHandler)}
    gone |= {name.id for node in nodes if isinstance(node, ast.comprehension) for name in _names_in(node.target)}
    assert bound - gone <= names(text).names <= bound


def _names_in(node: ast.AST) -> list[ast.Name]:
    return [name for name in ast.walk(node) if isinstance(name, ast.Name)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class A: b = 1", "A"),
        ("def f(a, b=1): c = 2", "f"),
        ("async def f(): pass", "f"),
        ("a = b = c[0] = d.e = 1", "a b"),
        ("a, (b, *c) = d", "a b c"),
        ("a: int = 1\nb: int", "a b"),
        ("a += 1", "a"),
        ("if (a := b): pass", "a"),
        ("import a, b.c, d.e as f", "a b f"),
        ("from a import b, c as d\nfrom . import e", "b d e"),
        ("for a in b: c = 1", "a c"),
        ("with a as b, c as (d, e): pass", "b d e"),
        ("try: a = 1\nexcept E as e: b = 1\nelse: c = 1\nfinally: d = 1", "a b c d"),
        ("if a:\n class B: pass\nelse:\n def B(): pass\nwhile c: d = 1", "B d"),
        ("match a:\n case [b, *c]: pass\n case {'k': d, **e}: pass\n case F() as g: pass", "b c d e g"),
        ("a = [b for b in c]; d = {e: f for e, f in g}; h = (i for i in j); k = lambda l: l", "a d h k"),
        ("a if b else c\nd.e()\ndel f", ""),
        ("", ""),
        ("# coding: latin-1\n\xe9 = 1".encode("latin-1"), "\xe9"),
        ("\ufeffa = 1", "a"),
        ("a = 1\r\nb = 1\rc = 1", "a b c"),
    ],
)
def test_names(text: str | bytes, expected: str) -> None:
    assert names(text) == PythonFacts(frozenset(expected.split()), open_ended=False)


@pytest.mark.parametrize(
    "text",
    [
        *("from a import *", "try:\n from a import *\nexcept E: pass", "def __getattr__(name): pass"),
        *(
            "from a import __getattr__",
            "globals()['A'] = 1",
            "for a in b: globals().update(a)",
            "exec(a)",
            "vars()[a] = b",
        ),
    ],
)
def test_open_ended(text: str) -> None:
    facts = names(text)
    assert facts.open_ended
    assert "*" not in facts.names


@pytest.mark.parametrize("text", ["def f(): globals()", "class A: exec(b)", "a.globals()", "from .b import c"])
def test_not_open_ended(text: str) -> None:
    assert not names(text).open_ended


BOMBS = {
    "NUL byte": b"a = 1\0",
    "unary minus": b"-" * 100_000 + b"1",
    "parentheses": b"(" * 300,
    "lambdas": b"lambda: " * 90_000 + b"0",
    "elif": b"if a: 0\n" + b"elif a: 0\n" * 25_000,
    "not": b"not " * 100_000 + b"1",
    "indentation": b"".join(b" " * depth + b"if a:\n" for depth in range(120)),
    "digits": b"a = " + b"1" * 4301,
    "merge conflict": b"<<<<<<< HEAD\na = 1\n",
    "Python 2": b"print 'a'",
    "a page": b"<!DOCTYPE html>",
    "bytes that are not UTF-8": b"a = '\xe9'",
    "a cookie of no encoding": b"# coding: nonsense\na = 1",
    "a cookie that is not ASCII": b"# coding: utf-16\na = 1",
    "a cookie of a codec for bytes": b"# coding: zlib\na = 1",
    "two cookies that disagree": b"\xef\xbb\xbf# coding: latin-1\na = 1",
    "an encoding that takes hours": b"# coding: punycode\n#" + b"a" * 10**6 + b"-" + b"9" * 10**6,
    "the same by another name": b"# coding: IDNA\n#xn--" + b"a" * 10**6 + b"-" + b"9" * 10**6,
    "half a surrogate pair": b"# coding: unicode_escape\na = '\\ud800'",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_what_no_parser_holds(text: bytes) -> None:
    start = time.process_time()
    with pytest.raises(PythonInvalid) as error:
        names(text)
    assert error.value.budget is None
    assert time.process_time() - start < 5


@pytest.mark.parametrize("link", [".b", "+1", "()"])
def test_long_chains(link: str) -> None:
    """Python 3.10 holds them, later versions do not."""
    outcome = found("a = b" + link * 90_000)
    assert outcome == PythonFacts(frozenset({"a"}), open_ended=False) or type(outcome) is PythonInvalid


LIMITS = {
    "python.bytes": (b"#" + b"a" * (MAX_BYTES - 1), b"#" + b"a" * MAX_BYTES),
    "python.tokens": (b";" .join([b"a"] * (MAX_TOKENS // 2)), b";".join([b"a"] * (MAX_TOKENS // 2 + 2))),
    "python.braces": (b"f'" + b"{a}" * 37_000 + b"'", b"f'" + b"{a}" * 38_000 + b"'"),
}  # fmt: skip


@pytest.mark.parametrize("budget", LIMITS)
def test_limits(budget: str) -> None:
    under, over = LIMITS[budget]
    assert names(under).names == frozenset()
    with pytest.raises(PythonInvalid) as error:
        names(over)
    assert error.value.budget == budget


def test_braces_are_counted_against_characters() -> None:
    assert 37_000**2 * 3 < MAX_BRACES < 38_000**2 * 3


def test_tokens_cannot_hide_in_an_encoding() -> None:
    """UTF-7 writes a hundred thousand marks as one word of letters."""
    text = ";".join(["a"] * MAX_TOKENS)
    hidden = (
        b"# coding: utf-7\n" + "".join(f"+{_base64(text[at : at + 30])}-" for at in range(0, len(text), 30)).encode()
    )
    with pytest.raises(PythonInvalid) as error:
        names(hidden)
    assert error.value.budget == "python.tokens"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=")


def test_nothing_is_said_on_stderr() -> None:
    """Python warns of an escape that means nothing, and quotes it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        names("a = '\\d'\nb = 1if c else 2\nassert (d, 'e')")
    assert not said
