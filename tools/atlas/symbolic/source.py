"""The syntax tree of a function that was imported: parsed once for each file, found by its first line."""

import ast
import inspect
from functools import cache
from pathlib import Path
from types import FunctionType

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_tree(function: FunctionType) -> Function | None:
    """The tree of a function; None where its source cannot be had."""
    code = inspect.unwrap(function).__code__
    return _functions(code.co_filename).get((code.co_firstlineno, code.co_name))


@cache
def _functions(filename: str) -> dict[tuple[int, str], Function]:
    try:
        tree = ast.parse(Path(filename).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[tuple[int, str], Function] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[line, node.name] = node
        elif isinstance(node, ast.Lambda):
            found.setdefault((node.lineno, "<lambda>"), node)
    return found
