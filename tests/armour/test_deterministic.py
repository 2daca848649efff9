"""Requirement 12: the same bytes give the same report, wherever and whenever they are read."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hfcheck import engine, registry, reports
from hfcheck.config import Settings
from hfcheck.report import Report

Program = Callable[..., "subprocess.CompletedProcess[str]"]
ENVIRONMENTS: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "2"},
    {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("format_", ["json", "sarif"])
def test_whatever_the_environment(faulty: Path, program: Program, format_: str) -> None:
    runs = [program("check", ".", "--format", format_, cwd=faulty, **environment) for environment in ENVIRONMENTS]
    assert runs[0].stdout
    assert {run.stdout for run in runs} == {runs[0].stdout}


@pytest.mark.parametrize("format_", ["json", "sarif", "text", "github"])
def test_wherever_it_lies(faulty: Path, tmp_path: Path, program: Program, format_: str) -> None:
    other = tmp_path / "another place" / "faulty"
    shutil.copytree(faulty, other, symlinks=True, ignore=shutil.ignore_patterns("pipe.bin"))
    os.mkfifo(other / "pipe.bin")
    runs = [program("check", "faulty", "--format", format_, cwd=folder.parent) for folder in (faulty, other)]
    assert runs[0].stdout == runs[1].stdout


def test_whatever_order_the_disk_has(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = registry.load()

    def rendered() -> list[str]:
        report = Report((engine.check(".", str(faulty), rules, Settings()),), rules)
        return [render(report) for render in reports.FORMATS.values()]

    before = rendered()
    real = os.scandir

    @contextmanager
    def backwards(path: str) -> Iterator[Iterator["os.DirEntry[str]"]]:
        with real(path) as listing:
            yield iter(sorted(listing, key=lambda item: item.name, reverse=True))

    monkeypatch.setattr(os, "scandir", backwards)
    assert rendered() == before


def test_a_folder_and_what_is_in_it(faulty: Path, program: Program) -> None:
    """Counted once, whatever is named twice, by a link, or inside another argument."""
    (faulty.parent / "link").symlink_to("faulty")
    alone = program("check", "faulty", cwd=faulty.parent).stdout
    assert "in 1 repository" in alone
    for more in ("faulty/sub", "faulty/", "link", "./faulty", "faulty/sub/adapter_config.json", "faulty/config.json"):
        assert program("check", "faulty", more, cwd=faulty.parent).stdout == alone, more


def test_arguments_in_another_order(faulty: Path, program: Program) -> None:
    shutil.copytree(faulty / "sub", faulty.parent / "second")
    runs = [program("check", *paths, cwd=faulty.parent) for paths in (("faulty", "second"), ("second", "faulty"))]
    assert runs[0].stdout == runs[1].stdout
    assert "in 2 repositories" in runs[0].stdout
