"""What hfcheck says about the same folder, from the folder alone and through its own report."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time

from benchmarks.agreement.oracle import Names
from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.finding import Severity
from hfcheck.report import Report
from hfcheck.reports import json_
from hfcheck.rule import Rule


@dataclass(frozen=True, slots=True)
class Said:
    """The `load` of the report, and the rules that found an error or a warning."""

    outcome: str
    architecture: str
    reason: str
    missing: Names
    unexpected: Names
    mismatched: Names
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float


@cache
def _rules() -> tuple[Rule, ...]:
    return registry.load()


def ask(folder: Path) -> Said:
    rules = _rules()
    start = process_time()
    report = engine.check(".", str(folder), rules, Settings())
    load = json_.document(Report((report,), rules, Severity.ERROR))["repositories"][0]["load"]
    seconds = process_time() - start
    found = {severity: set[str]() for severity in Severity}
    for located in report.findings:
        found[located.finding.severity].add(located.finding.id)
    return Said(
        load["outcome"],
        load["architecture"] or "",
        load["reason"],
        Names.of(load["missing"]),
        Names.of(load["unexpected"]),
        Names.of(map(_name, load["mismatched"])),
        tuple(sorted(found[Severity.ERROR])),
        tuple(sorted(found[Severity.WARNING])),
        seconds,
    )


def _name(mismatch: str | dict[str, str]) -> str:
    return mismatch if isinstance(mismatch, str) else mismatch["name"]
