"""Rehearsals of small folders, by interpreters and programs that are not always in good health."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck.facts import Facts, units
from hfcheck.rehearsal import copies, rehearse
from hfcheck.repository import scan

Worker = Callable[[str, str, str], None]
"""Has another program run in the place of "read" or "copy": its own with a piece of text exchanged for another."""


def facts_of(folder: Path) -> Facts:
    (facts,) = units(scan(str(folder)))
    return facts


@pytest.fixture
def interpreter(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Starts processes of its own with this line of a shell, in which {python} is the interpreter of the tests."""

    def choose(line: str) -> None:
        script = tmp_path_factory.mktemp("bin") / "python"
        script.write_text(f"#!/bin/sh\n{line.format(python=sys.executable)}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return choose


@pytest.fixture
def worker(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Worker:
    def choose(name: str, old: str, new: str) -> None:
        text = (Path(rehearse.__file__).parent / f"{name}_worker.py").read_text()
        assert old in text
        program = tmp_path_factory.mktemp("worker") / "program.py"
        program.write_text(text.replace(old, new, 1))
        monkeypatch.setattr(copies if name == "copy" else rehearse, "PROGRAM", str(program))

    return choose
