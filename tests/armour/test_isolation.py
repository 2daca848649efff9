"""Requirement 9: settings, modules and marks of the scanned repository change nothing in its report."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]

SILENCE = 'ignore = { IDX = "none", FMT = "none", REP = "none", SEC = "none", WGT = "none" }\n'
CARRIED = {
    ".hfcheck.toml": SILENCE,
    "pyproject.toml": f"[tool.hfcheck]\n{SILENCE}",
    ".hfcheckignore": "*\n",
    "hfcheck-baseline.json": '{"findings": []}',
    "hfcheck_rules.py": "raise SystemExit(0)\n",
    "click.py": "raise SystemExit(0)\n",
    "json.py": "raise SystemExit(0)\n",
    "evil.dist-info/entry_points.txt": "[hfcheck.rules]\nevil = hfcheck_rules\n",
    "evil.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1\n",
    "README.md": "<!-- hfcheck: ignore-file -->\n",
}


def carry(folder: Path) -> None:
    for name, text in CARRIED.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def findings(text: str) -> list[dict[str, Any]]:
    """Without the entries of the carried files themselves."""
    (repository,) = json.loads(text)["repositories"]
    return [
        finding for finding in repository["findings"] if finding["path"] not in CARRIED and finding["id"] != "RMC005"
    ]


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_a_repository_cannot_silence_its_findings(
    faulty: Path, program: Program, *, isolated: bool, inside: bool
) -> None:
    """With and without --isolated, from within the repository and from beside it: it is no work tree of the user's."""
    options = ["--format", "json", *(["--isolated"] if isolated else [])]
    where = {"cwd": faulty} if inside else {"cwd": faulty.parent}
    target = "." if inside else faulty.name
    before = program("check", target, *options, **where)
    carry(faulty)
    after = program("check", target, *options, **where)
    assert before.returncode == after.returncode == 1
    assert findings(before.stdout)
    assert findings(before.stdout) == findings(after.stdout)
    if inside:
        assert "not used because" in after.stderr


def test_settings_of_the_user_do_count(faulty: Path, program: Program) -> None:
    (faulty.parent / ".hfcheck.toml").write_text(SILENCE)
    report = json.loads(program("check", faulty.name, "--format", "json", cwd=faulty.parent).stdout)
    (repository,) = report["repositories"]
    assert not {finding["id"][:3] for finding in repository["findings"]} & {"IDX", "FMT", "REP", "SEC", "WGT"}
    assert {finding["reason"] for finding in repository["ignored"]} == {"none"}, "ignored is not forgotten"
    assert report["settings"].endswith(".hfcheck.toml")


def test_settings_in_a_work_tree_count_and_are_named(faulty: Path, program: Program) -> None:
    carry(faulty)
    (faulty / ".git").mkdir()
    result = program("check", ".", cwd=faulty)
    assert result.stdout.startswith("settings: ")
    assert ".hfcheck.toml" in result.stdout.splitlines()[0]


def test_broken_settings_of_a_stranger_are_not_even_read(faulty: Path, program: Program) -> None:
    (faulty / ".hfcheck.toml").write_text("][")
    assert program("check", ".", "--isolated", cwd=faulty).returncode == 1
    assert program("check", ".", cwd=faulty).returncode == 1


@pytest.mark.parametrize("word", ["R", "S", "SEC0", "remote-code", "shard-path-escapes"])
def test_security_rules_need_a_reason_by_whatever_name(faulty: Path, program: Program, word: str) -> None:
    """A short prefix or the name means them just as well, and so does the table of a path."""
    for setting in (f'ignore = ["{word}"]\n', f'[per-path]\n"*" = ["{word}"]\n'):
        (faulty.parent / ".hfcheck.toml").write_text(setting)
        result = program("check", faulty.name, cwd=faulty.parent)
        assert result.returncode == 2
        assert "needs a reason" in result.stderr


def test_a_link_makes_no_work_tree(faulty: Path, program: Program) -> None:
    """Settings that are a link into a work tree of the user still lie in the repository of a stranger."""
    mine = faulty.parent / "mine"
    (mine / ".git").mkdir(parents=True)
    (mine / "settings.toml").write_text(SILENCE)
    (faulty / ".hfcheck.toml").symlink_to("../mine/settings.toml")
    result = program("check", ".", cwd=faulty)
    assert result.returncode == 1
    assert "not used because" in result.stderr


def test_security_rules_need_a_reason(faulty: Path, program: Program) -> None:
    (faulty.parent / ".hfcheck.toml").write_text('ignore = ["RMC"]\n')
    result = program("check", faulty.name, cwd=faulty.parent)
    assert result.returncode == 2
    assert "needs a reason" in result.stderr
