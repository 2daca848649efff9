"""One module for each output format: a pure function of `Report` that gives the whole text.

A run imports the formats that it writes and no other: each import below is a few milliseconds of a hook that has few.
"""

from collections.abc import Callable

from hfcheck.report import Report
from hfcheck.rule import Rule


def _text(report: Report) -> str:
    from hfcheck.reports import text  # noqa: PLC0415 - see above

    return text.render(report)


def _json(report: Report) -> str:
    from hfcheck.reports import json_  # noqa: PLC0415 - see above

    return json_.render(report)


def _sarif(report: Report) -> str:
    from hfcheck.reports import sarif  # noqa: PLC0415 - see above

    return sarif.render(report)


def _github(report: Report) -> str:
    from hfcheck.reports import github  # noqa: PLC0415 - see above

    return github.render(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}


def explain(rule: Rule) -> str:
    """The documentation of a rule, for a terminal and for `docs/rules/`."""
    from hfcheck.reports import explanation  # noqa: PLC0415 - see above

    return explanation.explain(rule)
