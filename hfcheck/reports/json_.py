"""The report as JSON, version 1: `schemas/report.schema.json` is its contract."""

import json
from typing import Any

from hfcheck.finding import MESSAGE, Severity, printable, shorten, visible
from hfcheck.loading.judge import Load
from hfcheck.locate import Located
from hfcheck.opinion.answer import Judged, Silent
from hfcheck.opinion.gather import Heard
from hfcheck.report import Report, RepositoryReport, Skipped
from hfcheck.reports import sink

SCHEMA_VERSION = 1


def render(report: Report) -> str:
    """The document, indented by two, with a newline at its end."""
    return dumps(document(report))


def dumps(value: dict[str, Any]) -> str:
    """JSON in ASCII, safe in a web page, where `<` could end an element, and in a log, where `##[` is a command."""
    text = json.dumps(value, indent=2, ensure_ascii=True)
    for mark, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("##", "#\\u0023")):
        text = text.replace(mark, escaped)
    return f"{text}\n"


def document(report: Report) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "hfcheck_version": report.version,
        "settings": visible(report.settings) if report.settings else None,
        "repositories": [_repository(repository, report.fail_on) for repository in report.repositories],
        "summary": {
            "repositories": len(report.repositories),
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.NOTE),
        },
    }


MAX_NAMES = 10_000
"""Names in a list of `load`; `counts` says how many there are."""


def _repository(repository: RepositoryReport, fail_on: Severity) -> dict[str, Any]:
    return {
        "path": visible(repository.path),
        "kind": repository.kind.value,
        "verdict": repository.verdict(fail_on).value,
        "load": load(repository.load, repository.architecture),
        "files": {"checked": repository.checked, "skipped": [_skipped(skipped) for skipped in repository.skipped]},
        "findings": [finding(located) for located in repository.findings],
        "ignored": [
            {**finding(ignored.located), "reason": sink.name(ignored.reason)} for ignored in repository.ignored
        ],
        "second_opinion": None if repository.heard is None else [_heard(heard) for heard in repository.heard],
    }


def load(load: Load, declared: str | None) -> dict[str, Any]:
    lists = {"missing": load.missing, "unexpected": load.unexpected, "mismatched": load.mismatched}
    return {
        "engine": load.engine,
        "architecture": _optional(load.architecture or declared),
        "outcome": load.outcome,
        "reason": printable(shorten(load.reason, MESSAGE)),
        **{kind: [sink.name(name) for name in names[:MAX_NAMES]] for kind, names in lists.items()},
        "counts": {kind: len(names) for kind, names in lists.items()},
    }


def _skipped(skipped: Skipped) -> dict[str, str]:
    reason = f"{skipped.reason.value}: {sink.name(skipped.detail)}" if skipped.detail else skipped.reason.value
    return {"path": visible(skipped.path), "reason": reason}


def _heard(heard: Heard) -> dict[str, Any]:
    place = {"path": visible(heard.path), "member": _optional(heard.member), "offset": heard.offset}
    match heard.opinion:
        case Judged(engine, word, reasons):
            return {**place, "engine": engine, "opinion": word, "reason": sink.name(reasons, MESSAGE)}
        case Silent(reason):
            return {**place, "engine": None, "opinion": None, "reason": printable(shorten(reason, MESSAGE))}


def finding(located: Located) -> dict[str, Any]:
    finding = located.finding
    return {
        "id": finding.id,
        "name": finding.name,
        "severity": finding.severity.value,
        "path": visible(finding.at.path),
        "pointer": _optional(finding.at.pointer),
        "tensor": _optional(finding.at.tensor),
        "member": _optional(finding.at.member),
        "line": located.line,
        "column": located.column,
        "offset": located.offset,
        "message": printable(finding.message),
        "hint": printable(finding.hint),
        "fingerprint": finding.fingerprint,
    }


def _optional(text: str | None) -> str | None:
    return None if text is None else sink.name(text)
