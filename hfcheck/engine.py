"""Runs the rules over a repository. A rule that crashes becomes a finding about hfcheck; the others go on."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from hfcheck.config import Settings
from hfcheck.facts import Facts, Kind, Reading, units
from hfcheck.finding import MESSAGE, At, Finding, Severity, printable, quote, shorten
from hfcheck.formats import torch_zip
from hfcheck.formats.sniff import ARCHIVES, Content
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.layout import MODEL_SUFFIXES
from hfcheck.locate import Located, locate
from hfcheck.report import Ignored, Reason, RepositoryReport, Skipped
from hfcheck.repository import SPECIAL, Entry, Form, Repository, scan
from hfcheck.rule import Rule

PER_RULE = 100
"""Findings of one rule in one repository that are shown; a flood must not hide the one that matters."""

PER_REPOSITORY = 2000
RUNAWAY = 10_000
"""Findings after which a rule is stopped: it may never end."""

SECONDS = 60.0
"""Time for one rule in one unit, reading included."""

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt")


class TimeUp(Exception):
    """A rule took longer than it may."""


class RuleCrashed(Rule):
    """A rule, of hfcheck or of a plugin, failed on this repository.

    ## What it finds
    A rule raised an error, gave something that is no finding, or ran for more than a minute. What it would have
    found is not known; all other rules were run.

    ## Why it matters
    The repository was not checked as far as it should have been, so the run ends with exit code 4 and never with 0.

    ## How to put it right
    Report it, with the message: for a rule of hfcheck to its issue tracker, for a plugin to its authors. `--debug`
    shows the traceback.
    """

    id = "HFC003"
    name = "rule-crashed"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Report this to the authors of the rule; `--debug` shows the traceback."
    bad = ()
    good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:  # noqa: ARG002 - the engine makes these findings
        return iter(())


class FindingsCapped(Rule):
    """There are more findings than are shown.

    ## What it finds
    One rule found more than 100 places in a repository, or all rules together more than 2,000. The worst are shown.

    ## Why it matters
    A file can be made to cause any number of findings, and the one that matters would be lost among them.

    ## How to put it right
    Put right what is shown, and run hfcheck again.
    """

    id = "HFC004"
    name = "findings-capped"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Put right what is shown and run hfcheck again."
    bad = ()
    good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:  # noqa: ARG002 - the engine makes these findings
        return iter(())


OWN_RULES: tuple[Rule, ...] = (RuleCrashed(), FindingsCapped())
"""Rules whose findings the engine itself makes."""


Crashed = Callable[[Rule, Exception], None]


def check(
    path: str, root: str, rules: tuple[Rule, ...], settings: Settings, on_crash: Crashed = lambda _rule, _error: None
) -> RepositoryReport:
    """Run the rules over the repository in the folder `root`, which the report calls `path`."""
    repository = scan(root)
    parts = units(repository)
    found: list[Finding] = []
    crashed = False
    for rule in rules:
        own: list[Finding] = []
        for facts in parts:
            error = _run(rule, facts, own)
            if error is not None:
                crashed = True
                on_crash(rule, error)
                found.append(_crash(rule, facts, error))
        found.extend(_capped(rule, own))
    shown, ignored = _split(sorted(found, key=_severity_then_place), rules, settings)
    skipped = tuple(filter(None, (_skipped(facts, entry) for facts in parts for entry in facts.files)))
    unseen = tuple(Skipped(".", Reason.LIMIT, detail) for _, detail in repository.exceeded)
    return RepositoryReport(
        path=path,
        kind=next((facts.kind for facts in parts if facts.kind is not Kind.UNKNOWN), Kind.UNKNOWN),
        architecture=_architecture(parts[0]),
        checked=len(repository.entries) - len(skipped),
        skipped=tuple(sorted((*skipped, *unseen), key=lambda entry: entry.path)),
        findings=_located(repository, _flood(shown)),
        ignored=tuple(
            Ignored(located, reason)
            for located, (_, reason) in zip(
                locate(repository, [finding for finding, _ in ignored]), ignored, strict=True
            )
        ),
        crashed=crashed,
    )


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp in the block when the time is over: only a signal reaches a loop that never ends."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp(f"more than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run(rule: Rule, facts: Facts, found: list[Finding]) -> Exception | None:
    """Add what a rule finds in a unit; what stopped it, if anything did."""
    try:
        with _time_limit(SECONDS):
            for finding in rule.check(facts):
                found.append(_safe(rule, finding))
                if len(found) >= RUNAWAY:
                    break
    except Exception as error:  # noqa: BLE001 - the one place where anything is caught: a finding says so
        return error
    return None


def _safe(rule: Rule, finding: object) -> Finding:
    """A finding whose sentences fit on one line each, whatever a plugin put into them."""
    if not isinstance(finding, Finding) or not _is_of(rule, finding):
        raise TypeError(f"the rule gave {type(finding).__name__} that is no finding of its own")
    message, hint = (printable(shorten(text, MESSAGE)) for text in (finding.message, finding.hint))
    return (
        finding if (message, hint) == (finding.message, finding.hint) else replace(finding, message=message, hint=hint)
    )


def _is_of(rule: Rule, finding: Finding) -> bool:
    """Whether a finding bears the id of its rule, and is made of what the reports and their order rely on."""
    at = finding.at
    return (
        (finding.id, finding.name) == (rule.id, rule.name)
        and isinstance(finding.severity, Severity)
        and isinstance(at, At)
        and isinstance(at.path, str)
        and all(part is None or isinstance(part, str) for part in (at.pointer, at.tensor, at.member))
        and (at.offset is None or isinstance(at.offset, int))
    )


def _crash(rule: Rule, facts: Facts, error: Exception) -> Finding:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of a plugin whose own text fails
        text = ""
    what = f"{type(error).__name__}: {quote(text)}" if text else type(error).__name__
    message = f"the rule {rule.id} {rule.name} failed here, and what it would have found is not known: {what}"
    return OWN_RULES[0].finding(At(facts.folder or "."), message)


def _capped(rule: Rule, found: list[Finding]) -> list[Finding]:
    if len(found) <= PER_RULE:
        return found
    more = f"at least {len(found) - PER_RULE}" if len(found) >= RUNAWAY else str(len(found) - PER_RULE)
    message = f"{more} more findings of {rule.id} {rule.name} are not shown"
    return [*found[:PER_RULE], OWN_RULES[1].finding(At(found[PER_RULE].at.path), message)]


def _flood(found: list[Finding]) -> list[Finding]:
    """The worst findings, where there are too many."""
    if len(found) <= PER_REPOSITORY:
        return found
    message = f"{len(found) - PER_REPOSITORY} more findings are not shown"
    return [*found[:PER_REPOSITORY], OWN_RULES[1].finding(At("."), message)]


def _severity_then_place(finding: Finding) -> tuple[int, str, str, str]:
    return finding.severity.rank, finding.at.path, finding.id, finding.at.logical


def _located(repository: Repository, found: list[Finding]) -> tuple[Located, ...]:
    return tuple(sorted(locate(repository, found), key=_place))


def _place(located: Located) -> tuple[str, int, int, str, str]:
    at = located.finding.at
    return at.path, located.line or 0, located.column or 0, located.finding.id, at.logical


def _split(
    found: list[Finding], rules: tuple[Rule, ...], settings: Settings
) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """The findings that count, and those that the settings ignore, with the reasons."""
    by_id = {rule.id: rule for rule in (*rules, *OWN_RULES)}
    shown: list[Finding] = []
    ignored: list[tuple[Finding, str]] = []
    for finding in found:
        reason = settings.reason_to_ignore(by_id[finding.id], finding.at.path) if finding.id in by_id else None
        if reason is None:
            shown.append(finding)
        else:
            ignored.append((finding, reason))
    return shown, ignored


def _skipped(facts: Facts, entry: Entry) -> Skipped | None:
    """Why a file was not checked; None where it was."""
    if entry.form in SPECIAL:
        return Skipped(entry.path, Reason.SPECIAL, entry.form.value)
    if entry.form is Form.UNREADABLE:
        return Skipped(entry.path or ".", Reason.UNREADABLE, entry.form.value)
    reading = facts.reading(entry.path)
    if reading is None:
        return Skipped(entry.path, Reason.LINK, entry.form.value)
    if reading.unreadable is not None:
        return Skipped(entry.path, Reason.UNREADABLE, reading.unreadable)
    if reading.exceeded is not None:
        return Skipped(entry.path, Reason.LIMIT, reading.exceeded)
    return _not_understood(reading)


def _not_understood(reading: Reading) -> Skipped | None:
    name = reading.path.lower()
    if reading.content is Content.POINTER:
        return Skipped(reading.path, Reason.POINTER)
    if reading.content is Content.EMPTY:
        return None
    if reading.content in ARCHIVES and name.endswith(MODEL_SUFFIXES):
        return Skipped(reading.path, Reason.ARCHIVE, reading.content.value)
    if holds_pickle(reading):
        return Skipped(reading.path, Reason.PICKLE)
    if reading.facts is None and reading.invalid is None:
        return Skipped(reading.path, Reason.UNKNOWN)
    return None


def holds_pickle(reading: Reading) -> bool:
    """Whether a loader would unpickle something in a file: by its content, or by a name that promises nothing else."""
    if reading.content is Content.PICKLE:
        return True
    if isinstance(reading.facts, ZipFacts):
        return torch_zip.describe(reading.facts) is not None
    return reading.facts is None and reading.path.lower().endswith(PICKLE_SUFFIXES)


def _architecture(facts: Facts) -> str | None:
    names = (facts.config or {}).get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
