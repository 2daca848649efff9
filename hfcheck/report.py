"""What a run has to say, as data: the reports are pure functions of it."""

from dataclasses import dataclass
from enum import Enum
from posixpath import isabs, join, normpath
from typing import TYPE_CHECKING

from hfcheck.facts import Kind
from hfcheck.finding import Severity
from hfcheck.loading.judge import Load
from hfcheck.locate import Located
from hfcheck.opinion.gather import Heard
from hfcheck.opinion.notes import WITHOUT_VOTE
from hfcheck.rule import Rule

if TYPE_CHECKING:  # a plain check need not wait for what only a dry run needs
    from hfcheck.placement import result
    from hfcheck.placement.rehearsed import Rehearsed


class Verdict(Enum):
    PASS = "pass"  # noqa: S105 - a word of the report, no password
    FAIL = "fail"
    INCOMPLETE = "incomplete"


class Reason(Enum):
    """Why a file was not checked; the value is the phrase of the reports."""

    POINTER = "git-lfs pointer"
    LIMIT = "limit reached"
    UNREADABLE = "could not be read"
    LINK = "link that is not followed"
    SPECIAL = "not a regular file"
    PICKLE = "pickle, not followed to its end"
    ARCHIVE = "archive, not opened in full"
    WEIGHTS = "weights in a form that this version does not read"
    INVALID = "not what its name or its first bytes promise"
    UNKNOWN = "not a known type"
    ENVIRONMENT = "virtual environment, not searched"

    @property
    def incomplete(self) -> bool:
        """Whether something that a loader might read was left out: a picture or a text is not."""
        return self not in {Reason.UNKNOWN, Reason.ENVIRONMENT}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not checked. `detail` says more where there is more to say."""

    path: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding that a setting keeps out of the verdict, and why."""

    located: Located
    reason: str


@dataclass(frozen=True, slots=True)
class RepositoryReport:
    """One repository. `path` is as given on the command line; `architecture` is the config's own word, if any.

    `load` is that of the folder itself; what lies in folders below it has loads of its own, which only rules see.
    """

    path: str
    kind: Kind
    architecture: str | None
    load: Load
    checked: int
    skipped: tuple[Skipped, ...]
    findings: tuple[Located, ...]
    ignored: tuple[Ignored, ...] = ()
    crashed: bool = False
    """Whether hfcheck or a plugin failed on the way."""
    heard: tuple[Heard, ...] | None = None
    """The second opinion about each pickle; None where none was asked for."""
    dry_run: "result.DryRun | None" = None
    """The load of the folder itself onto the devices that were asked for; None where none were."""
    rehearsed: "Rehearsed | None" = None
    """What reading and copying its weights came to, where that was asked for."""

    @property
    def prefix(self) -> str | None:
        """The way from the working folder, `models/a/` or empty; None where an absolute path or `..` was given."""
        if isabs(self.path) or ".." in self.path.split("/"):
            return None
        folder = normpath(self.path)
        return "" if folder == "." else f"{folder}/"

    def place(self, path: str) -> str:
        """A path of the repository as somebody would type it in the working folder; `.` is the repository itself."""
        root = normpath(self.path) if self.prefix is not None else self.path
        if path == ".":
            return root
        return path if root == "." else join(root, path)

    @property
    def incomplete(self) -> tuple[Skipped, ...]:
        """What a loader might read and was not checked."""
        return tuple(skipped for skipped in self.skipped if skipped.reason.incomplete)

    @property
    def fit(self) -> "result.Verdict":
        """The verdict of the dry run: what does not load fits nowhere, and nothing more is known of it."""
        if self.dry_run is None or self.load.outcome == "raises":
            return "incomplete"
        return self.dry_run.verdict

    def verdict(self, fail_on: Severity) -> Verdict:
        counted = (located.finding for located in self.findings if located.finding.id not in WITHOUT_VOTE)
        if self.crashed or any(finding.severity.at_least(fail_on) for finding in counted):
            return Verdict.FAIL
        return Verdict.INCOMPLETE if self.incomplete else Verdict.PASS


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `rules` are those that were run, sorted by id; `settings` names the file they were chosen in."""

    repositories: tuple[RepositoryReport, ...]
    rules: tuple[Rule, ...]
    fail_on: Severity = Severity.ERROR
    settings: str | None = None
    version: str = ""

    def count(self, severity: Severity) -> int:
        return sum(
            located.finding.severity is severity for repository in self.repositories for located in repository.findings
        )

    @property
    def exit_code(self) -> int:
        """0 nothing to say; 1 findings; 3 incomplete; 4 hfcheck or a plugin failed. 2 is the command line's own."""
        if any(repository.crashed for repository in self.repositories):
            return 4
        verdicts = {repository.verdict(self.fail_on) for repository in self.repositories}
        if Verdict.FAIL in verdicts:
            return 1
        return 3 if Verdict.INCOMPLETE in verdicts else 0
