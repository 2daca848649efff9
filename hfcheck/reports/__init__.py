"""One module for each output format: a pure function of `Report` that gives the whole text."""

from collections.abc import Callable

from hfcheck.report import Report
from hfcheck.reports import json_, text
from hfcheck.reports.explanation import explain as explain


def _sarif(report: Report) -> str:
    from hfcheck.reports import sarif  # noqa: PLC0415 - for those who ask for it: a plain check does not load it

    return sarif.render(report)


def _github(report: Report) -> str:
    from hfcheck.reports import github  # noqa: PLC0415 - as above

    return github.render(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json_.render,
    "sarif": _sarif,
    "github": _github,
}
