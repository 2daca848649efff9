"""Runs one scanner over many files: imports it once and forks for each, so that the figures leave the imports out.

A program for the environment of the scanner: it needs nothing but Python and that scanner. Standard input has a path on
each line, standard output a line of JSON for each. A file has limits of CPU, memory, clock and of what is written.
"""

import contextlib
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

CPU_S, CLOCK_S, MEMORY, WRITTEN = 60, 120, 6 << 30, 64 << 20
KEPT = 400
"""Characters of the last lines of an output."""


def _fickling_api(path: str) -> int:
    """0, 1 flagged, 2 errors only; zip archives member by member, and parse errors do not end it."""
    fickling: Any = importlib.import_module("fickling")
    if zipfile.is_zipfile(path):
        found = list(fickling.scan_zip_archive(path, graceful=True).values())
    else:
        found = [fickling.scan_file(path, graceful=True)]
    if not all(result.is_safe for result in found):
        return 1
    return 2 if any(result.errors for result in found) else 0


def _call(module: str, arguments: list[str]) -> int:
    sys.argv = [module.split(".", 1)[0], *arguments]
    return int(importlib.import_module(module).main() or 0)


def _scan(tool: str, path: str) -> int:
    if tool == "picklescan":
        return _call("picklescan.cli", ["--path", path])
    if tool == "picklescan --strict":
        return _call("picklescan.cli", ["--strict", "--path", path])
    if tool == "modelscan":
        return _call("modelscan.cli", ["-p", path])
    if tool == "modelaudit":
        return _call("modelaudit.cli", ["scan", "--format", "json", path])
    if tool == "fickling":
        return _call("fickling.cli", ["--check-safety", path])
    if tool == "fickling (API)":
        return _fickling_api(path)
    if tool == "hfcheck":
        return _call("hfcheck.__main__", ["check", "--format", "json", "--isolated", str(Path(path).parent)])
    raise ValueError(tool)


MODULES = {
    "fickling (API)": "fickling.loader",
    "hfcheck": "hfcheck.__main__",
}


def _child(tool: str, path: str, output: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
    for number, suffix in ((1, "out"), (2, "err")):
        os.dup2(os.open(output.with_suffix(f".{suffix}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = 70
    try:
        code = _scan(tool, path)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    except BaseException as problem:  # noqa: BLE001 - a crash is a result
        with contextlib.suppress(OSError):
            os.write(2, f"crash: {type(problem).__name__}: {problem}"[:KEPT].encode("utf-8", "replace"))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(code)


def _wait(child: int) -> tuple[int, resource.struct_rusage, bool]:
    end, late = time.monotonic() + CLOCK_S, False
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return status, used, late
        if time.monotonic() > end:
            late = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _findings(tool: str, output: Path) -> list[tuple[str, str, str]]:
    """Of hfcheck and modelaudit: id, severity and message."""
    if tool not in ("hfcheck", "modelaudit"):
        return []
    try:
        report = json.loads(output.with_suffix(".out").read_text(encoding="utf-8"))
        if tool == "modelaudit":
            return [("", issue["severity"], issue["message"][:KEPT]) for issue in report["issues"]]
        return [
            (finding["id"], finding["severity"], finding["message"][:KEPT])
            for repository in report["repositories"]
            for finding in repository["findings"]
        ]
    except (ValueError, KeyError, OSError):
        return []


def _preload(tool: str) -> None:
    module = MODULES.get(tool) or f"{tool.split(maxsplit=1)[0]}.cli"
    importlib.import_module(module)
    if tool == "hfcheck":  # its rules are modules too
        sys.argv = ["hfcheck", "rules"]
        with (
            contextlib.suppress(SystemExit),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            runpy.run_module("hfcheck", run_name="__main__", alter_sys=True)


def main() -> None:
    tool = sys.argv[1]
    work = Path(tempfile.mkdtemp())
    os.environ["HOME"] = str(work)
    os.chdir(work)
    _preload(tool)
    output = work / "output"
    for line in sys.stdin:
        path = line.rstrip("\n")
        child = os.fork()
        if not child:
            _child(tool, path, output)
        status, used, late = _wait(child)
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        errors = output.with_suffix(".err").read_bytes()[-KEPT:].decode("utf-8", "replace")
        result = {
            "path": path,
            "code": -1 if killed else os.WEXITSTATUS(status),
            "killed": "clock" if late else signal.Signals(killed).name if killed else "",
            "cpu": used.ru_utime + used.ru_stime,
            "mb": used.ru_maxrss / 1024,
            "stderr": errors,
            "findings": _findings(tool, output),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
