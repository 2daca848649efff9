"""Runs the rules over a repository. A rule that crashes becomes a finding about hfcheck; the others go on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hfcheck import coverage
from hfcheck.budget import MAX_KEPT, Clock, TimeUp, footprint, ticking
from hfcheck.company import ALONE, Company, Rehearse
from hfcheck.config import Settings
from hfcheck.facts import Facts, Kind, units
from hfcheck.finding import MESSAGE, At, Finding, Severity, printable, quote, shorten
from hfcheck.formats import Invalid
from hfcheck.loading.answer import Ask
from hfcheck.loading.judge import Load, not_checked
from hfcheck.locate import Located, locate
from hfcheck.opinion import notes
from hfcheck.opinion.gather import Heard, Interview, gather
from hfcheck.report import Ignored, Reason, RepositoryReport, Skipped
from hfcheck.repository import Entry, Form, Repository, scan
from hfcheck.rule import EngineRule, Rule
from hfcheck.shelf import Reading

if TYPE_CHECKING:  # as in `hfcheck.facts`
    from hfcheck.placement.rehearsed import Rehearsed
    from hfcheck.placement.result import DryRun

PER_RULE = 100
"""Findings of one rule in one repository that are shown; a flood must not hide the one that matters."""

PER_REPOSITORY = 2000
MAX_UNITS = 2000
"""Folders of one repository that a loader can be pointed at; a run with a checkpoint for each hour has hundreds."""

RUNAWAY = 100_000
"""Findings after which a rule counts as crashed: it may never end."""

SECONDS = 30.0
"""Time for one rule in one unit."""

FILE_SECONDS = 20.0
"""Time for one file: four million values of JSON take five."""

REPOSITORY_SECONDS = 60.0
"""Time for all of a repository. What was not read by then is listed as not checked."""

MAX_ASKED = 8
"""Folders of one repository of which the installed transformers is asked: each may take it two minutes."""


class Runaway(Exception):
    """A rule found more than anybody could read: what it had still to say is not known."""


class RuleCrashed(EngineRule):
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


class FindingsCapped(EngineRule):
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


OWN_RULES: tuple[Rule, ...] = (RuleCrashed(), FindingsCapped(), *notes.RULES)
"""Rules whose findings the engine itself makes."""


UNREAD = not_checked("the repository was not read to its end")


@dataclass(slots=True)
class _Results:
    """What comes together on the way through the units. `own` has the findings of each rule, by its id."""

    own: dict[str, list[Finding]]
    crashes: list[Finding] = field(default_factory=list)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    unexplained: dict[str, Skipped] = field(default_factory=dict)
    kind: Kind = Kind.UNKNOWN
    architecture: str | None = None
    load: Load = UNREAD
    asked: int = 0
    interview: Interview | None = None
    heard: list[Heard] = field(default_factory=list)
    dry_run: "DryRun | None" = None
    rehearsed: "Rehearsed | None" = None


def check(
    path: str, root: str, rules: tuple[Rule, ...], settings: Settings, company: Company = ALONE
) -> RepositoryReport:
    """Run the rules over the repository in the folder `root`, which the report calls `path`."""
    interview = Interview(company.voice) if company.voice else None
    results = _Results({rule.id: [] for rule in rules}, interview=interview)
    with ticking(REPOSITORY_SECONDS) as clock:
        repository = scan(root)
        parts = units(repository)
        if len(parts) > MAX_UNITS:
            what = f"more than {MAX_UNITS} folders that a loader can be pointed at"
            repository = replace(repository, exceeded=(*repository.exceeded, ("repository.units", what)))
            parts = units(repository)
        _check_units(parts, rules, results, clock, company)
        del parts  # to look for a place in a large file takes as much memory as to read it
    shown, ignored = _split(rules, results, settings)
    findings = (*shown, *(finding for finding, _ in ignored))
    told = {finding.at.path for finding in findings if finding.id not in notes.WITHOUT_VOTE}
    skipped = results.skipped | {path: entry for path, entry in results.unexplained.items() if path not in told}
    unseen = tuple(Skipped(".", Reason.LIMIT, detail) for _, detail in repository.exceeded)
    return RepositoryReport(
        path=path,
        kind=results.kind,
        architecture=results.architecture,
        load=results.load,
        checked=len(repository.entries) - len(skipped),
        skipped=tuple(sorted((*skipped.values(), *unseen), key=lambda entry: entry.path)),
        findings=_located(repository, _flood(sorted(shown, key=_severity_then_place))),
        ignored=_located_ignored(repository, ignored),
        crashed=bool(results.crashes),
        heard=None if interview is None else tuple(results.heard),
        dry_run=results.dry_run,
        rehearsed=results.rehearsed,
    )


def _check_units(
    parts: tuple[Facts, ...], rules: tuple[Rule, ...], results: _Results, clock: Clock, company: Company
) -> None:
    for number, facts in enumerate(_one_by_one(parts)):
        if number < MAX_UNITS and not clock.is_over:
            _check_unit(company.aimed(facts), rules, results, clock, company)
        else:
            unit = Reason.LIMIT, "repository.units" if number >= MAX_UNITS else "time"
            results.skipped |= {entry.path: Skipped(entry.path, *unit) for entry in facts.files}


def _one_by_one(parts: tuple[Facts, ...]) -> Iterator[Facts]:
    """The units, of which none is kept: what was read for one would otherwise stay until the last is done."""
    waiting = list(reversed(parts))
    del parts
    while waiting:
        yield waiting.pop()


def _check_unit(facts: Facts, rules: tuple[Rule, ...], results: _Results, clock: Clock, company: Company) -> None:
    kept = _read(facts, clock)
    facts = _informed(facts, company, results, clock)
    for rule in rules:
        error = _run(rule, facts, results.own[rule.id], clock)
        if error is not None:
            company.on_crash(rule, error)
            results.crashes.append(_crash(rule, facts, error))
    _interview(facts, results, clock)
    for entry in facts.files:
        if skipped := coverage.skipped(facts, entry):
            results.skipped[entry.path] = skipped
        elif doubtful := coverage.unexplained(facts, entry):
            results.unexplained[entry.path] = doubtful
    if not facts.folder:
        results.architecture = _architecture(facts)
        results.load = _load(facts, clock, results.crashes)
        results.rehearsed = facts.rehearsed
    if results.kind is Kind.UNKNOWN:
        results.kind = facts.kind
    if kept > MAX_KEPT // 8:
        facts.shelf.forget()


def _read(facts: Facts, clock: Clock) -> int:
    """Read the files of a unit before any rule asks for them, so that one which stops its reader stops no rule.

    Returns about how many bytes the facts take.
    """
    kept = 0
    for entry in facts.files:
        if entry.form is not Form.FILE:
            continue
        try:
            with clock.limit(FILE_SECONDS):
                reading = facts.shelf.reading(entry)
        except TimeUp:
            reading = _given_up(entry, "time", "a file that is read in less time")
        except Exception as error:  # noqa: BLE001 - a fault of a reader: all other files are still read
            reading = Reading(entry, unreadable=f"its reader failed ({type(error).__name__})")
        kept += (cost := footprint(reading.facts) + footprint(reading.pickled))
        if kept > MAX_KEPT:
            kept -= cost
            reading = _given_up(entry, "repository.memory", f"less than {MAX_KEPT} bytes of facts in one model")
        facts.shelf.put(reading)
    return kept


def _given_up(entry: Entry, budget: str, expected: str) -> Reading:
    return Reading(entry, invalid=Invalid(0, expected, budget=budget))


def _run(rule: Rule, facts: Facts, found: list[Finding], clock: Clock) -> BaseException | None:
    """Add what a rule finds in a unit; what stopped it, if anything did."""
    try:
        with clock.limit(SECONDS):
            for finding in rule.check(facts):
                found.append(_safe(rule, finding))
                if len(found) >= RUNAWAY:
                    return Runaway(f"more than {RUNAWAY} findings")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the one place that catches all: a finding says so
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


def _crash(rule: Rule, facts: Facts, error: BaseException) -> Finding:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of a plugin whose own text fails
        text = ""
    what = f"{type(error).__name__}: {quote(text)}" if text else type(error).__name__
    message = f"the rule {rule.id} {rule.name} failed here, and what it would have found is not known: {what}"
    return OWN_RULES[0].finding(At(facts.folder or "."), message)


def _load_crash(facts: Facts, error: Exception) -> Finding:
    message = f"what a loader would do is not known, because hfcheck failed on it: {type(error).__name__}"
    return OWN_RULES[0].finding(At(facts.folder or "."), message)


def _capped(rule: Rule, found: list[Finding], noun: str) -> list[Finding]:
    """The worst findings of a rule, where there are too many."""
    if len(found) <= PER_RULE:
        return found
    found = sorted(found, key=_severity)
    more = f"at least {len(found) - PER_RULE}" if len(found) >= RUNAWAY else str(len(found) - PER_RULE)
    message = f"{more} more {noun} of {rule.id} {rule.name} are not shown"
    return [*found[:PER_RULE], OWN_RULES[1].finding(At(found[PER_RULE].at.path), message)]


def _flood(found: list[Finding]) -> list[Finding]:
    """The worst findings, where there are too many."""
    if len(found) <= PER_REPOSITORY:
        return found
    message = f"{len(found) - PER_REPOSITORY} more findings are not shown"
    return [*found[:PER_REPOSITORY], OWN_RULES[1].finding(At("."), message)]


def _severity(finding: Finding) -> int:
    return finding.severity.rank


def _severity_then_place(finding: Finding) -> tuple[int, str, str, str]:
    return finding.severity.rank, finding.at.path, finding.id, finding.at.logical


def _located(repository: Repository, found: list[Finding]) -> tuple[Located, ...]:
    return tuple(sorted(locate(repository, found), key=_place))


def _place(located: Located) -> tuple[str, int, int, str, str]:
    at = located.finding.at
    return at.path, located.line or 0, located.column or 0, located.finding.id, at.logical


def _split(
    rules: tuple[Rule, ...], results: _Results, settings: Settings
) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """The findings that count, and those that the settings ignore, with the reasons.

    Each is cut to its limit apart from the others: a hundred that are ignored must not hide one that is not.
    """
    shown: list[Finding] = []
    ignored: list[tuple[Finding, str]] = []
    noted = notes.by_rule(results.heard, None if results.crashes else results.own)
    own = (*((rule, results.own[rule.id]) for rule in rules), (OWN_RULES[0], results.crashes), *noted)
    for rule, found in own:
        counted, others = _parted(rule, found, settings)
        cut = _capped(rule, counted, "findings")
        cut += _capped(rule, [finding for finding, _ in others], "ignored findings")[PER_RULE:]
        remarks, quiet = _parted(OWN_RULES[1], [note for note in cut if note.id == OWN_RULES[1].id], settings)
        shown += [finding for finding in cut if finding.id == rule.id] + remarks
        ignored += others[:PER_RULE] + quiet
    return shown, ignored


def _parted(rule: Rule, found: list[Finding], settings: Settings) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """The findings of a rule that count, and those that the settings ignore, with the reasons."""
    reasons = [(finding, settings.reason_to_ignore(rule, finding.at.path)) for finding in found]
    return (
        [finding for finding, reason in reasons if reason is None],
        [(finding, reason) for finding, reason in reasons if reason is not None],
    )


def _located_ignored(repository: Repository, ignored: list[tuple[Finding, str]]) -> tuple[Ignored, ...]:
    located = locate(repository, [finding for finding, _ in ignored])
    return tuple(Ignored(place, reason) for place, (_, reason) in zip(located, ignored, strict=True))


def _load(facts: Facts, clock: Clock, crashes: list[Finding]) -> Load:
    """The load of a unit for the report; what stops it here has stopped a rule before, which says so."""
    try:
        with clock.limit(SECONDS):
            return facts.load
    except TimeUp:
        return not_checked("it took too long to tell")
    except Exception as error:  # noqa: BLE001 - a fault of hfcheck: it is reported, and all else is still checked
        crashes.append(_load_crash(facts, error))
        return not_checked("hfcheck failed on it")


def _planned(facts: Facts, results: _Results, clock: Clock, company: Company) -> Facts:
    """The facts of a unit with its dry run made, once for all rules; with no target where that failed."""
    if facts.target is None:
        return facts
    found = None
    try:
        with clock.limit(SECONDS):
            found = facts.dry_run
    except TimeUp:
        from hfcheck.placement.result import DryRun  # noqa: PLC0415 - a plain check has no target

        found, facts = DryRun(facts.target, incomplete="it took too long to tell"), replace(facts, target=None)
    except Exception as error:  # noqa: BLE001 - a fault of hfcheck: it is reported, and all else is still checked
        company.on_crash(OWN_RULES[0], error)
        results.crashes.append(_load_crash(facts, error))
        facts = replace(facts, target=None)
    if not facts.folder:
        results.dry_run = found
    return facts


def _informed(facts: Facts, company: Company, results: _Results, clock: Clock) -> Facts:
    """The facts of a unit, with what others say of it. That takes longer than the clock of a rule allows."""
    if company.ask is not None:
        facts = _asked(facts, company.ask, results, clock)
    facts = _planned(facts, results, clock, company)
    if company.rehearse is not None and facts.target is not None:
        facts = _rehearsed(facts, company.rehearse, results, clock)
    return facts


def _rehearsed(facts: Facts, rehearse: Rehearse, results: _Results, clock: Clock) -> Facts:
    try:
        with clock.stopped():
            return replace(facts, rehearsed=rehearse(facts))
    except Exception as error:  # noqa: BLE001 - a fault of hfcheck: it is reported, and all else is still checked
        results.crashes.append(_load_crash(facts, error))
        return facts


def _asked(facts: Facts, ask: Ask, results: _Results, clock: Clock) -> Facts:
    """The facts of a unit, with what the installed transformers says of it where our own data does not tell.

    It is asked before any rule runs: the clock of a rule would cut its answer short.
    """
    crashes: list[Finding] = []  # of a load that fails the report says so, once it comes to that
    choice = _load(facts, clock, crashes).open_question
    if choice is None or facts.config is None or results.asked >= MAX_ASKED:
        return facts
    results.asked += 1
    try:
        with clock.stopped():
            return replace(facts, answer=ask(facts.config, choice))
    except Exception as error:  # noqa: BLE001 - a fault of hfcheck: it is reported, and all else is still checked
        results.crashes.append(_load_crash(facts, error))
        return facts


def _interview(facts: Facts, results: _Results, clock: Clock) -> None:
    """Hear the second voice about the pickles of a unit, where there is one."""
    if results.interview is None:
        return
    try:
        with clock.stopped():
            results.heard += gather(facts, results.interview)
    except Exception as error:  # noqa: BLE001 - a fault of hfcheck: it is reported, and the verdict is known without
        results.crashes.append(_crash(notes.RULES[0], facts, error))


def _architecture(facts: Facts) -> str | None:
    names = (facts.config or {}).get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
