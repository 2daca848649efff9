"""Requirement 8 of the armour: every regular expression of ours is linear on hostile input."""

import ast
import importlib
import json
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hfcheck.loading.rename import LONGEST

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "hfcheck").rglob("*.py"), *(ROOT / "rules").rglob("*.py")])
PARSER: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
SIZE = 2**20
FIRST = 2**12
"""Characters of the first round, out of which the slowest go into the second."""

SECONDS = 1.0
EACH = 0.0005
"""Seconds for a name of `LONGEST` characters, on average over the hostile ones of a pattern."""

ONE_OF = {
    "CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a",
    "CATEGORY_NOT_DIGIT": "a", "CATEGORY_NOT_SPACE": "a", "CATEGORY_NOT_WORD": "!",
}  # fmt: skip


FROM_DATA = {
    "loading": {"accept.py", "experts.py", "origin.py", "rename.py", "tie.py"},
    "placement": {"expression.py", "tree.py", "values.py"},
}
"""Modules, by package, whose patterns are those of transformers, out of `schemas`: they are tried below.

Those of `origin.py` are names of parameters, escaped, with up to nine digits in some places. `expression.py` compiles
the keys of a user's device map to learn what `re` says of them, and matches nothing with them.
"""

METHODS = frozenset({"search", "match", "fullmatch"})
SEARCHES = {"sub", "subn", "split", "findall", "finditer"}


@dataclass(frozen=True)
class Found:
    """A pattern, where it stands, and the methods that are called on it; all where that cannot be seen."""

    place: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]

    def __str__(self) -> str:
        return self.place


def collect() -> Iterator[Found]:
    """Every call of `re` with a pattern. One that is put together elsewhere would escape, so it is an error."""
    for path in SOURCES:
        tree = ast.parse(path.read_bytes())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "re"], path
        names = {
            node.value: node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[pattern, *rest]):
                    if not isinstance(pattern, ast.Constant):
                        known = FROM_DATA.get(path.parent.name, ())
                        assert path.name in known, f"{path}:{node.lineno}: a pattern that is no literal"
                        continue
                    text: Any = pattern.value
                    flags = [flag for flag in rest if isinstance(flag, (ast.Attribute, ast.BinOp))]
                    yield Found(
                        f"{path.relative_to(ROOT)}:{node.lineno}",
                        re.compile(text, _flags(flags[-1]) if flags else 0),
                        _methods(tree, names.get(node)) if method == "compile" else _known({method}),
                    )


