"""`hfcheck dry-run`: one model, the rules about devices, the reports and the exit code."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from hfcheck import __version__, engine
from hfcheck.company import Aim, Company, Crashed, Rehearse
from hfcheck.config import Settings
from hfcheck.placement.target import Target
from hfcheck.report import Report, RepositoryReport
from hfcheck.rule import Rule
from hfcheck.terminal import appearance, is_terminal, show, write

FAMILIES = ("DEV", "HFC")
"""Devices, and what hfcheck could not do."""

INCOMPLETE = 3


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the report goes: the format of stdout, and files with theirs."""

    stdout: str
    files: Mapping[str, str]


def company(target: Target, on_crash: Crashed, *, rehearse: bool, digest: bool) -> Company:
    """Who has a part in it: the target for the folder alone, and the rehearsal where it is asked for."""
    return Company(on_crash, aim=Aim(target, ""), rehearse=_rehearsal(digest=digest) if rehearse else None)


def _rehearsal(*, digest: bool) -> Rehearse:
    from hfcheck.rehearsal.rehearse import on_stderr, rehearse  # noqa: PLC0415 - it starts processes

    return partial(rehearse, digest=digest, progress=on_stderr)


def run(path: str, rules: tuple[Rule, ...], settings: Settings, company: Company, answers: Answers) -> int:
    """Do the dry run, say what it comes to, and give the exit code."""
    chosen = tuple(rule for rule in rules if rule.id.startswith(FAMILIES))
    repository = engine.check(path, path, chosen, settings, company)
    all_rules = tuple(sorted((*chosen, *engine.OWN_RULES), key=lambda rule: rule.id))
    report = Report((repository,), all_rules, settings.fail_on, settings.source, __version__)
    for file, name in answers.files.items():
        write(file, FORMATS[name](report))
    on_terminal = answers.stdout == "text" and is_terminal()
    show(_for_terminal(report) if on_terminal else FORMATS[answers.stdout](report))
    return exit_code(report)


def exit_code(report: Report) -> int:
    """0 it was told, and there is nothing to say; 1 findings; 3 it could not be told; 4 hfcheck or a plugin failed."""
    (repository,) = report.repositories
    code = replace(report, repositories=(replace(repository, skipped=()),)).exit_code  # other files are no matter here
    return code or (0 if _is_told(repository) else INCOMPLETE)


def _is_told(repository: RepositoryReport) -> bool:
    """Whether there is a plan, and all files were read where that was asked for. A device that is absent is none."""
    rehearsed = repository.rehearsed
    if rehearsed is not None and (not rehearsed.files or any(skip.path is not None for skip in rehearsed.skipped)):
        return False
    return repository.fit != "incomplete"


def _text(report: Report) -> str:
    from hfcheck.reports import placement  # noqa: PLC0415 - as in `hfcheck.reports`

    return placement.render(report)


def _json(report: Report) -> str:
    from hfcheck.reports import placement_json  # noqa: PLC0415 - as in `hfcheck.reports`

    return placement_json.render(report)


FORMATS: dict[str, Callable[[Report], str]] = {"text": _text, "json": _json}


def _for_terminal(report: Report) -> str:
    from hfcheck.reports import bar, placement, text  # noqa: PLC0415 - as in `hfcheck.reports`

    columns, has_colours = appearance()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    signs = bar.BLOCKS if encoding == "utf8" else bar.ASCII
    return placement.render(report, columns, text.coloured if has_colours else text.plain, signs)
