"""Writes the hostile set and the benign set to a folder, with a list of what is in it."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.pickle import benign
from benchmarks.pickle.benign.twins import twins
from benchmarks.pickle.hostile import samples
from benchmarks.pickle.sample import Needs


@dataclass(frozen=True, slots=True)
class Case:
    """A file that a scanner is given. `needs`: None for a benign one."""

    path: str
    group: str
    name: str
    needs: str | None


def hostile(out: Path) -> list[Case]:
    shutil.rmtree(out, ignore_errors=True)
    cases = []
    for sample in samples():
        folder = out / sample.group / sample.name.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / sample.file
        path.write_bytes(sample.data)
        cases.append(Case(str(path), sample.group, sample.name, sample.needs.value))
    return cases


def _twins(out: Path) -> None:
    for group in {twin.group for twin in twins()}:
        shutil.rmtree(out / group, ignore_errors=True)
    for twin in twins():
        folder = out / twin.group / twin.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / twin.file).write_bytes(twin.data)


def harmless(out: Path) -> list[Case]:
    """One case for each folder; of several files it is the largest that a scanner is pointed at."""
    cases = []
    for folder in sorted(path for path in out.glob("*/*") if path.is_dir()):
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"] or list(
            folder.iterdir()
        )
        largest = max(files, key=lambda path: path.stat().st_size)
        cases.append(Case(str(largest), folder.parent.name, folder.name, None))
    return cases


def make(work: Path) -> list[Case]:
    benign.make(work / "environments", work / "benign")
    _twins(work / "benign")
    cases = hostile(work / "hostile") + harmless(work / "benign")
    (work / "cases.json").write_text(json.dumps([asdict(case) for case in cases], indent=0), encoding="utf-8")
    return cases


FOUND_AT = {
    Needs.ERROR.value: ("error",),
    Needs.WARNING.value: ("error", "warning"),
    Needs.INCOMPLETE.value: ("error", "warning", "incomplete"),
}
"""What hfcheck may say for a sample to count as found."""
