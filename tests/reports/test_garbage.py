"""What a plugin gives instead of findings reaches no report; that it failed does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from hfcheck import engine
from hfcheck.config import Settings
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.report import Report
from hfcheck.reports import FORMATS
from hfcheck.rule import Rule

ESCAPE = "\x1b[31m"


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Garbage(Rule):
    id, name, severity, since, hint = "REP990", "garbage", Severity.NOTE, "1.0", "Nothing."
    bad = good = ()

    def __init__(self, given: object) -> None:
        self.given = given

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield self.finding(At("config.json"), f"{len(facts.files)} files")
        if isinstance(self.given, Exception):
            raise self.given
        yield cast("Finding", self.given)


def finding(**parts: object) -> object:
    whole = {"id": "REP990", "name": "garbage", "severity": Severity.NOTE, "at": At("x"), "message": "m", "hint": "H."}
    return Finding(**{**whole, **parts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "a finding",
        Silent(),
        finding(id=ESCAPE),
        finding(id="IDX001", name="index-shard-missing"),
        finding(name=ESCAPE),
        finding(severity="error"),
        finding(at="config.json"),
        finding(at=At(cast("str", None))),
        finding(at=At(cast("str", b"x"))),
        finding(at=At("x", pointer=cast("str", 1))),
        finding(at=At("x", tensor=cast("str", 1))),
        finding(at=At("x", offset=cast("int", "1"))),
        finding(message=None),
        finding(message=b"m"),
        finding(hint=3),
    ],
    ids=repr,
)
def test_garbage_is_a_failure_of_the_rule(given: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    report = Report((engine.check("a", str(tmp_path), (Garbage(given),), Settings()),), (), version="0.1.0")
    assert [located.finding.id for located in report.repositories[0].findings] == ["HFC003", "REP990"]
    assert report.exit_code == 4
    for render in FORMATS.values():
        assert ESCAPE not in render(report)
    assert len(json.loads(FORMATS["json"](report))["repositories"][0]["findings"]) == 2
