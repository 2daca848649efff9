"""Runs the cases of a plan: one line of JSON for each, with what the loader does and what hfcheck says.

A file that has some of the lines already is gone on with.
"""

import contextlib
import gc
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.agreement import judge, models, oracle
from benchmarks.agreement.models import Architecture, TooLarge
from benchmarks.agreement.mutations import MUTATIONS
from benchmarks.agreement.plan import Plan

SECONDS = 60
"""For one load: a damaged config may ask for a loop that does not end."""

UNBUILDABLE = "unbuildable"

Line = dict[str, Any]
"""`class`, `kind`, `seed`, `what` was changed, and either `skipped` with a reason or `truth` and `said`."""


class TooSlow(BaseException):
    """A load took longer than a minute. No handler of the loader that catches errors may catch it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A saved tiny model, to be copied for each case, and what it loads to."""

    plan: Plan
    architecture: Architecture
    folder: Path
    saved: oracle.State


def run(plan: Plan, out: Path, until: float, *, judged: bool = True) -> None:
    """Append the lines that are not there yet; stop at `until`, a time of `time.monotonic`."""
    done: dict[str, list[Line]] = {}
    for line in read(out):
        if line["seed"] == plan.seed:
            done.setdefault(line["class"], []).append(line)
    with out.open("a", encoding="utf-8") as file:
        for architecture in plan.architectures:
            for line in _class(plan, architecture, done.get(str(architecture), []), until, judged=judged):
                file.write(json.dumps(line) + "\n")
                file.flush()
            gc.collect()


def rejudge(lines: list[Line], out: Path) -> None:
    """Build the folders of the lines again and ask hfcheck once more: what the loader does has not changed."""
    classes: dict[tuple[int, str], list[Line]] = {}
    for line in lines:
        classes.setdefault((line["seed"], line["class"]), []).append(line)
    with out.open("w", encoding="utf-8") as file:
        for (seed, name), own in classes.items():
            plan, architecture = Plan(seed, (), 0), Architecture(*name.split("/"))
            with _folder() as root:
                base = _save(plan, architecture, root) if any("truth" in line for line in own) else root
                for line in own:
                    if "truth" in line:
                        what = _damaged(plan, architecture, line["kind"], base, root / "case") or ""
                        if what[:200] != line["what"]:
                            raise ValueError(f"{name}, {line['kind']}: the case is not what it was; run it anew")
                        line["said"] = asdict(judge.ask(root / "case"))
                    file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[Line]:
    """The lines that are whole: the last one may have been cut off."""
    found = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            found.append(json.loads(text))
    return found


def _class(plan: Plan, architecture: Architecture, done: list[Line], until: float, *, judged: bool) -> Iterator[Line]:
    left = plan.each - sum("truth" in line for line in done)
    kinds = {line["kind"] for line in done}
    if left <= 0 or UNBUILDABLE in kinds or time.monotonic() > until:
        return
    with _folder() as root:
        try:
            bench = _bench(plan, architecture, root)
        except Exception as error:  # noqa: BLE001 - a package that is not installed, a class that cannot be saved
            yield _line(plan, architecture, UNBUILDABLE) | {"skipped": f"{type(error).__name__}: {error}"[:200]}
            return
        for kind in plan.kinds(architecture):
            if left <= 0 or time.monotonic() > until:
                return
            if kind not in kinds and (line := _case(bench, kind, judged=judged)):
                left -= "truth" in line
                yield line


def _case(bench: Bench, kind: str, *, judged: bool) -> Line | None:
    """A line, or None where there is nothing of this kind to damage."""
    folder = bench.folder.with_name("case")
    line = _line(bench.plan, bench.architecture, kind)
    try:
        what = _damaged(bench.plan, bench.architecture, kind, bench.folder, folder)
    except Exception as error:  # noqa: BLE001 - a fault of the damage is listed and does not end the run
        return line | {"skipped": f"not damaged: {type(error).__name__}: {error}"[:200]}
    if what is None:
        return None
    line["what"] = what[:200]
    try:
        with _limited():
            truth = oracle.ask(folder, bench.architecture, bench.saved, kind)
    except (TooLarge, TooSlow) as error:
        return line | {"skipped": f"{type(error).__name__}: {error}"}
    line["truth"] = asdict(truth)
    if judged:
        line["said"] = asdict(judge.ask(folder))
    return line


def _line(plan: Plan, architecture: Architecture, kind: str) -> Line:
    return {"seed": plan.seed, "class": str(architecture), "kind": kind}


def _bench(plan: Plan, architecture: Architecture, root: Path) -> Bench:
    base = _save(plan, architecture, root)
    model = architecture.model_class.from_pretrained(base)
    return Bench(plan, architecture, base, {name: tensor.clone() for name, tensor in model.state_dict().items()})


def _save(plan: Plan, architecture: Architecture, root: Path) -> Path:
    models.build(architecture, plan.rng(architecture, "model")).save_pretrained(root / "base")
    return root / "base"


def _damaged(plan: Plan, architecture: Architecture, kind: str, base: Path, folder: Path) -> str | None:
    """Copy the model and damage the copy; says what was changed."""
    for path in (folder, folder.parent / "outside.safetensors"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copytree(base, folder)
    return MUTATIONS[kind](folder, plan.rng(architecture, kind))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agreement-") as name:
        yield Path(name)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s")

    before: Callable[[int, FrameType | None], Any] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
