"""The result as text: a summary, the disagreements, and the tables of docs/agreement.md."""

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.agreement.cases import Line
from benchmarks.agreement.compare import Agreement, Tally, agrees, share, unlike_sets
from benchmarks.agreement.mutations import MUTATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agreement.md"
MARKED = re.compile(r"(<!-- generated: ([a-z]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def summary(result: Agreement) -> str:
    """The figures of a run, one to a line."""
    total = result.total
    exact = f"{total.exact:,} of {total.with_sets:,} ({_percent(total.exact, total.with_sets)})"
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in sorted(result.outcomes.items()))
    lines = (
        f"{total.cases:,} cases of {len(result.classes):,} classes of {len(result.types):,} types, seeds "
        + (", ".join(map(str, sorted(result.seeds))) or "-")
        + f"; {len(result.skipped):,} more could not be run",
        f"what the loader did: {outcomes}",
        f"judged by hfcheck: {total.judged:,} ({_percent(total.judged, total.cases)})",
        f"of these, the same outcome: {total.agree:,} ({_percent(total.agree, total.judged)})",
        f"where the loader told its sets, the same names in all three: {exact}",
        f"undamaged models: {result.clean:,}; with an error from hfcheck: {len(result.alarms):,}",
        f"raises or random weights that hfcheck sees and no rule reports: {len(result.silent):,}",
        f"crashes of hfcheck: {len(result.crashes):,}",
    )
    return "\n".join(f"- {line}" for line in lines)


def misses(result: Agreement, limit: int) -> str:
    """Disagreements, undamaged models with an error, and reasons for not judging, as somebody hunts for their cause."""
    lines = [_miss(line) for line in result.misses[:limit]]
    lines += [f"ALARM {line['class']}: {' '.join(line['said']['errors'])}" for line in result.alarms[:limit]]
    lines += [f"SILENT {line['class']}, {line['kind']}: {line['truth']['error']}" for line in result.silent[:limit]]
    lines += [f"CRASH {line['class']}, {line['kind']}" for line in result.crashes[:limit]]
    reasons = sorted(result.reasons.items(), key=lambda reason: -reason[1])
    lines += [f"not checked, {count}: {reason}" for reason, count in reasons[:limit]]
    return "\n".join(lines)


def _miss(line: Line) -> str:
    truth, said = line["truth"], line["said"]
    head = f"{line['class']}, {line['kind']} ({line['what']}): "
    if not agrees(line):
        return f"{head}{truth['outcome']} and not {said['outcome']}; {truth['error'] or said['reason']}"
    differences = (
        f"{name} {truth[name]['count']} {list(truth[name]['first'][:2])} and not {said[name]['count']} "
        f"{list(said[name]['first'][:2])}"
        for name in unlike_sets(line)
    )
    return head + "; ".join(differences)


def write(result: Agreement) -> None:
    """Replace what stands between the markers of the page."""
    texts = {
        "summary": summary(result),
        "kinds": _table("kind of damage", {kind: result.kinds[kind] for kind in MUTATIONS if kind in result.kinds}),
        "types": _table("type", _imperfect(result.types)),
        "misses": _grouped(result),
    }
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKED.sub(lambda m: f"{m[1]}\n{texts[m[2]]}\n\n{m[4]}", page), encoding="utf-8")


def _table(what: str, tallies: Mapping[str, Tally]) -> str:
    rows = [f"| {what} | cases | judged | same outcome | sets told | same names |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {name} | {tally.cases} | {tally.judged} | {tally.agree} ({_percent(tally.agree, tally.judged)}) "
        f"| {tally.with_sets} | {tally.exact} ({_percent(tally.exact, tally.with_sets)}) |"
        for name, tally in tallies.items()
    ]
    return "\n".join(rows)


def _imperfect(types: Mapping[str, Tally]) -> dict[str, Tally]:
    return {
        name: tally
        for name, tally in sorted(types.items())
        if (tally.judged, tally.exact) != (tally.agree, tally.with_sets)
    }


def _grouped(result: Agreement) -> str:
    """The disagreements by kind and by what the loader said: one line of text for each, with the classes."""
    groups: dict[tuple[str, str], list[str]] = {}
    for line in result.misses:
        truth, said = line["truth"], line["said"]
        why = f"{truth['outcome']}, hfcheck: {said['outcome']}" if not agrees(line) else "other names"
        error = f" ({truth['error'][:100]})" if truth["error"] else ""
        groups.setdefault((line["kind"], why + error), []).append(line["class"].split("/")[1])
    rows = [f"- {kind}: {why}: {', '.join(sorted(names))}" for (kind, why), names in sorted(groups.items())]
    return "\n".join(rows) or "None."


def _percent(part: int, whole: int) -> str:
    return f"{100 * share(part, whole):.2f} %" if whole else "-"
