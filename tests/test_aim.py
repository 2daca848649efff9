"""A check for which somebody named devices: which units are planned, and what becomes of a plan that fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry, testing
from hfcheck.budget import TimeUp
from hfcheck.company import ALONE, Aim, Company
from hfcheck.config import Settings
from hfcheck.dry_run.command import exit_code
from hfcheck.example import Example
from hfcheck.facts import Facts, units
from hfcheck.placement import dry_run
from hfcheck.placement.device import devices
from hfcheck.placement.rehearsed import FileRead, Rehearsed, Skip
from hfcheck.placement.target import Target
from hfcheck.report import Report, RepositoryReport
from hfcheck.repository import scan
from hfcheck.rule import Rule

TARGET = Target(devices(["0=1GiB:sm_80"]))
RULES = tuple(rule for rule in registry.load() if rule.id.startswith("DEV"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    testing.write(Example("", testing.llama()), tmp_path)
    return tmp_path


def check(folder: Path, company: Company) -> RepositoryReport:
    return engine.check(".", str(folder), RULES, Settings(), company)


def test_nobody_asked(model: Path) -> None:
    assert check(model, ALONE).dry_run is None


def test_the_dry_run_comes_back(model: Path) -> None:
    report = check(model, Company(aim=Aim(TARGET)))
    assert report.dry_run is not None
    assert (report.dry_run.target, report.dry_run.verdict, report.fit) == (TARGET, "fits", "fits")


def test_an_aim_at_one_folder(model: Path) -> None:
    files = {f"inner/{name}": content for name, content in testing.llama().items()}
    testing.write(Example("", files), model)
    parts = units(scan(str(model)))
    assert {facts.folder for facts in parts} == {"", "inner"}
    assert [Aim(TARGET, "inner").at(facts).target is TARGET for facts in parts] == [
        facts.folder == "inner" for facts in parts
    ]
    assert all(Aim(TARGET).at(facts).target is TARGET for facts in parts)
    assert check(model, Company(aim=Aim(TARGET, "inner"))).dry_run is None, "that of the root is told"


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_plan_that_fails_is_told_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not by every rule that would have looked at it."""
    monkeypatch.setattr(dry_run, "dry_run", failing(ValueError("x")))
    heard: list[str] = []

    def hear(rule: Rule, error: BaseException) -> None:
        heard.append(f"{rule.id} {type(error).__name__}")

    report = check(model, Company(hear, aim=Aim(TARGET)))
    assert [located.finding.id for located in report.findings] == ["HFC003"]
    assert (report.crashed, report.dry_run, report.fit, heard) == (True, None, "incomplete", ["HFC003 ValueError"])


def test_a_plan_that_takes_too_long(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "dry_run", failing(TimeUp()))
    report = check(model, Company(aim=Aim(TARGET)))
    assert report.dry_run is not None
    assert (report.dry_run.incomplete, report.fit, report.crashed) == ("it took too long to tell", "incomplete", False)


def test_a_rehearsal_comes_after_the_plan(model: Path) -> None:
    def rehearse(facts: Facts) -> Rehearsed:
        assert facts.dry_run is not None
        return Rehearsed((), scanner="none")

    assert check(model, Company(rehearse=rehearse)).rehearsed is None, "nobody asked for devices"
    report = check(model, Company(aim=Aim(TARGET), rehearse=rehearse))
    assert report.rehearsed == Rehearsed((), scanner="none")
    failed = check(model, Company(aim=Aim(TARGET), rehearse=failing(ValueError("x"))))
    assert (failed.crashed, failed.rehearsed, failed.fit) == (True, None, "fits")


@pytest.mark.parametrize(
    ("rehearsed", "code"),
    [
        (None, 0),
        (Rehearsed((FileRead("a", 1, 1),), skipped=(Skip("the copies", "there is no torch"),)), 0),
        (Rehearsed((FileRead("a", 1, 1),), skipped=(Skip("the file", "it is a link", "b"),)), 3),
        (Rehearsed(()), 3),
    ],
)
def test_a_file_that_was_not_read_is_no_success(model: Path, rehearsed: Rehearsed | None, code: int) -> None:
    report = replace(check(model, Company(aim=Aim(TARGET))), rehearsed=rehearsed)
    assert exit_code(Report((report,), RULES)) == code
