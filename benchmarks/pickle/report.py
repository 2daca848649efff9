"""Writes docs/pickle-benchmark.md from the results of the scanners and of the speed measurements."""

import datetime as dt
import json
import platform
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.pickle import table
from benchmarks.pickle.table import Tally

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "pickle-benchmark.md"
SHAPES = {
    "integers": "2 M opcodes: numbers in a list, 6 MB",
    "vocabulary": "2 M opcodes: dict of words, protocol 4, 9 MB",
    "optimizer": "2 M opcodes: state of an optimizer, 11 MB",
    "torch-1-GiB": "one torch zip of 1 GiB",
    "shards-5x200-MB": "5 shards of 200 MB, index and config",
}
TEXT = """\
# Pickles: hfcheck beside other scanners

Made by `benchmarks/pickle`; anyone can run it. No figure is better than the machine it comes from, and no test compares
itself with one.

```sh
python -m benchmarks.pickle.speed
python -m benchmarks.pickle.peers --report
```

The first needs the network once: each scanner, and each library that writes benign files, goes into a virtual
environment of its own under `build/pickle-benchmark`. Then {hostile} hostile and {benign} benign files are written
there, and every scanner reads each of them. None of them is ever loaded.

- The **hostile files** come from `benchmarks/pickle/hostile`: an assembler of pickles that shares no code with hfcheck,
  archives written byte by byte, and harmless payloads (`os.system("echo hfcheck-marker")`). They were written from
  descriptions of attacks and from published advisories, not from anybody's test files.
- The **benign files** come from `benchmarks/pickle/benign`: torch 2.13 with transformers 5.23, scikit-learn 1.3, 1.5
  and 1.7 with NumPy 1.26 and 2.2, SciPy, pandas and joblib 1.2 to 1.5, and Python's own pickles of protocols 0 to 5.
- **Found** means, for hfcheck, a finding of severity error; findings of hfcheck about itself do not count. {lenient} of
  the hostile files call for less: a warning ({warning}: unpicklers that disagree, values that unfold), or the word that
  the file was not followed to its end ({incomplete}: bombs, formats without a reader). For the other scanners it is
  exit code 1 with default settings, however grave; for modelaudit also any warning when its exit code is 2, and for
  fickling's API anything but "likely safe" in any member.
- `e`: error, crash or limit of the scanner (60 s of CPU, 6 GiB); `i`: hfcheck says "incomplete". Neither is a find.

{date}, {version} with its extra `archives` (without it lz4, zstd and 7z are "incomplete"), CPython
{python}, a virtual machine of 2 cores with other work to do. fickling 0.1.12, picklescan 1.0.5 with numpy and py7zr,
modelscan 0.8.8, modelaudit 0.2.54, which is slow and was given a part of the benign files (`--every 4`, "of").

## Hostile files found

{detection}
gadget_sweep, canaries and nested_pickle favour whoever denies what he does not know: read rows, not the total.

## Benign files flagged

{alarms}
## What hfcheck gets wrong here

{misses}
## CPU and memory over both sets

Seconds of CPU, user and system, of a process for each file; the imports of each scanner were done before.

{cost}
## Large files

Seconds of CPU of the whole command, imports included: the median of five runs after one that does not count, or one run
where that took more than five seconds; the limit is 120. `hfcheck --version` takes {start:.2f} s and {start_mb:.0f} MB,
`hfcheck check` of a folder with nothing but a README {empty:.2f} s: that is the start-up, and the ratios include it.

{speed}"""


def write(tally: Tally, work: Path, hfcheck: Path) -> None:
    needs = Counter(case.needs for case in tally.cases)
    version = subprocess.run(["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=False)
    speed = json.loads((work / "speed.json").read_text(encoding="utf-8"))
    start, start_mb, _ = speed["start-up"]["--version"]
    empty = speed["start-up"]["empty"][0]
    wrong = table.misses(tally.cases, hfcheck).strip()
    shown = "\n".join(f"- {line}" for line in wrong.replace("`", "'").splitlines()) or "Nothing."
    text = TEXT.format(
        hostile=sum(count for kind, count in needs.items() if kind),
        benign=needs[None],
        lenient=needs["warning"] + needs["incomplete"],
        warning=needs["warning"],
        incomplete=needs["incomplete"],
        date=f"{dt.datetime.now(tz=dt.timezone.utc):%-d %B %Y}",
        version=f"hfcheck after {version.stdout.strip()}",
        python=platform.python_version(),
        detection=table.detection(tally),
        alarms=table.alarms(tally),
        misses=shown + "\n",
        cost=table.cost(tally),
        start=start,
        start_mb=start_mb,
        empty=empty,
        speed=_speed(speed, empty),
    )
    REPORT.write_text(text, encoding="utf-8")


def _speed(speed: dict[str, dict[str, Any]], start: float) -> str:
    tools = ["hfcheck", "genops", "picklescan", "modelscan", "fickling", "modelaudit"]
    rows = []
    for name, label in SHAPES.items():
        measured = speed.get(name, {})
        own = measured.get("hfcheck", [0, 0, 0])[0]
        row = [label, f"{max(0.0, own - start):.2f} s"]
        for tool in tools:
            if tool not in measured:
                row.append("-")
                continue
            seconds, mb, code = measured[tool]
            ratio = "" if tool == "hfcheck" else f", {seconds / max(own, 0.01):.1f}x"
            over = "> " if code < 0 else ""
            row.append(f"{over}{seconds:.2f} s{ratio}, {mb:.0f} MB")
        rows.append(row)
    head = [
        "file",
        "hfcheck, without start-up",
        *(f"`pickletools.{tool}`" if tool == "genops" else tool for tool in tools),
    ]
    return table.markdown(head, rows)
