"""The report for people: findings grouped by repository, file and place, what was covered, and a line that counts.

Every line begins with a word, a sign or spaces and a bar of ours: a runner trims what it reads and takes a line that
begins with `::` for a command, so neither a path nor a wrapped message may stand at the start of one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from textwrap import wrap

from hfcheck.finding import Severity, printable, quote, shorten, visible
from hfcheck.loading.judge import UNCLAIMED
from hfcheck.locate import Located
from hfcheck.opinion.notes import WITHOUT_VOTE
from hfcheck.report import Ignored, Reason, Report, RepositoryReport, Skipped, Verdict
from hfcheck.reports import sink

WIDTH = 100
"""Columns where nobody says how many there are, so that a log is the same everywhere."""

LISTED = 5
"""Files that were not checked, and ignored rules, that are named; the JSON report names all."""

SENTENCE = 200
"""Characters of the reason for the outcome of a load."""

OUTCOMES = {
    "loads": "loads",
    "loads-reinitialised": "loads with random weights",
    "raises": "refuses it",
    "not-checked": "not checked",
}

SHORT = 80
"""Characters of an architecture or a reason."""

BOLD, DIM = "1", "2"
COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
VERDICT_COLOURS = {Verdict.PASS: "32", Verdict.FAIL: "31", Verdict.INCOMPLETE: "33"}

COVERAGE = {
    Reason.POINTER: ("git-lfs pointer", "git-lfs pointers"),
    Reason.LIMIT: ("over a limit", "over a limit"),
    Reason.UNREADABLE: ("unreadable", "unreadable"),
    Reason.LINK: ("link not followed", "links not followed"),
    Reason.SPECIAL: ("not a regular file", "not regular files"),
    Reason.PICKLE: ("pickle not followed to its end", "pickles not followed to their end"),
    Reason.ARCHIVE: ("archive not opened in full", "archives not opened in full"),
    Reason.WEIGHTS: ("weight file of a form not read", "weight files of a form not read"),
    Reason.INVALID: ("not what it promises", "not what they promise"),
    Reason.UNKNOWN: ("not a known type", "not a known type"),
    Reason.ENVIRONMENT: ("virtual environment not searched", "virtual environments not searched"),
}

Paint = Callable[[str, str], str]
"""Text and the number of a colour (SGR) to text."""


def plain(text: str, _colour: str) -> str:
    return text


def coloured(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def render(report: Report, width: int = WIDTH, paint: Paint = plain) -> str:
    """The report in lines of at most `width` columns, as far as a path or a name is not longer."""
    lines: list[str] = []
    if report.settings:
        lines += [f"settings: {visible(report.settings)}", ""]
    for repository in report.repositories:
        lines += _repository(repository, report.fail_on, width, paint)
    if len(report.repositories) > 1 and lines[-1]:
        lines.append("")
    lines += _summary(report, paint)
    return sink.unforged("\n".join([*lines, ""]))


def address(repository: RepositoryReport, located: Located) -> str:
    """`./models/a/config.json:3:5`, which terminals and editors open; without line where the file has none."""
    where = path_of(repository, located.finding.at.path)
    return where if located.line is None else f"{where}:{located.line}:{located.column}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def covered(repository: RepositoryReport) -> str:
    """`12 files: 9 checked, 1 git-lfs pointer, 2 not a known type`."""
    counts = Counter(skipped.reason for skipped in repository.skipped)
    parts = [plural(counts[reason], *COVERAGE[reason]) for reason in Reason if counts[reason]]
    files = plural(repository.checked + counts.total(), "file")
    return f"{files}: {', '.join([f'{repository.checked} checked', *parts])}"


def loaded(repository: RepositoryReport) -> str:
    """`transformers 5.23.0: loads`, or what else it would do, and how many tensors that is about."""
    load = repository.load
    parts = (load.missing, "missing"), (load.mismatched, "of another shape"), (load.unexpected, "unused")
    counts = [f"{len(names)} {word}" for names, word in parts if names]
    said = OUTCOMES[load.outcome] + (f" ({', '.join(counts)})" if counts else "")
    reason = f": {shorten(load.reason, SENTENCE)}" if load.reason else ""
    return printable(f"{load.engine}: {said}{reason}")


def _repository(repository: RepositoryReport, fail_on: Severity, width: int, paint: Paint) -> Iterator[str]:
    verdict = repository.verdict(fail_on)
    # The verdict comes first: whatever a folder or a config calls itself, it stands behind the word that counts.
    word = paint(verdict.value, VERDICT_COLOURS[verdict])
    head = f"{word}  {paint(path_of(repository, '.'), BOLD)}  {kind(repository)}"
    left_out = [*_not_checked(repository), *_ignored(repository.ignored)]
    load = () if repository.load is UNCLAIMED else (loaded(repository),)
    if not repository.findings and not left_out and (not load or not repository.load.reason):
        yield f"{head}  {'; '.join((covered(repository), *load))}"
        return
    yield head
    yield from findings(repository, width, paint)
    for line in (*load, covered(repository), *left_out):
        first, *others = wrapped(line, width - len("  | "))
        yield from (f"  {first}", *(f"  | {other}" for other in others))
    yield ""


def findings(repository: RepositoryReport, width: int, paint: Paint) -> Iterator[str]:
    """The findings by file and place, with an empty line before and behind them."""
    for _, same_file in groupby(repository.findings, key=lambda located: located.finding.at.path):
        yield ""
        for place, group in groupby(same_file, key=lambda located: address(repository, located)):
            yield f"  {paint(place, BOLD)}"
            for located in group:
                yield from _finding(located, width, paint)
    if repository.findings:
        yield ""


def kind(repository: RepositoryReport) -> str:
    """The architecture, where the config names one; what could not be a name in Python stands in quotes."""
    name = repository.architecture
    if name is None:
        return repository.kind.value
    return name if name.isidentifier() and len(name) <= SHORT else quote(name, SHORT)


def _finding(located: Located, width: int, paint: Paint) -> Iterator[str]:
    finding = located.finding
    at = f", byte {located.offset}" if located.offset is not None else ""
    yield f"    {paint(finding.severity.value, COLOURS[finding.severity])} {paint(finding.id, BOLD)} {finding.name}{at}"
    bar = paint("|", DIM)
    for line in wrapped(printable(finding.message), width - len("    | ")):
        yield f"    {bar} {line}"
    lead = "hint: "
    for line in wrapped(printable(finding.hint), width - len("    | hint: ")):
        yield f"    {bar} {paint(f'{lead}{line}', DIM)}"
        lead = " " * len(lead)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words: a name or an address that is cut cannot be searched for."""
    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _not_checked(repository: RepositoryReport) -> Iterator[str]:
    findings = (located.finding for located in repository.findings)
    named = {finding.at.path for finding in findings if finding.id not in WITHOUT_VOTE}
    files = [skipped for skipped in repository.incomplete if skipped.path not in named]
    for skipped in files[:LISTED]:
        yield f"not checked: {path_of(repository, skipped.path)} ({_reason(skipped)})"
    if len(files) > LISTED:
        yield f"not checked: {plural(len(files) - LISTED, 'more file')}"


