"""Holds what hfcheck says against what the loader does, case by case."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.agreement.cases import Line
from benchmarks.agreement.mutations import AUTO, CLEAN

SETS = ("missing", "unexpected", "mismatched")
NOT_CHECKED = "not-checked"
CRASH = "HFC003"


@dataclass(slots=True)
class Tally:
    """Cases that were run; of them hfcheck judged some; of those it agrees on the outcome, and on all three sets.

    `with_sets` counts those for which the loader told its sets.
    """

    cases: int = 0
    judged: int = 0
    agree: int = 0
    with_sets: int = 0
    exact: int = 0

    def add(self, line: Line) -> None:
        self.cases += 1
        if line["said"]["outcome"] == NOT_CHECKED:
            return
        self.judged += 1
        self.agree += agrees(line)
        if line["truth"]["missing"] is not None:
            self.with_sets += 1
            self.exact += not unlike_sets(line)


@dataclass(slots=True)
class Agreement:
    """What became of all lines.

    `misses` are those on which hfcheck and the loader differ, `alarms` those of an undamaged model with an error,
    `silent` those where both know of a fault and no rule reports it, `crashes` those where a rule failed.
    """

    seeds: set[int] = field(default_factory=set)
    total: Tally = field(default_factory=Tally)
    kinds: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    types: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    classes: set[str] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    misses: list[Line] = field(default_factory=list)
    alarms: list[Line] = field(default_factory=list)
    silent: list[Line] = field(default_factory=list)
    crashes: list[Line] = field(default_factory=list)
    clean: int = 0
    skipped: list[Line] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def verdicts(self) -> float:
        return share(self.total.agree, self.total.judged)


def agreement(lines: Iterable[Line]) -> Agreement:
    """Lines without `said`, from a run that asked the loader alone, count as skipped."""
    result = Agreement()
    for line in lines:
        if "truth" not in line or "said" not in line:
            result.skipped.append(line)
            continue
        _add(result, line)
    return result


def _add(result: Agreement, line: Line) -> None:
    truth, said = line["truth"], line["said"]
    result.seeds.add(line["seed"])
    result.classes.add(line["class"])
    result.outcomes[truth["outcome"]] += 1
    for tally in (result.total, result.kinds[line["kind"]], result.types[line["class"].split("/")[0]]):
        tally.add(line)
    if CRASH in said["errors"]:
        result.crashes.append(line)
    if said["outcome"] == NOT_CHECKED:
        result.reasons[said["reason"]] += 1
    elif not agrees(line) or unlike_sets(line):
        result.misses.append(line)
    if line["kind"] in {CLEAN, AUTO}:
        result.clean += 1
        if said["errors"] and truth["outcome"] == "loads":
            result.alarms.append(line)
    elif truth["outcome"] == said["outcome"] != "loads" and not said["errors"]:
        result.silent.append(line)


def agrees(line: Line) -> bool:
    return bool(line["truth"]["outcome"] == line["said"]["outcome"])


def unlike_sets(line: Line) -> list[str]:
    """The sets in which the two differ by any name; none where the loader told none."""
    truth, said = line["truth"], line["said"]
    if truth["missing"] is None:
        return []
    return [name for name in SETS if truth[name]["digest"] != said[name]["digest"]]


def share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
