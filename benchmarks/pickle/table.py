"""What the scanners said, counted for each class, as tables of Markdown."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pickle.sets import FOUND_AT, Case

UNSUPPORTED = 3
"""modelscan: no file that it can scan. hfcheck: something could not be checked."""
CRASHED = "HFC003"
"""A rule of hfcheck failed; its findings about itself count for nothing else here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`said`: clean, flagged, error (the scanner's own failure), or incomplete (hfcheck only). `least`: of hfcheck."""

    said: str
    severities: frozenset[str]
    cpu: float
    mb: float


@dataclass(frozen=True, slots=True)
class Tally:
    """All verdicts, by tool and path."""

    cases: list[Case]
    verdicts: dict[str, dict[str, Verdict]]


def _verdict(tool: str, result: dict[str, Any]) -> Verdict:
    severities = {severity for identifier, severity, _ in result["findings"] if not identifier.startswith("HFC")}
    code, cpu, mb = result["code"], result["cpu"], result["mb"]
    crashed = any(identifier == CRASHED for identifier, _, _ in result["findings"])
    if result["killed"] or (tool == "hfcheck" and (crashed or code not in (0, 1, 3))):
        return Verdict("error", frozenset(severities), cpu, mb)
    if tool == "hfcheck":
        if code == UNSUPPORTED or any(identifier.startswith("HFC") for identifier, _, _ in result["findings"]):
            severities.add("incomplete")
        said = "flagged" if "error" in severities else "incomplete" if "incomplete" in severities else "clean"
        return Verdict(said, frozenset(severities), cpu, mb)
    if tool == "modelaudit" and severities & {"warning", "critical"}:
        code = 1  # it says so with 2 where it also stopped somewhere
    if tool == "modelscan" and code == UNSUPPORTED:
        code = 0
    return Verdict({0: "clean", 1: "flagged"}.get(code, "error"), frozenset(), cpu, mb)


def tally(cases: list[Case], files: dict[str, Path]) -> Tally:
    verdicts: dict[str, dict[str, Verdict]] = {}
    paths = {case.path for case in cases}
    for tool, file in files.items():
        if file.exists():
            results = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            verdicts[tool] = {r["path"]: _verdict(tool, r) for r in results if r["path"] in paths}
    return Tally(cases, verdicts)


def found(tool: str, case: Case, verdict: Verdict) -> bool:
    if tool != "hfcheck":
        return verdict.said == "flagged"
    return case.needs is not None and bool(verdict.severities & set(FOUND_AT[case.needs]))


def _groups(cases: list[Case]) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.group].append(case)
    return groups


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def detection(tally: Tally) -> str:
    """Found of the hostile files of each class; `e` counts the scanner's own failures, which are not finds."""
    cases = [case for case in tally.cases if case.needs]
    rows = []
    for group, members in {**_groups(cases), "**all**": cases}.items():
        row = [group, str(len(members))]
        for tool, verdicts in tally.verdicts.items():
            known = [(case, verdicts[case.path]) for case in members if case.path in verdicts]
            hits = sum(found(tool, case, verdict) for case, verdict in known)
            failed = sum(verdict.said == "error" for case, verdict in known if not found(tool, case, verdict))
            shown = f"{100 * hits / max(1, len(known)):.1f} %" if group == "**all**" else str(hits)
            row.append(shown + (f"+{failed}e" if failed else ""))
        rows.append(row)
    return markdown(["class", "files", *tally.verdicts], rows)


def alarms(tally: Tally) -> str:
    """Flagged of the benign files of each class; `i` counts those that hfcheck calls incomplete."""
    cases = [case for case in tally.cases if not case.needs]
    rows = []
    for group, members in {**_groups(cases), "**all**": cases}.items():
        row = [group, str(len(members))]
        for verdicts in tally.verdicts.values():
            known = sum(case.path in verdicts for case in members)
            said = Counter(verdicts[case.path].said for case in members if case.path in verdicts)
            total = max(1, sum(said.values()))
            shown = f"{100 * said['flagged'] / total:.1f} %" if group == "**all**" else str(said["flagged"])
            shown += f" of {known}" if known < len(members) else ""
            extra = f"+{said['error']}e" if said["error"] else ""
            row.append(shown + extra + (f"+{said['incomplete']}i" if said["incomplete"] else ""))
        rows.append(row)
    return markdown(["class", "files", *tally.verdicts], rows)


def cost(tally: Tally) -> str:
    """CPU and memory over both sets."""
    rows = []
    for tool, verdicts in tally.verdicts.items():
        times = [verdict.cpu for verdict in verdicts.values()]
        memory = [verdict.mb for verdict in verdicts.values()]
        rows.append([tool, f"{sum(times):.1f}", f"{median(times):.3f}", f"{max(times):.2f}", f"{max(memory):.0f}"])
    return markdown(["tool", "CPU s, all files", "median", "most", "MB, most"], rows)


def _line(case: Case, result: dict[str, Any]) -> str:
    kind = f"MISS needs {case.needs}" if case.needs else "FALSE ALARM"
    said = sorted({f"{severity}:{identifier}" for identifier, severity, _ in result["findings"]})
    first = next((message for _, severity, message in result["findings"] if severity == "error"), "")
    place = f"{case.group}/{case.name} ({Path(case.path).name})"
    return f"{kind}: {place}: exit {result['code']} {result['killed']} {' '.join(said)} {first[:160]}".rstrip()


def misses(cases: list[Case], file: Path) -> str:
    """One line for each hostile file that hfcheck did not find, and each benign one that it flagged."""
    if not file.exists():
        return ""
    results = {r["path"]: r for r in map(json.loads, file.read_text(encoding="utf-8").splitlines())}
    lines = []
    for case in cases:
        result = results.get(case.path)
        if result is None:
            continue
        verdict = _verdict("hfcheck", result)
        wrong = verdict.said in ("flagged", "error") if case.needs is None else not found("hfcheck", case, verdict)
        if wrong:
            lines.append(_line(case, result))
    return "\n".join(lines) + "\n"
