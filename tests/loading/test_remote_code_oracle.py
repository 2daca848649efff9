"""References to code, split as transformers splits them.

The folder is empty, so that there is nothing that could be run: a reference that can be split ends in OSError.
"""

from pathlib import Path

import pytest

from hfcheck.remote_code import ReferenceInvalid, parse

pytestmark = pytest.mark.loader

SPLIT = ["m.M", "code/m.M", "a-b_c/m-1.M", "_m._M"]
NOT_SPLIT = [
    "M",
    "",
    "./m.M",
    "a.b.C",
    "../m.M",
    "m.M.",
    "a..b",
    "o--r--m.M",
    "a----m.M",
    "o/r--M",
    "o/r--",
    "o/r--a.b.C",
]
STRICTER = {
    "m.": "the class has no name, which is found out only after the module has run",
    ".M": "the module has no name, and the file is called .py",
    "/x/m.M": "joined to the folder it replaces it",
    "a\\m.M": "a folder on Windows, a letter of the name elsewhere",
}
"""What the loader splits, and no repository can hold."""


def raised(reference: object, folder: Path) -> type[BaseException]:
    modules = pytest.importorskip("transformers.dynamic_module_utils")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is compared
        modules.get_class_from_dynamic_module(reference, str(folder), local_files_only=True)
    return caught.type


@pytest.mark.parametrize("text", SPLIT)
def test_split(text: str, tmp_path: Path) -> None:
    assert issubclass(raised(text, tmp_path), OSError)
    assert f"{parse(text).module}.{parse(text).name}" == text


@pytest.mark.parametrize("text", NOT_SPLIT)
def test_not_split(text: str, tmp_path: Path) -> None:
    assert raised(text, tmp_path) is ValueError
    with pytest.raises(ReferenceInvalid):
        parse(text)


@pytest.mark.parametrize("text", STRICTER)
def test_stricter(text: str, tmp_path: Path) -> None:
    assert issubclass(raised(text, tmp_path), OSError)
    with pytest.raises(ReferenceInvalid):
        parse(text)


def test_a_list_where_a_string_belongs(tmp_path: Path) -> None:
    assert raised(["m.M", None], tmp_path) is AttributeError
