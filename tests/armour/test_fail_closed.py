"""Requirement 3: what fails is said, one at a time, and the rest goes on."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import cast

import pytest

from hfcheck import engine, formats, registry
from hfcheck.config import PerPath, Settings
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.report import Reason, Report, Verdict
from hfcheck.rule import Rule


class Plugin(Rule):
    """What the rules below have in common."""

    severity = Severity.NOTE
    since = "0.1"
    hint = "Nothing."
    bad = ()
    good = ()


class Raises(Plugin):
    id, name = "REP901", "raises"

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield self.finding(At(facts.inside("config.json")), "seen before it failed")
        raise KeyError("hostile \x1b[2J\n::error::forged")


class Recurses(Plugin):
    id, name = "REP902", "recurses"

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield from self.check(facts)


class Loops(Plugin):
    id, name = "REP903", "loops"

    def check(self, facts: Facts) -> Iterator[Finding]:
        while facts.files:
            pass
        yield self.finding(At("config.json"), "never")


class Floods(Plugin):
    id, name = "REP904", "floods"

    def check(self, facts: Facts) -> Iterator[Finding]:
        while facts.files:
            yield self.finding(At("config.json"), "again")


class Babbles(Plugin):
    id, name = "REP905", "babbles"

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield cast("Finding", f"no finding at all, for {facts.kind}")


class Exits(Plugin):
    id, name = "REP906", "exits"

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield from ()
        raise SystemExit(0 * len(facts.files))


class Swallows(Plugin):
    """Catches the signal as well, once."""

    id, name = "REP907", "swallows"

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield from ()
        with suppress(Exception):
            while facts.files:
                pass
        while facts.files:
            pass


class Saves(Plugin):
    """A thousand warnings before the one error."""

    id, name = "REP908", "saves"

    def check(self, facts: Facts) -> Iterator[Finding]:
        if not facts.folder:
            for _ in range(1000):
                yield self.finding(At("config.json"), "a warning", severity=Severity.WARNING)
            yield self.finding(At("sub/adapter_config.json"), "the error", severity=Severity.ERROR)


def check(folder: Path, *plugins: Rule, settings: Settings | None = None) -> Report:
    rules = (*registry.load(), *plugins)
    return Report((engine.check(".", str(folder), rules, settings or Settings()),), rules)


@pytest.mark.parametrize("plugin", [Raises(), Recurses(), Babbles(), Exits()], ids=lambda rule: rule.name)
def test_a_rule_that_fails(faulty: Path, plugin: Rule) -> None:
    clean, report = check(faulty), check(faulty, plugin)
    crashes = [located.finding for located in report.repositories[0].findings if located.finding.id == "HFC003"]
    assert {crash.at.path for crash in crashes} == {".", "sub"}, "one for each unit"
    assert all(plugin.id in crash.message and crash.message.isprintable() for crash in crashes)
    assert report.exit_code == 4
    others = [located for located in report.repositories[0].findings if located.finding.id not in {"HFC003", plugin.id}]
    assert others == list(clean.repositories[0].findings), "all other rules were run"


def test_what_a_rule_found_before_it_failed_is_kept(faulty: Path) -> None:
    found = [located.finding.message for located in check(faulty, Raises()).repositories[0].findings]
    assert "seen before it failed" in found


def test_a_rule_that_never_ends(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.2)
    report = check(faulty, Loops())
    assert any("REP903" in located.finding.message for located in report.repositories[0].findings)
    assert report.exit_code == 4


def test_a_rule_that_floods(faulty: Path) -> None:
    found = [located.finding for located in check(faulty, Floods()).repositories[0].findings]
    assert sum(finding.id == "REP904" for finding in found) == engine.PER_RULE
    (capped,) = [finding for finding in found if finding.id == "HFC004"]
    assert "REP904 floods" in capped.message
    assert any(finding.severity is Severity.ERROR for finding in found), "the flood hides nothing"
    assert any(finding.id == "HFC003" and "REP904" in finding.message for finding in found), "what it had still to say"


def test_a_rule_that_catches_everything(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.2)
    assert check(faulty, Swallows()).exit_code == 4


def test_an_error_behind_a_thousand_warnings(faulty: Path) -> None:
    found = [located.finding for located in check(faulty, Saves()).repositories[0].findings]
    assert "the error" in {finding.message for finding in found if finding.id == "REP908"}


def test_an_error_behind_a_thousand_that_are_ignored(faulty: Path) -> None:
    settings = Settings(per_path=(PerPath("config.json", {"REP908": "on purpose"}),))
    report = check(faulty, Saves(), settings=settings).repositories[0]
    assert "the error" in {located.finding.message for located in report.findings}
    assert sum(ignored.located.finding.id == "REP908" for ignored in report.ignored) == engine.PER_RULE
    assert any("900 more ignored findings of REP908" in located.finding.message for located in report.findings)


def test_warnings_of_names_do_not_hide_the_error(tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"a{number}?.txt").touch()
    (tmp_path / "b\x1b[2J.txt").touch()
    assert check(tmp_path).exit_code == 1


def test_a_reader_that_fails_on_one_file(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_stream: object) -> object:
        raise RecursionError

    before = check(faulty).repositories[0]
    monkeypatch.setitem(formats.BY_SUFFIX, ".py", fails)
    (faulty / "modeling.py").write_text("x = 1")
    report = check(faulty)
    assert ("modeling.py", Reason.UNREADABLE) in {
        (skipped.path, skipped.reason) for skipped in report.repositories[0].skipped
    }
    others = [located for located in report.repositories[0].findings if located.finding.at.path != "modeling.py"]
    assert others == list(before.findings), "all other files were read"


def test_a_reader_that_never_ends(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loops(_stream: object) -> object:
        while True:
            pass

    monkeypatch.setattr(engine, "FILE_SECONDS", 0.2)
    monkeypatch.setitem(formats.BY_SUFFIX, ".py", loops)
    (faulty / "modeling.py").write_text("x = 1")
    report = check(faulty)
    assert ("modeling.py", Reason.LIMIT) in {
        (skipped.path, skipped.reason) for skipped in report.repositories[0].skipped
    }
    assert report.exit_code == 1


def test_the_time_of_a_repository(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_stream: object) -> object:
        sleep(0.3)
        return None

    monkeypatch.setattr(engine, "REPOSITORY_SECONDS", 0.1)
    monkeypatch.setitem(formats.BY_SUFFIX, ".json", slow)
    report = check(faulty)
    assert report.exit_code != 0
    assert any(skipped.reason is Reason.LIMIT for skipped in report.repositories[0].skipped)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_among_good_ones(faulty: Path) -> None:
    (faulty / "config.json").chmod(0)
    report = check(faulty)
    assert any(located.finding.id == "HFC002" for located in report.repositories[0].findings)
    assert report.exit_code == 1


def test_a_limit_is_never_clean(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 200 + "]" * 200)
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    report = check(tmp_path)
    repository = report.repositories[0]
    assert [skipped.path for skipped in repository.skipped if skipped.reason is Reason.LIMIT] == ["config.json"]
    assert "HFC001" in {located.finding.id for located in repository.findings}
    assert repository.verdict(Severity.ERROR) is not Verdict.PASS
    assert report.exit_code != 0


Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A line for the shell with `$H` for the program, in a folder with `bad`, which has an error, and `good`."""
    for name, config in (("bad", "["), ("good", '{"model_type": "llama"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    program = shlex.join([sys.executable, "-m", "hfcheck"])

    def run(line: str) -> "subprocess.CompletedProcess[str]":
        command = ["bash", "-o", "pipefail", "-c", line.replace("$H", program)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.mark.skipif(shutil.which("bash") is None or not Path("/dev/full").exists(), reason="needs bash and /dev/full")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$H check bad >&-", 1),
        ("$H check good >&-", 0),
        ("$H check bad 2>&-", 1),
        ("$H check bad <&-", 1),
        ("$H check good > /dev/full", 2),
        ("$H check good --output json:/dev/full", 2),
        ("$H check good --format sarif | head -c 1 > /dev/null", 0),
        ("$H check bad --format sarif | head -c 1 > /dev/null", 1),
        ("PYTHONIOENCODING=ascii:strict $H check bad", 1),
        ("PYTHONWARNINGS=error PYTHONDEVMODE=1 $H check bad", 1),
        ("PYTHONOPTIMIZE=2 $H check bad --format sarif", 1),
        ("PYTHONINTMAXSTRDIGITS=0 $H check bad", 1),
        ("D=$PWD; mkdir gone; cd gone; rmdir ../gone; $H check $D/bad", 1),
        ("D=$PWD; mkdir gone; cd gone; rmdir ../gone; $H check $D/good", 0),
        ("mkdir gone; cd gone; rmdir ../gone; $H rules", 0),
        ("$H check good/config.json bad", 1),
    ],
)
def test_wherever_the_report_goes(line: str, code: int, shell: Shell) -> None:
    result = shell(line)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert "itself failed" not in result.stderr


def test_an_interrupt_is_no_verdict(shell: Shell) -> None:
    """A named pipe that nobody reads keeps it waiting."""
    line = "mkfifo pipe; $H check good --output text:pipe & sleep 1; kill -INT $!; wait $!"
    assert shell(f"set -m; {line}").returncode == 130
