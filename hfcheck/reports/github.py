"""Workflow commands of GitHub Actions, which become annotations in a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from hfcheck.finding import Severity, printable, visible
from hfcheck.locate import Located
from hfcheck.report import Report, RepositoryReport
from hfcheck.reports import sink
from hfcheck.reports.text import address, plural

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

SHOWN = 10
"""Annotations of each kind that GitHub shows for one step; the others are only in its log."""


def render(report: Report) -> str:
    """One command on each line, the worst first, because only the first of each kind are shown."""
    commands: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    for repository in report.repositories:
        for located in repository.findings:
            commands[located.finding.severity].append(_annotation(repository, located))
    crowded = any(len(lines) > SHOWN for lines in commands.values())
    left_out = sum(len(repository.incomplete) for repository in report.repositories)
    if crowded or left_out:
        # Before the notes: at the end of more than ten of them nobody would see it.
        commands[Severity.NOTE].insert(0, _totals(report, left_out))
    return sink.unforged("".join(f"{line}\n" for severity in Severity for line in commands[severity]))


def _annotation(repository: RepositoryReport, located: Located) -> str:
    finding = located.finding
    where = {} if (path := repository.place(finding.at.path)) == "." else {"file": visible(path)}
    if located.line is not None:
        where |= {"line": str(located.line), "col": str(located.column)}
    # The log shows the text and not the properties, so the text names the place as well.
    text = f"{address(repository, located)}: {printable(finding.message)}\n{printable(finding.hint)}"
    return _command(COMMANDS[finding.severity], {**where, "title": f"{finding.id} {finding.name}"}, text)


def _totals(report: Report, left_out: int) -> str:
    counts = ", ".join(plural(report.count(severity), severity.value) for severity in Severity)
    text = f"{counts} in {plural(len(report.repositories), 'repository', 'repositories')}"
    if left_out:
        text += f"; {plural(left_out, 'file')} not checked"
    return _command("notice", {"title": "hfcheck"}, f"{text}. GitHub shows {SHOWN} of each kind, the log has all.")


def _command(name: str, properties: dict[str, str], text: str) -> str:
    joined = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {joined}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
