"""hfcheck and other scanners over the same files, side by side: `python -m benchmarks.pickle.peers --work FOLDER`.

The folder takes the sets, an environment for each scanner and one file of results for each; a run that was stopped
goes on where it was. `--report` writes docs/pickle-benchmark.md. Nothing loads a file of the hostile set: scanners read
them, each in a process with limits, without network where the system allows it, and with an empty home.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.pickle import report, sets, table
from benchmarks.pickle.benign import environment
from benchmarks.pickle.sets import Case

ROOT = Path(__file__).parents[2]
PICKLESCAN = ("picklescan==1.0.5", "numpy==2.2.6", "py7zr")
"""With what it wants to have beside it for arrays and for 7z."""
TOOLS: dict[str, tuple[str, ...]] = {
    "hfcheck": (f"{ROOT}[archives]",),
    "fickling": ("fickling==0.1.12", "typing_extensions"),
    "fickling (API)": ("fickling==0.1.12", "typing_extensions"),
    "picklescan": PICKLESCAN,
    "picklescan --strict": PICKLESCAN,
    "modelscan": ("modelscan==0.8.8",),
    "modelaudit": ("modelaudit==0.2.54",),
}
QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "NO_COLOR": "1", "CI": "1"}


def results_file(work: Path, tool: str) -> Path:
    return work / "results" / f"{tool.replace(' ', '_')}.jsonl"


def program(work: Path, tool: str, given: dict[str, str]) -> str:
    """The Python of a scanner."""
    if tool in given:
        return given[tool]
    python = str(environment(work / "environments" / tool.split(maxsplit=1)[0], TOOLS[tool]))
    if tool == "hfcheck":  # what is in the checkout now, not what was there last time
        again = [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", str(ROOT)]
        subprocess.run(again, check=True)
    return python


def _offline() -> list[str]:
    """A network namespace with nothing in it, where one may be made."""
    unshare = shutil.which("unshare")
    if unshare and subprocess.run([unshare, "--net", "true"], capture_output=True, check=False).returncode == 0:
        return [unshare, "--net"]
    return []


def scan(work: Path, tool: str, python: str, cases: list[Case]) -> None:
    """Appends a line of JSON for each case that has none."""
    file = results_file(work, tool)
    file.parent.mkdir(parents=True, exist_ok=True)
    known = (
        {json.loads(line)["path"] for line in file.read_text(encoding="utf-8").splitlines()} if file.exists() else set()
    )
    paths = [case.path for case in cases if case.path not in known]
    if not paths:
        return
    command = [*_offline(), python, "-W", "ignore", str(Path(__file__).with_name("scan_worker.py")), tool]
    environ = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")} | QUIET
    with file.open("a", encoding="utf-8") as out:
        subprocess.run(command, input="\n".join(paths) + "\n", stdout=out, env=environ, check=True, text=True)


def _share(cases: list[Case], every: int) -> list[Case]:
    """All hostile files, and every so manyth of the benign ones."""
    benign = [case for case in cases if case.needs is None]
    return [case for case in cases if case.needs or benign.index(case) % every == 0]


def main() -> int:
    options = _parser().parse_args()
    work = options.work.resolve()
    listing = work / "cases.json"
    given = dict(entry.split("=", 1) for entry in options.python)
    if options.keep_sets and listing.exists():
        cases = [Case(**case) for case in json.loads(listing.read_text(encoding="utf-8"))]
    else:
        cases = sets.make(work)
    for tool in options.tools:
        if options.again:
            results_file(work, tool).unlink(missing_ok=True)
        scan(work, tool, program(work, tool, given), _share(cases, options.every))
    tally = table.tally(cases, {tool: results_file(work, tool) for tool in TOOLS})
    print(table.misses(cases, results_file(work, "hfcheck")))
    print(table.detection(tally))
    print(table.alarms(tally))
    print(table.cost(tally))
    if options.report:
        report.write(tally, work, results_file(work, "hfcheck"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "pickle-benchmark", help="for everything that is made"
    )
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=list(TOOLS), help="which to run")
    parser.add_argument(
        "--python", action="append", default=[], metavar="TOOL=PYTHON", help="an environment that is there"
    )
    parser.add_argument("--keep-sets", action="store_true", help="the files as they lie in the folder")
    parser.add_argument("--again", action="store_true", help="forget the earlier results of these tools")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="give these tools each Nth benign file only")
    parser.add_argument("--report", action="store_true", help="write docs/pickle-benchmark.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
