"""One module for each output format: a pure function of `Report` that gives the whole text."""

from collections.abc import Callable

from hfcheck.report import Report
from hfcheck.reports import json_, text
from hfcheck.reports.explanation import explain as explain

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json_.render,
}
