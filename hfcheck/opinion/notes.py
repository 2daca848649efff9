"""The notes that a second opinion becomes. No verdict, severity or exit code depends on them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.opinion.answer import Judged, Leaning
from hfcheck.opinion.gather import Heard
from hfcheck.rule import EngineRule, Rule

SHOWN = 300
"""Characters of its reasons."""

MAX_NOTES = 64
"""Places with a note of their own; the JSON report has all of them."""


class SecondOpinion(EngineRule):
    """What fickling says of a pickle, where `--second-opinion` asks it.

    ## What it finds
    Every pickle that hfcheck found: the word that fickling has for it (`LIKELY_SAFE`, `LIKELY_UNSAFE`,
    `LIKELY_OVERTLY_MALICIOUS`, ...) with the beginning of its reasons, or why it has none. Of several pickles in one
    place the worst word is shown; `second_opinion` in the JSON report has all of them.

    ## Why it matters
    It is another tool with another way of looking. Its word is no part of the verdict of hfcheck, whatever `--fail-on`
    says. It calls every import from outside of the standard library `LIKELY_UNSAFE`, the tensors of torch among them,
    and fails on some opcodes that are as good as others (FLOAT, PERSID, BYTEARRAY8).

    ## How to put it right
    There is nothing to put right. Leave out `--second-opinion` to be rid of the notes.
    """

    id = "HFC005"
    name = "second-opinion"
    severity = Severity.NOTE
    since = "0.1"
    hint = "This is no part of the verdict: leave out `--second-opinion` to be rid of it."


class OpinionsDiffer(EngineRule):
    """fickling and hfcheck say opposite things of a pickle.

    ## What it finds
    A pickle in which no PKL rule of hfcheck finds an error and which fickling calls malicious, or one with such an
    error that fickling calls `LIKELY_SAFE`, `POSSIBLY_UNSAFE` or `SUSPICIOUS`. `LIKELY_UNSAFE` is what it says of
    every tensor, and contradicts nothing.

    ## Why it matters
    One of the two is wrong. The verdict of hfcheck stays as it is.

    ## How to put it right
    Look at the pickle before you load it. If hfcheck is wrong, please report it with the file or its name.
    """

    id = "HFC006"
    name = "opinions-differ"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Look at the pickle before you load it, and report it if hfcheck is wrong."


RULES: tuple[Rule, ...] = (SecondOpinion(), OpinionsDiffer())
"""Rules whose findings the engine makes of what it heard."""

WITHOUT_VOTE = frozenset(rule.id for rule in RULES)


def by_rule(
    heard: Iterable[Heard], own: Mapping[str, Iterable[Finding]] | None
) -> Iterator[tuple[Rule, list[Finding]]]:
    """The notes on what was heard, by their rules. `own` has what each rule found, None where one of them failed."""
    ours = [found for id_, found in (own or {}).items() if id_.startswith("PKL")]
    errors = [finding for found in ours for finding in found if finding.severity is Severity.ERROR]
    found = list(notes(heard, errors if ours else None))
    for rule in RULES:
        yield rule, [finding for finding in found if finding.id == rule.id]


def notes(heard: Iterable[Heard], errors: Iterable[Finding] | None) -> Iterator[Finding]:
    """One note for each place with pickles, and one more where the opinions differ.

    `errors` are what the PKL rules found at severity error, None where that is not known. Several pickles of one file
    have one place, and it is not known which of them a finding is about: there the worst word counts.
    """
    ours = {(finding.at.path, finding.at.member): finding.id for finding in errors or ()}
    places: dict[tuple[str, str | None], list[Heard]] = {}
    for one in heard:
        places.setdefault((one.path, one.member), []).append(one)
    for (path, member), here in islice(places.items(), MAX_NOTES):
        worst = max(here, key=_weight)
        at = At(path, member=member, offset=worst.offset)
        yield RULES[0].finding(at, _said(worst, "this pickle" if len(here) == 1 else f"{len(here)} pickles here"))
        error = ours.get((path, member)) or ours.get((path, None))
        if errors is not None and isinstance(worst.opinion, Judged) and _differ(worst.opinion, error):
            found = f"finds an error ({error})" if error else "finds no error"
            yield RULES[1].finding(at, f"{worst.opinion.engine} says {worst.opinion.word}, and hfcheck {found}")
    if len(places) > MAX_NOTES:
        message = f"{len(places) - MAX_NOTES} more places with pickles are in the JSON report alone"
        yield RULES[0].finding(At("."), message)


def _differ(opinion: Judged, error: str | None) -> bool:
    return opinion.leaning is (Leaning.HARMFUL if error is None else Leaning.HARMLESS)


def _weight(heard: Heard) -> int:
    """Where its word stands among those of a place: that it has none counts for more than a harmless one."""
    leanings = list(Leaning)
    return 2 * leanings.index(heard.opinion.leaning) if isinstance(heard.opinion, Judged) else 1


def _said(heard: Heard, of: str) -> str:
    opinion = heard.opinion
    if not isinstance(opinion, Judged):
        return f"fickling has no opinion of {of}: {opinion.reason}"
    reasons = f": {quote(opinion.reasons, SHOWN)}" if opinion.reasons else ""
    return f"{opinion.engine} says {opinion.word} of {of}{reasons}"
