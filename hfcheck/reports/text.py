"""The report for people: one block for each repository, grouped by file, and a line that says what was covered."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby

from hfcheck.finding import Severity, visible
from hfcheck.locate import Located
from hfcheck.report import Reason, Report, RepositoryReport, Verdict

BOLD, DIM = "1", "2"
COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
VERDICT_COLOURS = {Verdict.PASS: "32", Verdict.FAIL: "31", Verdict.INCOMPLETE: "33"}

Paint = Callable[[str, str], str]


def render(report: Report) -> str:
    """Plain text, for a pipe or a log."""
    return _rendered(report, lambda text, _: text)


def coloured(report: Report) -> str:
    """The same with colours, for a terminal."""
    return _rendered(report, lambda text, colour: f"\x1b[{colour}m{text}\x1b[0m")


def _rendered(report: Report, paint: Paint) -> str:
    lines: list[str] = []
    if report.settings:
        lines += [f"settings: {_printed(report.settings)}", ""]
    for repository in report.repositories:
        lines += [*_repository(repository, report.fail_on, paint), ""]
    return "\n".join([*lines, _summary(report), ""])


def _repository(repository: RepositoryReport, fail_on: Severity, paint: Paint) -> Iterator[str]:
    verdict = repository.verdict(fail_on)
    kind = repository.kind.value if repository.architecture is None else _printed(repository.architecture)
    word = paint(verdict.value, VERDICT_COLOURS[verdict])
    yield f"{paint(_place(repository.path), BOLD)}  {kind}  {word}"
    for path, group in groupby(repository.findings, key=lambda located: located.finding.at.path):
        yield ""
        yield f"  {paint(_printed(path), BOLD)}"
        for located in group:
            yield from _finding(located, paint)
    if repository.findings:
        yield ""
    yield f"  {_coverage(repository)}"
    if repository.ignored:
        yield f"  {_plural(len(repository.ignored), 'finding')} ignored by settings"


def _finding(located: Located, paint: Paint) -> Iterator[str]:
    finding = located.finding
    where = ""
    if located.line is not None:
        where = f"line {located.line}, column {located.column}: "
    elif located.offset is not None:
        where = f"byte {located.offset}: "
    severity = paint(f"{finding.severity.value:<7}", COLOURS[finding.severity])
    yield f"    {severity} {finding.id} {finding.name}"
    yield f"            {where}{_unforged(finding.message)}"
    yield f"            {paint(_unforged(finding.hint), DIM)}"


def _coverage(repository: RepositoryReport) -> str:
    """`12 files: 9 checked, 1 pointer, 2 not a known type`."""
    counts = Counter(skipped.reason for skipped in repository.skipped)
    parts = [f"{repository.checked} checked", *(f"{counts[reason]} {_short(reason)}" for reason in Reason if reason in counts)]
    return f"{_plural(repository.checked + counts.total(), 'file')}: {', '.join(parts)}"


def _short(reason: Reason) -> str:
    return {
        Reason.POINTER: "git-lfs pointer",
        Reason.LIMIT: "over a limit",
        Reason.UNREADABLE: "unreadable",
        Reason.LINK: "link not followed",
        Reason.SPECIAL: "not a regular file",
        Reason.PICKLE: "pickle (not interpreted by this version)",
        Reason.ARCHIVE: "archive (not opened by this version)",
        Reason.UNKNOWN: "not a known type",
    }[reason]


def _summary(report: Report) -> str:
    counts = [_plural(report.count(severity), severity.value) for severity in Severity]
    repositories = len(report.repositories)
    return f"{', '.join(counts)} in {repositories} {'repository' if repositories == 1 else 'repositories'}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _place(path: str) -> str:
    """A path as the first word of a line: it never is the first character of it."""
    shown = _printed(path)
    return shown if shown.startswith((".", "/")) else f"./{shown}"


def _printed(text: str) -> str:
    return _unforged(visible(text))


def _unforged(text: str) -> str:
    """Text that no CI runner takes for a command of its own: `##[` and `##vso[` count anywhere in a line."""
    return text.replace("##[", "\\x23#[").replace("##vso[", "\\x23#vso[")
