"""Tiny whole repositories, damaged in one way each: what the libraries do with them, and what hfcheck says.

    python -m benchmarks.tokenizer.mutations [--seeds N] [--first SEED] [--kind TEXT] [--show] [--out FILE]

A case does harm where transformers raises, gives other ids, loses a token's role, stops elsewhere, or cannot save. Of
these hfcheck should say something; and of what does no harm, no error.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import transformers

from benchmarks.tokenizer import damage_files, damage_generation, damage_tokens
from benchmarks.tokenizer.clean import KINDS, Clean, build
from benchmarks.tokenizer.damage import Damage, Files
from benchmarks.tokenizer.legal import LEGAL
from benchmarks.tokenizer.truth import Behaviour, behaviour, consequences
from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.report import RepositoryReport
from hfcheck.rule import Rule

DAMAGES = (*damage_tokens.DAMAGES, *damage_files.DAMAGES, *damage_generation.DAMAGES, *LEGAL)

Found = tuple[str, str, str, str]
"""Id, severity, place, message."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An undamaged repository: its special tokens, what the libraries make of it, and what hfcheck finds in it."""

    clean: Clean
    specials: tuple[str, ...]
    before: Behaviour
    known: frozenset[Found]


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged repository. `said` is what hfcheck finds beyond what it finds in the whole one."""

    damage: str
    model: str
    seed: int
    what: str
    harm: tuple[str, ...]
    raises: str
    said: tuple[Found, ...]

    @property
    def worst(self) -> str:
        severities = {found[1] for found in self.said}
        return next((one for one in ("error", "warning", "note") if one in severities), "nothing")


def main() -> int:
    options = _parser().parse_args()
    transformers.logging.set_verbosity(60)
    rules = registry.load()
    cases, clean = [], Counter[str]()
    for seed in range(options.first, options.first + options.seeds):
        for found in _seed(seed, options.kind, rules):
            if isinstance(found, Case):
                cases.append(found)
                if options.show:
                    _show(found)
            else:
                clean["repositories"] += 1
                clean.update(severity for _, severity, _, _ in found)
                for one in found:
                    if one[1] != "note":
                        print("CLEAN", *one)
    if options.out:
        options.out.write_text("".join(json.dumps(asdict(case)) + "\n" for case in cases))
    print(_table(cases))
    print(dict(clean))
    return 1 if clean["error"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", default="", help="only damage with this in its name")
    parser.add_argument("--show", action="store_true", help="each case that was missed or is doubtful")
    parser.add_argument("--out", type=Path, help="lines of JSON, one for each case")
    return parser


def _seed(seed: int, chosen: str, rules: tuple[Rule, ...]) -> Iterator[Case | list[Found]]:
    """What is found in each whole repository of a seed, and each of its damages."""
    for kind in KINDS:
        dice = Random(f"{seed} {kind.name}")
        with tempfile.TemporaryDirectory(prefix="tokenizer-") as name:
            root = Path(name)
            clean = build(kind, dice, root / "clean")
            specials = tuple(dict.fromkeys((*kind.specials, *kind.added)))
            known = _found(_checked(clean.folder, rules))
            yield known
            whole = Whole(clean, specials, behaviour(clean.folder, specials), frozenset(known))
            for damage in DAMAGES:
                if chosen in damage.name:
                    case = _case(whole, damage, seed, rules)
                    if case is not None:
                        yield case


def _case(whole: Whole, damage: Damage, seed: int, rules: tuple[Rule, ...]) -> Case | None:
    clean = whole.clean
    files = Files.read(clean)
    what = damage.apply(files, Random(f"{seed} {damage.name} {clean.kind.name}"))
    if what is None:
        return None
    folder = clean.folder.with_name("case")
    shutil.rmtree(folder, ignore_errors=True)
    files.write(folder)
    after = behaviour(folder, whole.specials)
    said = tuple(found for found in _found(_checked(folder, rules)) if found not in whole.known)
    harm = tuple(consequences(clean, whole.before, after))
    raises = after.raises or after.config or after.unsaved or after.template or after.batch
    return Case(damage.name, clean.kind.name, seed, what, harm, raises, said)


def _checked(folder: Path, rules: tuple[Rule, ...]) -> RepositoryReport:
    return engine.check(".", str(folder), rules, Settings())


def _found(report: RepositoryReport) -> list[Found]:
    findings = (located.finding for located in report.findings)
    return [(one.id, one.severity.value, f"{one.at.path}{one.at.logical}", one.message) for one in findings]


def _show(case: Case) -> None:
    """A case that was missed, or that has an error without harm."""
    damage = next(damage for damage in DAMAGES if damage.name == case.damage)
    ids = {found[0] for found in case.said}
    missed = bool(case.harm or damage.inventory) and not ids.intersection(damage.rules) and not damage.silent
    alarm = (case.worst == "error" and not case.harm) or (damage in LEGAL and case.worst in ("error", "warning"))
    if missed or alarm:
        print(f"{'ALARM' if alarm else 'MISSED'} {case.damage} / {case.model} / {case.seed}: {case.what}; {case.harm}")
        print(f"      {case.raises}")
        for found in case.said:
            print("     ", *found)


def _table(cases: list[Case]) -> str:
    """A line for each kind: cases with harm, how many of them were found and by what, and errors without harm."""
    by_name: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_name[case.damage].append(case)
    lines = [
        f"{'damage':44} {'harm':>5} {'error':>5} {'warn':>5} {'note':>5} {'-':>4}  {'none':>4} {'alarm':>5}  rules"
    ]
    for damage in DAMAGES:
        own = by_name.get(damage.name)
        if own:
            lines.append(_line(damage, own))
    legal = {damage.name for damage in LEGAL}
    odd = Counter(case.worst for case in cases if case.damage in legal)
    cases = [case for case in cases if case.damage not in legal]
    harmed = [case for case in cases if case.harm]
    said = Counter(case.worst for case in harmed)
    silent = {damage.name for damage in DAMAGES if damage.silent}
    told = [case for case in harmed if case.damage not in silent]
    missed = sum(case.worst == "nothing" for case in told)
    alarms = sum(case.worst == "error" and not case.harm for case in cases)
    lines.append(f"{len(by_name.keys() - legal)} kinds, {len(cases)} cases, {len(harmed)} with harm: {dict(said)}")
    lines.append(
        f"of {len(told)} that files can tell, {len(told) - missed} found; errors where there is no harm: {alarms}"
    )
    lines.append(f"legal changes: {odd.total()}, and what is found in them: {dict(odd)}")
    return "\n".join(lines)


def _line(damage: Damage, cases: list[Case]) -> str:
    harmed = [case for case in cases if case.harm]
    worst = Counter(case.worst for case in harmed)
    harmless = [case for case in cases if not case.harm]
    alarms = sum(case.worst == "error" for case in harmless)
    rules = Counter(rule for case in cases for rule in {found[0] for found in case.said})
    listed = " ".join(f"{rule}:{count}" for rule, count in rules.most_common(4))
    counts = (len(harmed), worst["error"], worst["warning"], worst["note"])
    numbers = " ".join(f"{count:5}" for count in counts)
    note = f"  ({damage.silent})" if damage.silent else ""
    return f"{damage.name:44} {numbers} {worst['nothing']:4}  {len(harmless):4} {alarms:5}  {listed}{note}"


if __name__ == "__main__":
    sys.exit(main())
