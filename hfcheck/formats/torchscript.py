"""The code of a TorchScript archive, parsed and never run: what it does beside computing.

`torch.jit.load` compiles `code/**.py`, a subset of Python, and calls `__setstate__` of what it loads:
https://github.com/pytorch/pytorch/blob/v2.13.0/torch/csrc/jit/serialization/import_source.cpp
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from hfcheck.finding import quote
from hfcheck.formats import python_

NAMESPACES = frozenset({"aten", "prim", "prims", "quantized", "torchvision", "mkldnn", "sparse", "inductor"})
"""Operators that compute. The others come from a library that the process has loaded, and do what it does."""

FILES = frozenset({"save", "load", "from_file", "_save", "_load_for_lite_interpreter"})
"""Operators of torch that read or write files."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that code does beside computing, in a line of it; `what` is a sentence without its end."""

    line: int
    what: str


def read(stream: IO[bytes]) -> tuple[Deed, ...]:
    """What a file of code does; raises PythonInvalid where it is no Python."""
    return tuple(_deeds(python_.parsed(stream)))


def _deeds(tree: ast.Module) -> Iterator[Deed]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (_imported(node.lineno, name.name) for name in names if not _is_own(name.name))
            case ast.ImportFrom(module=module) if not _is_own(module or "."):
                yield _imported(node.lineno, module or ".")
            case ast.Attribute(value=ast.Name(id="torch"), attr=name) if name in FILES:
                yield Deed(node.lineno, f"it uses torch.{name}")
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="ops"), attr=space), attr=name):
                if space not in NAMESPACES or name in FILES:
                    yield Deed(node.lineno, f"it uses the operator {quote(f'{space}::{name}')}")


def _imported(line: int, name: str) -> Deed:
    return Deed(line, f"it imports {quote(name)}")


def _is_own(module: str) -> bool:
    """Whether a module is one of the archive: the first versions of the format imported these by name."""
    return module.split(".", maxsplit=1)[0] == "__torch__"
