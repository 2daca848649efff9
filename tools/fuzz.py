"""Feeds hostile bytes to the readers: `python tools/fuzz.py --seconds 600 [--reader NAME]`.

Whatever the bytes, a reader gives facts or its one error, within a second and 64 MiB. With atheris (`pip install
atheris`) the search follows the coverage; without it, it is blind. The seeds are the examples of all rules and some
whole files. An input that breaks the property is saved as hexadecimal digits, and the exit code is 1.
"""

import argparse
import importlib
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a program, and the rest of it is in a package

from tools.fuzzing.changes import LARGEST
from tools.fuzzing.seeds import seeds
from tools.fuzzing.targets import DICTIONARIES, TARGETS, Run

SECONDS = 1.0
GROWTH = 64 * 2**20


@dataclass(slots=True)
class Tally:
    """What a run came to. Times are seconds of CPU, sizes bytes."""

    inputs: int = 0
    coverage: int = 0
    slowest: float = 0.0
    largest: int = 0
    growth: int = 0
    faults: list[str] = field(default_factory=list)


def measured(name: str, run: Run, tally: Tally, save: Path) -> Callable[[bytes], None]:
    """A function that runs one input and notes what it came to; a kind of fault is noted once."""
    known: set[str] = set()

    def fault(kind: str, data: bytes) -> None:
        if kind not in known:
            known.add(kind)
            save.mkdir(parents=True, exist_ok=True)
            path = save / f"{name}-{len(known)}.hex"
            path.write_text(data.hex(), encoding="ascii")
            tally.faults.append(f"{kind} ({path})")

    def one(data: bytes) -> None:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            run(data)
        except Exception as error:  # noqa: BLE001 - any error but the typed one is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault(f"{type(error).__name__} at {place.name}:{place.lineno}: {str(error)[:100]!r}", data)
        seconds = time.process_time() - start
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        tally.inputs += 1
        tally.slowest, tally.largest = max(tally.slowest, seconds), max(tally.largest, len(data))
        if tally.inputs > 100:  # the first inputs pay for imports and caches  # noqa: PLR2004
            tally.growth = max(tally.growth, growth)
        if seconds > SECONDS:
            fault("more than a second", data)
        if growth > GROWTH:
            fault("more than 64 MiB", data)

    return one


def search(name: str, seconds: float, save: Path, report: Path) -> None:
    """One target in this process; the tally is written to `report` every second or so."""
    target, tally = TARGETS[name], Tally()
    words = target.words()
    written = 0.0

    def write(*, now: bool = False) -> None:
        nonlocal written
        if now or time.monotonic() - written > 1:
            written = time.monotonic()
            report.write_text(json.dumps(asdict(tally)), encoding="ascii")

    start = seeds(target)
    atheris = _atheris()
    if atheris is None:
        one, dice, end = measured(name, target.begin(), tally, save), random.Random(0), time.monotonic() + seconds  # noqa: S311 - to be repeated
        corpus = [*start]
        while time.monotonic() < end:
            data = target.mutate(dice.choice(corpus), dice, words)
            one(data)
            if not dice.randrange(100):  # blind: now and then a change is kept, so that changes add up
                corpus = [*corpus[-1000:], data] if len(corpus) > 1000 else [*corpus, data]  # noqa: PLR2004
            write()
        write(now=True)
        return
    for module in [module for module in sys.modules if module.startswith("hfcheck")]:
        del sys.modules[module]  # to be imported again, with counters
    with atheris.instrument_imports(include=["hfcheck"]):
        one = measured(name, target.begin(), tally, save)

    def test(data: bytes) -> None:
        one(data)
        write()

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        dice = random.Random(seed)  # noqa: S311 - to be repeated
        changed = target.mutate(data, dice, words) if dice.randrange(3) else atheris.Mutate(data, size)
        return bytes(changed[:size])

    corpus_folder = Path(tempfile.mkdtemp())
    for number, data in enumerate(start):
        (corpus_folder / str(number)).write_bytes(data)
    # Zero seconds would mean: without end.
    limits = f"-max_total_time={max(round(seconds), 1)} -max_len={LARGEST} -timeout=60 -rss_limit_mb=2048"
    options = [*limits.split(), f"-dict={DICTIONARIES / target.dictionary}.dict"]
    atheris.Setup([sys.argv[0], *options, str(corpus_folder)], test, custom_mutator=mutate)
    atheris.Fuzz()


def _atheris() -> ModuleType | None:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def run_apart(name: str, seconds: float, save: Path) -> Tally:
    """One target in a process of its own: atheris does not return, and a crash of the interpreter is a result too."""
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "tally.json", Path(folder) / "log"
        command = [sys.executable, __file__, "--reader", name, "--seconds", str(seconds), "--save", str(save)]
        with log.open("wb") as stream:
            done = subprocess.run([*command, "--report", str(report)], stdout=stream, stderr=stream, check=False)  # noqa: S603 - ourselves
        tally = Tally(**json.loads(report.read_text(encoding="ascii"))) if report.exists() else Tally()
        text = log.read_text(encoding="utf-8", errors="replace")
    tally.coverage = max((int(number) for number in re.findall(r" cov: (\d+)", text)), default=0)
    tally.inputs = max(
        tally.inputs, *(int(number) for number in re.findall(r"^Done (\d+) runs", text, re.MULTILINE)), 0
    )
    if done.returncode:
        tally.faults.append(f"the process ended with {done.returncode}: {text[-300:]!r}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each reader (default: 60)")
    parser.add_argument("--reader", action="append", choices=list(TARGETS), help="only this one; may come again")
    parser.add_argument("--save", type=Path, default=Path("fuzz-findings"), help="folder for inputs that are faults")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report is not None:
        search(options.reader[0], options.seconds, options.save, options.report)
        return 0
    print("guided by coverage (atheris)" if _atheris() else "blind (atheris is not installed)")
    faults = 0
    for name in options.reader or TARGETS:
        tally = run_apart(name, options.seconds, options.save)
        faults += len(tally.faults)
        print(
            f"{name}: {tally.inputs:,} inputs in {options.seconds:.0f} s, coverage {tally.coverage}, slowest "
            f"{tally.slowest:.3f} s, largest {tally.largest:,} bytes, growth {tally.growth // 2**20} MiB, "
            f"{len(tally.faults)} faults",
            flush=True,
        )
        for fault in tally.faults:
            print(f"  {fault}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
