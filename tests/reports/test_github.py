"""Annotations of GitHub Actions: their order, their escapes, and what is said when there are more than are shown."""

from hfcheck.facts import Kind
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.judge import not_checked
from hfcheck.locate import Located
from hfcheck.report import Reason, Report, RepositoryReport, Skipped
from hfcheck.reports import FORMATS

LOAD = not_checked("nothing was read")


def rendered(*findings: Located, path: str = "models/a", skipped: tuple[Skipped, ...] = ()) -> list[str]:
    repository = RepositoryReport(path, Kind.TRANSFORMERS, None, LOAD, 9, skipped, findings)
    return FORMATS["github"](Report((repository,), ())).splitlines()


def found(severity: Severity, path: str = "x", line: int | None = None, message: str = "wrong") -> Located:
    finding = Finding("IDX001", "index-shard-missing", severity, At(path), message, "Put it right.")
    return Located(finding, line, None if line is None else 5)


def test_clean() -> None:
    assert rendered() == []


def test_an_annotation() -> None:
    assert rendered(found(Severity.ERROR, "config.json", 3)) == [
        (
            "::error file=models/a/config.json,line=3,col=5,title=IDX001 index-shard-missing::"
            "./models/a/config.json:3:5: wrong%0APut it right."
        )
    ]


def test_without_a_line_and_without_a_file() -> None:
    title = "title=IDX001 index-shard-missing"
    assert rendered(found(Severity.NOTE))[0].startswith(f"::notice file=models/a/x,{title}::./models/a/x: ")
    assert rendered(found(Severity.WARNING, "."), path=".")[0].startswith(f"::warning {title}::.: wrong")


def test_properties_and_data_are_escaped() -> None:
    assert rendered(found(Severity.ERROR, "a,b:c%", message="100% of a:b, c")) == [
        (
            "::error file=models/a/a%2Cb%3Ac%25,title=IDX001 index-shard-missing::"
            "./models/a/a,b:c%25: 100%25 of a:b, c%0APut it right."
        )
    ]


def test_the_worst_come_first() -> None:
    lines = rendered(
        *(found(severity) for severity in (Severity.NOTE, Severity.ERROR, Severity.WARNING, Severity.ERROR))
    )
    assert [line.split()[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]


def test_more_than_github_shows() -> None:
    notes = [found(Severity.NOTE)] * 11
    lines = rendered(*[found(Severity.ERROR)] * 12, *notes)
    assert len(lines) == 24, "the log has all"
    assert lines[12] == (
        "::notice title=hfcheck::12 errors, 0 warnings, 11 notes in 1 repository. "
        "GitHub shows 10 of each kind, the log has all."
    ), "before the notes, of which only ten are shown"


def test_what_was_not_checked_is_said() -> None:
    assert rendered(skipped=(Skipped("m.bin", Reason.PICKLE), Skipped("a.png", Reason.UNKNOWN))) == [
        (
            "::notice title=hfcheck::0 errors, 0 warnings, 0 notes in 1 repository; 1 file not checked. "
            "GitHub shows 10 of each kind, the log has all."
        )
    ]
