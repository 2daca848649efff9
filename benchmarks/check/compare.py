"""Compares hfcheck with bare Python, picklescan and modelscan on large repositories, side by side.

`python benchmarks/check/compare.py [--work FOLDER] [--runs 7]` needs the network once: each tool goes into a virtual
environment of its own, hfcheck from this checkout. The table is Markdown. Times are seconds of CPU, user and system
together, of the process and all it started; the median after one run that does not count.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from types import ModuleType

ROOT = Path(__file__).parents[2]
TOOLS = {"hfcheck": str(ROOT), "picklescan": "picklescan==1.0.5", "modelscan": "modelscan==0.8.8"}
REPOSITORIES = {
    "shards": "723 tensors in 100 shards, 141 GB",
    "tokenizer": "the same with a tokenizer.json of 18 MB",
    "experts": "45,011 tensors in one file, 571 GB",
}


LAUNCHER = """
import os, sys
null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=null), 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
"""Linux counts to the memory of a program that of the one that started it: this one has 8 MB, and does nothing else."""


def run(command: list[str], home: Path) -> tuple[float, float, int]:
    """CPU seconds, megabytes of memory at most, and exit code."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "HOME": str(home)}
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(launcher, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    seconds, kilobytes, code = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024, int(code)


def environments(work: Path) -> dict[str, Path]:
    """The folder of programs of each tool."""
    found = {}
    for name, requirement in TOOLS.items():
        folder = work / name
        if not (folder / "bin" / name).exists() or name == "hfcheck":
            if not folder.exists():
                venv.create(folder, with_pip=True)
            install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
            if name == "hfcheck":  # what is in the checkout now, not what was there last time
                install += ["--force-reinstall", "--no-deps"] if (folder / "bin" / name).exists() else []
            if run(install, work)[2] != 0:
                sys.exit(f"{' '.join(install)} failed")
        found[name] = folder / "bin"
    return found


def commands(programs: dict[str, Path], repository: Path) -> dict[str, list[str]]:
    hfcheck, place = str(programs["hfcheck"] / "hfcheck"), str(repository)
    return {
        "`python -c pass`": [str(programs["hfcheck"] / "python"), "-c", "pass"],
        "`hfcheck check`": [hfcheck, "check", "--isolated", place],
        "`hfcheck check --format sarif`": [hfcheck, "check", "--isolated", "--format", "sarif", place],
        "picklescan 1.0.5": [str(programs["picklescan"] / "picklescan"), "--path", place],
        "modelscan 0.8.8": [str(programs["modelscan"] / "modelscan"), "--path", place],
    }


def _sparse() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sparse", Path(__file__).with_name("make_sparse.py"))
    if spec is None or spec.loader is None:
        raise ImportError("make_sparse.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "benchmarks", help="for repositories and tools")
    parser.add_argument("--runs", type=int, default=7, help="that count, of each command (default: 7)")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    repositories: dict[str, Path] = _sparse().make(options.work / "repositories")
    programs = environments(options.work)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, median of {options.runs} runs after a warm-up\n")
    print("| repository | command | CPU s | least | most | above bare Python | MB | exit code |")
    print("|---|---|---|---|---|---|---|---|")
    for name, repository in repositories.items():
        bare = 0.0
        for command, arguments in commands(programs, repository).items():
            run(arguments, options.work)
            results = [run(arguments, options.work) for _ in range(options.runs)]
            seconds = [result[0] for result in results]
            bare = bare or median(seconds)
            memory = max(result[1] for result in results)
            print(
                f"| {REPOSITORIES[name]} | {command} | {median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} "
                f"| {median(seconds) - bare:.2f} | {memory:.0f} | {results[-1][2]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
