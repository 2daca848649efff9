"""SARIF 2.1.0, for GitHub code scanning and other result viewers.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os.html . One run for each repository,
none of which holds a path of the machine, so that the same bytes give the same file anywhere.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, count
from posixpath import basename
from typing import Any

from hfcheck.finding import At, Finding, Severity, printable, shorten, visible
from hfcheck.locate import Located
from hfcheck.report import Report, RepositoryReport, Skipped
from hfcheck.reports import sink
from hfcheck.reports.explanation import documentation, explain, section, title, web_page
from hfcheck.reports.json_ import dumps
from hfcheck.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/hfcheck/hfcheck"
BASE = "ROOT"

DESCRIPTION = 1024
"""Characters of a description that GitHub takes."""

NOTIFICATIONS = 1000
"""Files of a repository that are named as not checked; the JSON report names all."""

PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
SECURITY = {Severity.ERROR: "9.3", Severity.WARNING: "6.5", Severity.NOTE: "2.0"}
"""What GitHub ranks security alerts by: over 9 critical, over 7 high, over 4 medium, else low."""

PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")


def render(report: Report) -> str:
    """The document, indented by two, with a newline at its end."""
    return dumps(document(report))


def document(report: Report) -> dict[str, Any]:
    ids = _run_ids(report.repositories)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [_run(report, repository, id_) for repository, id_ in zip(report.repositories, ids, strict=True)],
    }


def _run(report: Report, repository: RepositoryReport, id_: str) -> dict[str, Any]:
    base = "The folder that was checked." if repository.prefix is None else "The folder that hfcheck was run in."
    return {
        "tool": {
            "driver": {
                "name": "hfcheck",
                "version": report.version,
                "semanticVersion": report.version,
                "informationUri": HOME,
                "rules": [_rule(rule) for rule in report.rules],
            }
        },
        "automationDetails": {"id": id_},
        # Without `uri`: where the folder lay is nobody's business, and would be another on the next machine.
        "originalUriBaseIds": {BASE: {"description": {"text": base}}},
        "invocations": [_invocation(report, repository)],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(report, repository)),
    }


def _run_ids(repositories: tuple[RepositoryReport, ...]) -> Iterator[str]:
    """`hfcheck/models/a/`, by which GitHub tells the runs of one upload apart: two that are equal are refused."""
    used: set[str] = set()
    for repository in repositories:
        folder = repository.prefix
        if folder is None:  # the name alone: the rest of the way is the machine's
            folder = basename(repository.path.rstrip("/")).replace("..", "")
        stem = "/".join(filter(None, ("hfcheck", uri(folder))))
        names = chain((f"{stem}/",), (f"{stem}~{number}/" for number in count(2)))
        used.add(id_ := next(name for name in names if name not in used))
        yield id_


def _rule(rule: Rule) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "tags": ["security" if rule.confidence else "correctness", rule.id[:3]],
        "precision": rule.confidence or "very-high",
        "problem.severity": PROBLEM[rule.severity],
    }
    if rule.confidence:
        properties["security-severity"] = SECURITY[rule.severity]
    descriptor: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": title(rule)},
        "fullDescription": {"text": shorten(section(rule, "What it finds"), DESCRIPTION) or title(rule)},
        "help": {"text": documentation(rule) or rule.hint, "markdown": explain(rule)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": properties,
    }
    page = web_page(rule)
    return {**descriptor, "helpUri": page} if page else descriptor


def _invocation(report: Report, repository: RepositoryReport) -> dict[str, Any]:
    left_out = repository.incomplete
    notes = [_notification(repository, skipped) for skipped in left_out[:NOTIFICATIONS]]
    if more := len(left_out[NOTIFICATIONS:]):
        notes.append({"level": "warning", "message": _message(f"{more} more files were not checked.")})
    return {
        "executionSuccessful": not left_out and not repository.crashed,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": notes,
    }


def _notification(repository: RepositoryReport, skipped: Skipped) -> dict[str, Any]:
    detail = f" ({sink.name(skipped.detail)})" if skipped.detail else ""
    return {
        "level": "warning",
        "message": _message(f"Not checked: {skipped.reason.value}{detail}."),
        "locations": [{"physicalLocation": _physical(repository, skipped.path, {"startLine": 1})}],
    }


def _results(report: Report, repository: RepositoryReport) -> Iterator[dict[str, Any]]:
    indexes = {rule.id: index for index, rule in enumerate(report.rules)}
    seen: Counter[str] = Counter()
    found: list[tuple[Located, str | None]] = [(located, None) for located in repository.findings]
    # Ignored results stay, marked: left out, GitHub would close the alert and open it anew without the setting.
    found += [(ignored.located, ignored.reason) for ignored in repository.ignored]
    for located, reason in sorted(found, key=_place):
        finding = located.finding
        seen[finding.fingerprint] += 1
        result = {
            "ruleId": finding.id,
            "level": finding.severity.value,
            "message": _message(f"{printable(finding.message).rstrip('.')}. {printable(finding.hint)}"),
            "locations": [_location(repository, located)],
            "partialFingerprints": {
                "hfcheck/v1": finding.fingerprint,
                # The only one that GitHub reads; it must be unique, also for the same fault twice in one place.
                "primaryLocationLineHash": f"{finding.fingerprint}:{seen[finding.fingerprint]}",
            },
            "suppressions": [] if reason is None else [_suppression(reason)],
        }
        yield {**result, "ruleIndex": indexes[finding.id]} if finding.id in indexes else result


def _place(entry: tuple[Located, str | None]) -> tuple[str, int, int, int, str, str]:
    located = entry[0]
    at = located.finding.at
    return at.path, located.line or 0, located.column or 0, located.offset or 0, located.finding.id, at.logical


def _suppression(reason: str) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": sink.name(reason)}


def _location(repository: RepositoryReport, located: Located) -> dict[str, Any]:
    location = {"physicalLocation": _physical(repository, located.finding.at.path, _region(located))}
    logical = _logical(located.finding)
    return {**location, "logicalLocations": [logical]} if logical else location


def _physical(repository: RepositoryReport, path: str, region: dict[str, int]) -> dict[str, Any]:
    prefix = repository.prefix or ""
    address = uri(prefix if path == "." else f"{prefix}{path}")
    return {"artifactLocation": {"uri": address or ".", "uriBaseId": BASE}, "region": region}


def _region(located: Located) -> dict[str, int]:
    """GitHub shows nothing without a line, so a binary file gets its first one beside the bytes."""
    line, column = located.line or 1, located.column or 1
    region = {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 1}
    return region if located.offset is None else {**region, "byteOffset": located.offset, "byteLength": 1}


def _logical(finding: Finding) -> dict[str, str] | None:
    at = finding.at
    name, kind = _named(at)
    if not name:
        return None
    qualified = at.logical if kind == "property" else f"{at.path}{at.logical}"
    return {"name": sink.name(name), "fullyQualifiedName": sink.name(qualified), "kind": kind}


def _named(at: At) -> tuple[str, str]:
    if at.tensor:
        return at.tensor, "tensor"
    if at.member:
        return at.member, "resource"
    key = (at.pointer or "").rsplit("/", 1)[-1]
    return key.replace("~1", "/").replace("~0", "~"), "property"


def _message(text: str) -> dict[str, str]:
    """A plain text message (3.11): braces are doubled, and nothing in it is a link that somebody could click."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "]\\x28")}


def uri(path: str) -> str:
    """A path as a relative reference (RFC 3986): every byte but letters, digits and `._~-` is encoded.

    It holds no scheme, host or `..`, whatever the path: a part that would climb is written as its visible characters.
    """
    parts = [part.replace(".", "\\x2e") if part == ".." else part for part in path.split("/") if part not in ("", ".")]
    return "/".join("".join(chr(byte) if byte in PLAIN else f"%{byte:02X}" for byte in _bytes(part)) for part in parts)


def _bytes(text: str) -> bytes:
    """The bytes of a name on the disk; of what can be none, those that say so."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return visible(text).encode()
