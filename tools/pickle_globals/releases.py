"""The classes of a release, read from its wheel: bases and the methods that unpickling runs. Nothing is imported."""

import ast
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOOKS: Final = frozenset({
    "__new__", "__setstate__", "__setattr__", "__getattr__", "__getattribute__", "__del__", "__hash__", "__eq__",
    "append", "extend", "add", "__setitem__",
})  # fmt: skip
"""What the opcodes themselves run on an object of a class, besides the setters of its properties.

`__new__` is run by NEWOBJ, `__setstate__` or the attribute methods by BUILD, the next three by being a key or by being
let go, the last four by APPEND(S), ADDITEMS and SETITEM(S).
"""

LINUX: Final = (
    "manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64",
    "manylinux_2_24_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64",
)  # fmt: skip
MACOS: Final = ("macosx_11_0_arm64", "macosx_10_13_x86_64", "macosx_10_9_x86_64", "macosx_10_7_x86_64")


@dataclass(frozen=True, slots=True)
class Release:
    """A wheel on PyPI. The Python code is the same on every platform; `platforms` may name the smallest."""

    distribution: str
    version: str
    python: str = "3.11"
    platforms: tuple[str, ...] = LINUX

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class Method:
    """The source of a method, and a digest of what it does: comments, docstrings and blanks do not change it."""

    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class Class:
    """A class at the place where it is defined. `bases` are dotted names, resolved as far as the file tells."""

    module: str
    name: str
    bases: tuple[str, ...]
    methods: Mapping[str, Method]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def wheel(release: Release, folder: Path) -> Path:
    """The wheel in this folder, downloaded if it is not there."""
    stem = release.distribution.replace("-", "_").lower()
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.lower().replace(".", "_").split("-")[:2]
        if name == stem.replace(".", "_") and version == release.version.replace(".", "_"):
            return path
    options = [f"--platform={platform}" for platform in release.platforms]
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", f"--dest={folder}",
        f"--python-version={release.python}", *options, f"{release.distribution}=={release.version}",
    ]  # fmt: skip
    subprocess.run(command, check=True)  # noqa: S603 — the names are those of this package
    return wheel(release, folder)


class Wheel:
    """A wheel whose modules are parsed when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._members = {_module(name): name for name in self._archive.namelist() if name.endswith(".py")}
        self._names: dict[str, dict[str, str]] = {}
        self._classes: dict[str, Class] = {}
        self._functions: dict[str, frozenset[str]] = {}

    @property
    def modules(self) -> Iterable[str]:
        return self._members

    def functions(self, module: str) -> frozenset[str]:
        self._parse(module)
        return self._functions[module]

    def classes(self, module: str) -> list[Class]:
        """The classes that this module defines."""
        self._parse(module)
        return [each for each in self._classes.values() if each.module == module]

    def find(self, dotted: str) -> Class | str:
        """The class of this name, which modules may hand on a few times; the name of it where the wheel has it not."""
        for _ in range(8):
            module, _, name = dotted.rpartition(".")
            if module not in self._members:
                break
            self._parse(module)
            if dotted in self._classes:
                return self._classes[dotted]
            further = self._names[module].get(name)
            if further is None or further == dotted:
                break
            dotted = further
        return dotted

    def _parse(self, module: str) -> None:
        if module in self._names:
            return
        member = self._members[module]
        tree = _parsed(self._archive.read(member))
        self._names[module] = dict(_names(tree, module, package=member.endswith("__init__.py")))
        self._functions[module] = frozenset(
            each.name for each in _statements(tree.body) if isinstance(each, ast.FunctionDef)
        )
        self._classes |= {str(each): each for each in _classes(tree, module, self._names[module])}


def _module(member: str) -> str:
    return member[: -len(".py")].replace("/", ".").removesuffix(".__init__")


def _parsed(text: bytes) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # Python 2, or a template
        return ast.Module(body=[], type_ignores=[])


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs at the top level, both sides of a condition."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement.body)
            yield from _statements(statement.orelse)
            if isinstance(statement, ast.Try):
                for handler in statement.handlers:
                    yield from _statements(handler.body)


def _names(tree: ast.Module, module: str, *, package: bool) -> Iterator[tuple[str, str]]:
    """The names that a module imports or defines, with the dotted name each stands for."""
    parts = module.split(".")
    for statement in _statements(tree.body):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(statement, ast.ImportFrom):
            up = statement.level - package
            base = parts[: len(parts) - up] if statement.level else []
            origin = ".".join([*base, *([statement.module] if statement.module else [])])
            for alias in statement.names:
                yield alias.asname or alias.name, f"{origin}.{alias.name}"
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            yield statement.name, f"{module}.{statement.name}"
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name | ast.Attribute):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, f"{module}.{ast.unparse(statement.value)}"


def _classes(tree: ast.Module, module: str, names: Mapping[str, str]) -> Iterator[Class]:
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ClassDef):
            bases = tuple(_dotted(base, names) for base in _bases(statement))
            yield Class(module, statement.name, bases, dict(_methods(statement)))
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            target, made = statement.targets[0], ast.unparse(statement.value.func)
            if isinstance(target, ast.Name) and made.rpartition(".")[2] == "namedtuple":
                yield Class(module, target.id, ("tuple",), {})


def _bases(node: ast.ClassDef) -> Iterator[ast.expr]:
    """The bases, those in `six.with_metaclass(Meta, Base)` too."""
    for base in node.bases:
        if isinstance(base, ast.Call) and ast.unparse(base.func).endswith("with_metaclass"):
            yield from base.args[1:]
        else:
            yield base


def _methods(node: ast.ClassDef) -> Iterator[tuple[str, Method]]:
    for statement in _statements(node.body):
        if isinstance(statement, ast.FunctionDef):
            setter = any(isinstance(each, ast.Attribute) and each.attr == "setter" for each in statement.decorator_list)
            yield f"{statement.name}.setter" if setter else statement.name, method(statement)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, method(statement)


def method(node: ast.stmt) -> Method:
    """The source of a definition and its digest."""
    source = ast.unparse(node)
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
        bare = ast.FunctionDef(node.name, node.args, node.body[1:] or [ast.Pass()], [], None, lineno=0)
        text = ast.unparse(bare)
    else:
        text = source
    return Method(source, hashlib.sha256(text.encode()).hexdigest()[:12])


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Subscript):
        node = node.value
    text = ast.unparse(node)
    head, dot, tail = text.partition(".")
    return names.get(head, head) + dot + tail
