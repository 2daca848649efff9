"""The names of Python 2, compared with the tables of CPython and of torch."""

import _compat_pickle
import importlib
import pickle
from typing import Any

import pytest

from hfcheck.formats import pickle_compat

ELSEWHERE = {("exceptions", "WindowsError"), "Tix"}


def without(table: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in table.items() if key not in ELSEWHERE}


def test_is_the_table_of_cpython() -> None:
    assert without(pickle_compat.NAMES) == without(_compat_pickle.NAME_MAPPING)
    assert without(pickle_compat.IMPORTS) == without(_compat_pickle.IMPORT_MAPPING)


@pytest.mark.parametrize(
    "written",
    ["exceptions.ValueError", "__builtin__.xrange", "__builtin__.len", "itertools.izip", "copy_reg._reconstructor",
     "UserDict.UserDict", "UserDict.IterableUserDict", "Queue.Queue", "StringIO.StringIO", "urlparse.urljoin"],
)  # fmt: skip
def test_imports_as_the_unpickler_does(written: str) -> None:
    module, _, name = written.rpartition(".")
    found = pickle.loads(f"c{module}\n{name}\n.".encode())
    there, known = pickle_compat.imported(module, name)

    assert found is getattr(importlib.import_module(there), known)


@pytest.mark.loader
def test_is_the_table_of_torch() -> None:
    torch_utils = pytest.importorskip("torch._utils")
    names = {*pickle_compat.NAMES, *torch_utils.NAME_MAPPING, *((module, "x") for module in pickle_compat.IMPORTS)}
    for module, name in names:
        expected = torch_utils.NAME_MAPPING.get((module, name), (torch_utils.IMPORT_MAPPING.get(module, module), name))
        assert pickle_compat.imported_by_torch(module, name) == expected
