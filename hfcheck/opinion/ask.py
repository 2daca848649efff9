"""The question of `--second-opinion`: fickling judges one pickle in a process of its own, with limits.

Only the command line imports this, and only where it is asked to: a plain check starts no process. hfcheck itself never
imports fickling. An exception, a limit, the clock or an answer in another form is no opinion, and nothing else.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

from hfcheck.finding import MESSAGE, printable, quote, shorten
from hfcheck.opinion.answer import Judged, Opinion, Silent

SECONDS = 40.0
"""On the clock. The worker limits its own processor time to 20 seconds."""

MAX_ANSWER = 64 * 2**10
"""Bytes that a pipe holds: a process that writes more waits until the clock ends it."""

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the user's environment: without them some installations of Python do not start."""

WORKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "rehearsal", "fickling_worker.py")


def ask(pickled: bytes, *, seconds: float = SECONDS) -> Opinion:
    """What the installed fickling says of these bytes; of the repository it gets nothing else."""
    if not sys.executable:
        return Silent("it is not known which Python runs here, so no second one can be started")
    with tempfile.TemporaryDirectory(prefix="hfcheck-") as folder, tempfile.TemporaryFile() as asked:
        asked.write(pickled)
        asked.seek(0)
        # -I: no PYTHON variables, no user site, neither the working folder nor the script's on the path.
        with subprocess.Popen(  # noqa: S603 - our own program; nothing of the repository is among the arguments
            [sys.executable, "-I", "-B", "-X", "utf8", WORKER],
            cwd=folder,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {"LANG": "C.UTF-8"},
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                code = process.wait(seconds)
            except BaseException as error:  # an interrupt as well: no process is left behind
                os.killpg(process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
                if isinstance(error, subprocess.TimeoutExpired):
                    return Silent(f"it took more than {seconds:g} seconds")
                raise
            if code:
                return Silent(_ended(code))
            answer = os.read(process.stdout.fileno(), MAX_ANSWER) if process.stdout else b""
    return _judged(answer)


def _ended(code: int) -> str:
    if code > 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    limits = {"SIGXCPU": "processor time", "SIGXFSZ": "files", "SIGKILL": "memory or processor time, or by somebody"}
    return f"its process was ended by {name}" + (f": a limit on {limits[name]}" if name in limits else "")


def _judged(answer: bytes) -> Opinion:
    try:
        found: Any = json.loads(answer)
    except (ValueError, RecursionError):
        return Silent("its process gave no answer")
    match found:
        case {"unavailable": str(reason)}:
            return Silent(printable(shorten(reason, MESSAGE)))
        case {"fickling": str(version), "severity": str(word), "message": str(message)} if _is_word(word):
            return Judged(_engine(version), word, message)
        case {"fickling": str(version), "failed": str(error), "message": str(message)}:
            said = f" ({quote(message)})" if message else ""
            return Silent(f"{_engine(version)} failed on it with {printable(shorten(error, MESSAGE))}{said}")
    return Silent("its process gave no proper answer")


def _engine(version: str) -> str:
    return f"fickling {printable(shorten(version, 20))}"


def _is_word(word: str) -> bool:
    return word.isascii() and word.replace("_", "").isalpha() and word.isupper() and len(word) <= len("x" * 40)