def _methods(tree: ast.Module, name: str | None) -> frozenset[str]:
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name and name is not None]
    called = {
        node.attr: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    every_use_is_a_call = len(used) - 1 == sum(
        node.value in used for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    )
    return _known(set(called)) if called and every_use_is_a_call else METHODS


def _known(methods: set[str]) -> frozenset[str]:
    return frozenset("search" if method in SEARCHES else method for method in methods) & METHODS or METHODS


def _flags(node: ast.expr) -> int:
    match node:
        case ast.BinOp(left=left, right=right):
            return _flags(left) | _flags(right)
        case ast.Attribute(value=ast.Name(id="re"), attr=name):
            return int(re.RegexFlag[name])
    raise TypeError(ast.dump(node))


FOUND = list(collect())


def example(parsed: Any, pumped: int | None = None) -> str:  # noqa: ANN401 - the parser of `re` has no types
    """A text that the pattern matches; the repetition with the number `pumped` goes on for `FIRST` characters."""
    numbers = iter(range(1000))

    def write(items: Any) -> str:  # noqa: ANN401
        return "".join(one(str(name), value) for name, value in items)

    def one(name: str, value: Any) -> str:  # noqa: ANN401
        match name:
            case "LITERAL":
                return chr(value)
            case "NOT_LITERAL" | "ANY":
                return "x" if value != ord("x") else "y"
            case "IN":
                return _member(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, _, body = value
                number, text = next(numbers), write(body)
                return text * (FIRST // max(len(text), 1) if number == pumped else max(least, 1))
            case "SUBPATTERN":
                return write(value[-1])
            case "BRANCH":
                return next(write(branch) for branch in value[1])
            case "ATOMIC_GROUP":
                return write(value)
        return ""  # a place, a look around

    return write(parsed)


def _member(items: Any) -> str:  # noqa: ANN401 - as above
    inverted, chars = False, ""
    for name, value in items:
        match str(name):
            case "NEGATE":
                inverted = True
            case "LITERAL":
                chars += chr(value)
            case "RANGE":
                chars += chr(value[0])
            case "CATEGORY":
                chars += ONE_OF[str(value)]
    return next(char for char in "xy1 !" if char not in chars) if inverted else chars[0]


def hostile(pattern: re.Pattern[Any]) -> list[str]:
    """Texts of `FIRST` characters out of what the pattern speaks of, each of which it nearly matches."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = PARSER.parse(source, pattern.flags)
    whole = example(parsed)
    units = {*whole, *source, whole, whole[:-1], whole[1:], "a", "\\", '"', " \n", "\\u", "é", "\0"} - {""}
    units |= {first + second for first in set(whole) for second in set(whole)}
    pumped = {
        example(parsed, number) for number in range(source.count("*") + source.count("+") + source.count("{") + 1)
    }
    texts = {unit * (FIRST // len(unit)) for unit in units}
    texts |= {whole[:at] + whole[at:] * (FIRST // len(whole[at:])) for at in range(1, min(len(whole), 20))}
    return sorted(texts | {text for text in pumped if len(text) > FIRST // 2})


def times(pattern: re.Pattern[Any], methods: Iterable[str], text: str) -> float:
    """Seconds of CPU of the slowest of these methods; raises TimeoutError when the alarm rings."""
    subject: Any = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    slowest = 0.0
    for method in methods:
        start = time.process_time()
        getattr(pattern, method)(subject)
        slowest = max(slowest, time.process_time() - start)
    return slowest


@pytest.fixture
def alarm() -> Iterator[None]:
    """A pattern that never ends is stopped after some CPU, and not by whoever waits for the tests."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def is_linear(pattern: re.Pattern[Any], methods: Iterable[str]) -> bool:
    """Whether a megabyte of each hostile text takes less than a second."""
    slowest: dict[str, float] = {}
    try:
        for text in hostile(pattern):
            for end in ("", "!", "\n\0"):
                signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
                slowest[text + end] = times(pattern, methods, text + end)
        for text in sorted(slowest, key=lambda text: -slowest[text])[:2]:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            # From its tenth character on, so that what stands before a repetition still stands before it.
            large = text[:10] + text[10:FIRST] * (SIZE // FIRST) + text[FIRST:]
            if times(pattern, methods, large) >= SECONDS:
                return False
    except TimeoutError:
        return False
    return True


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("found", FOUND, ids=str)
def test_linear(found: Found) -> None:
    assert is_linear(found.pattern, found.methods), found.pattern.pattern


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize(
    ("bad", "method"),
    [
        (r"(a+)+b", "match"),
        (r"\s+$", "search"),
        (r"(x|x)*y", "match"),
        (r"A\w*(?:For\w+)", "fullmatch"),
    ],
)
def test_what_is_not_linear_is_found(bad: str, method: str) -> None:
    assert not is_linear(re.compile(bad), {method})


def of_transformers() -> list[str]:
    """The patterns with a repetition in the conversions and in the ignore lists and ties of all classes."""
    lists = json.loads((ROOT / "schemas" / "conversions.json").read_bytes())["lists"]
    found = {
        source.replace("*.", r".*\.")  # as `rename.py` reads them
        for transforms in lists.values()
        if isinstance(transforms, list)
        for transform in transforms
        for source in ([transform["from"]] if isinstance(transform["from"], str) else transform["from"])
    }
    for path in (ROOT / "schemas" / "architectures").glob("*.json"):
        for model in json.loads(path.read_bytes())["classes"].values():
            for tied in model.get("tied", ()):
                found |= {*tied["keys"], *tied["keys"].values()}
            found |= {*model.get("ignore_missing", ()), *model.get("ignore_unexpected", ())}
            kept = (*model.get("keep_fp32", ()), *model.get("keep_fp32_strict", ()))
            found |= {name.replace("*", ".*") for name in kept}  # as `tree.py` reads them
    return sorted(pattern for pattern in found if set("*+{") & set(pattern))


@pytest.mark.usefixtures("alarm")
def test_a_pattern_of_transformers_is_quick_on_the_longest_name() -> None:
    """Not linear, some of them: but no name is longer than this, and 20,000 of them take some seconds."""
    patterns = of_transformers()
    assert len(patterns) > 100
    for source in patterns:
        pattern = re.compile(source)
        texts = {text[:LONGEST] for text in hostile(pattern)}
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS * 10)  # for all the texts together
        start = time.process_time()
        for text in texts:
            pattern.search(text)
        assert time.process_time() - start < len(texts) * EACH, source


def test_patterns_were_found() -> None:
    assert len(FOUND) > 20
    assert {method for found in FOUND for method in found.methods} == METHODS
