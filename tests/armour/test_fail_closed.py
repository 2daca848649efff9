"""Requirement 3: what fails is said, one at a time, and the rest goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from hfcheck import engine, registry
from hfcheck.config import Settings
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


def check(folder: Path, *plugins: Rule) -> Report:
    rules = (*registry.load(), *plugins)
    return Report((engine.check(".", str(folder), rules, Settings()),), rules)


@pytest.mark.parametrize("plugin", [Raises(), Recurses(), Babbles()], ids=lambda rule: rule.name)
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