def _reason(skipped: Skipped) -> str:
    return f"{skipped.reason.value}: {sink.name(skipped.detail, SHORT)}" if skipped.detail else skipped.reason.value


def _ignored(ignored: tuple[Ignored, ...]) -> Iterator[str]:
    counts = Counter((entry.located.finding.id, entry.located.finding.name, entry.reason) for entry in ignored)
    by_rule = sorted(counts.items())
    for (id_, name, reason), count in by_rule[:LISTED]:
        yield f"ignored: {plural(count, 'finding')} of {id_} {name} ({sink.name(reason, SHORT)})"
    if more := sum(count for _, count in by_rule[LISTED:]):
        yield f"ignored: {plural(more, 'more finding')}"


def _summary(report: Report, paint: Paint) -> Iterator[str]:
    if not report.repositories:
        yield "no model repository to check"
        return
    found = [located for repository in report.repositories for located in repository.findings]
    where = plural(len(report.repositories), "repository", "repositories")
    counts = [plural(report.count(severity), severity.value) for severity in Severity]
    parts = [f"{', '.join(counts) if found else 'no findings'} in {where}"]
    if len(report.repositories) > 1:
        verdicts = Counter(repository.verdict(report.fail_on) for repository in report.repositories)
        parts.append(", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdicts[verdict]))
    if left_out := sum(len(repository.incomplete) for repository in report.repositories):
        parts.append(f"{plural(left_out, 'file')} not checked")
    yield paint("; ".join(parts), BOLD)
    if found:
        worst = min(found, key=lambda located: located.finding.severity.rank).finding.id
        yield f"`hfcheck explain {worst}` says why it matters and how to put it right"


def path_of(repository: RepositoryReport, path: str) -> str:
    """A path as somebody would type it, so that no line begins with a name of the repository."""
    shown = visible(repository.place(path))
    return shown if shown.startswith((".", "/")) else f"./{shown}"
