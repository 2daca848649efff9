"""Names that no encoding can say: every format, on stdout, on stderr and in files, under locales of all kinds."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import reports

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ODD = "é漢\x1b[31m\n::error::x ##[error]x\udcff"
"""A file may have this name; the byte at its end is no UTF-8, and half of the rest no ASCII."""

LOCALES = {
    "C": {"LC_ALL": "C"},
    "C without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}


@pytest.fixture
def odd(work: Path) -> Path:
    folder = work / "odd"
    folder.mkdir()
    index = {"metadata": {}, "weight_map": {f"{ODD}\ud800": f"{ODD}.safetensors", "é": "../é"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({"architectures": [f"{ODD}\ud800"]}))
    (folder / f"{ODD}.json").write_bytes(b"{")
    (folder / f"{ODD}.safetensors.bin").write_bytes(b"\x80\x02.")
    (folder / "link.json").symlink_to(ODD)
    return folder


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("format_", list(reports.FORMATS))
def test_every_format_under_every_locale(odd: Path, run: Run, format_: str, locale: str) -> None:
    result = run("check", "odd", "--format", format_, "--output", f"{format_}:out", **LOCALES[locale])
    assert result.returncode == 1, result.stderr
    written = (odd.parent / "out").read_bytes()
    for said in (result.stdout.encode("utf-8", "surrogateescape"), written):
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|##\[|^\s*::error::", said, re.MULTILINE)
    assert written.decode("utf-8")
    assert result.stderr == ""


def test_words_of_the_user_are_shown_as_safely(run: Run) -> None:
    for arguments in (["check", ODD], ["check", "--output", f"x:{ODD}"], ["explain", ODD], ["check", "--select", ODD]):
        result = run(*arguments)
        assert result.returncode == 2
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|##\[|^\s*::", result.stderr, re.MULTILINE), arguments
