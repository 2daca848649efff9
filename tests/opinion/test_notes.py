"""What a second opinion comes to: notes, and no verdict."""

from hfcheck.finding import At, Finding, Severity
from hfcheck.opinion.answer import Judged, Opinion, Silent
from hfcheck.opinion.gather import Heard
from hfcheck.opinion.notes import MAX_NOTES, notes

ERROR = Finding("PKL002", "dangerous-global", Severity.ERROR, At("a.bin", member="x/data.pkl"), "it runs", "")
FILE, MEMBER = "a.bin", "x/data.pkl"


def judged(word: str) -> Judged:
    return Judged("fickling 0.1.12", word, "because of\nthis")


def said(*opinions: Opinion, errors: tuple[Finding, ...] = ()) -> list[tuple[str, str]]:
    heard = [Heard(FILE, MEMBER, number, opinion) for number, opinion in enumerate(opinions)]
    found = list(notes(heard, errors))
    assert all(finding.severity is Severity.NOTE for finding in found)
    return [(finding.id, finding.message) for finding in found]


def test_agreement() -> None:
    assert said(judged("LIKELY_SAFE")) == [
        ("HFC005", 'fickling 0.1.12 says LIKELY_SAFE of this pickle: "because of\\x0athis"')
    ]
    assert [id_ for id_, _ in said(judged("LIKELY_OVERTLY_MALICIOUS"), errors=(ERROR,))] == ["HFC005"]
    assert [id_ for id_, _ in said(judged("LIKELY_UNSAFE"), errors=(ERROR,))] == ["HFC005"]
    assert [id_ for id_, _ in said(judged("LIKELY_UNSAFE"))] == ["HFC005"], "said of every tensor"


def test_disagreement() -> None:
    assert said(judged("LIKELY_OVERTLY_MALICIOUS"))[1] == (
        "HFC006",
        "fickling 0.1.12 says LIKELY_OVERTLY_MALICIOUS, and hfcheck finds no error",
    )
    assert said(judged("SUSPICIOUS"), errors=(ERROR,))[1] == (
        "HFC006",
        "fickling 0.1.12 says SUSPICIOUS, and hfcheck finds an error (PKL002)",
    )


def test_silence_contradicts_nothing() -> None:
    silent = Silent("it failed")
    expected = [("HFC005", "fickling has no opinion of this pickle: it failed")]
    assert said(silent) == said(silent, errors=(ERROR,)) == expected


def test_several_pickles_of_one_place() -> None:
    safe, silent, harmful = judged("LIKELY_SAFE"), Silent("it failed"), judged("OVERTLY_MALICIOUS")
    assert said(safe, harmful, silent)[0][1].startswith("fickling 0.1.12 says OVERTLY_MALICIOUS of 3 pickles here")
    assert said(safe, silent, errors=(ERROR,)) == [
        ("HFC005", "fickling has no opinion of 2 pickles here: it failed")
    ], "the error may be in the one that it has no word for"


def test_an_error_of_the_file_is_one_of_its_members() -> None:
    error = Finding("PKL001", "unknown-global", Severity.ERROR, At(FILE), "", "")
    elsewhere = Finding("PKL001", "unknown-global", Severity.ERROR, At(FILE, member="y"), "", "")
    assert [id_ for id_, _ in said(judged("LIKELY_SAFE"), errors=(error,))] == ["HFC005", "HFC006"]
    assert [id_ for id_, _ in said(judged("LIKELY_SAFE"), errors=(elsewhere,))] == ["HFC005"]


def test_nothing_is_contradicted_where_no_rule_was_run() -> None:
    heard = (Heard(FILE, MEMBER, 0, judged("LIKELY_OVERTLY_MALICIOUS")),)
    assert [finding.id for finding in notes(heard, None)] == ["HFC005"]


def test_a_flood() -> None:
    heard = [Heard(f"{number}.pkl", None, 0, Silent("it failed")) for number in range(MAX_NOTES + 7)]
    found = list(notes(heard, ()))
    assert len(found) == MAX_NOTES + 1
    assert found[-1].message == "7 more places with pickles are in the JSON report alone"
