"""A program of this room in a process of its own: how it is started, spoken to and ended."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from hfcheck.finding import MESSAGE, printable, shorten

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the user's environment: without them some installations do not find their libraries."""

VARIABLES = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_CACHE_DISABLE": "1",
}

CHUNK = 2**16
MAX_LINE = 64 * 2**20
"""Bytes of one answer: that of a file with a fault in each of 200,000 tensors has 20 million."""

FAREWELL = 5.0
"""Seconds that a process has to end once there is nothing left to do."""


class Ended(Exception):
    """The process ended, or was ended, before it answered; the text is a phrase on how."""


class Conversation:
    """A process that answers lines of JSON on its stdout to those on its stdin."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._heard = bytearray()
        self._is_killed = False
        self._poll = select.poll()
        if process.stdout is not None:
            self._poll.register(process.stdout, select.POLLIN)

    @property
    def is_there(self) -> bool:
        """Whether the process can still be spoken to."""
        return not self._is_killed and self._process.poll() is None

    def say(self, request: Any) -> None:  # noqa: ANN401 - JSON
        """Put a request; raises Ended."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Ended(self._how()) from error

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next answer; raises Ended, also where none came in this time."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        until = monotonic() + seconds
        while (end := self._heard.find(b"\n")) < 0:
            if not self._poll.poll(max(until - monotonic(), 0) * 1000):
                self.kill()
                raise Ended(f"gave no answer for {seconds:g} seconds")
            chunk = os.read(self._process.stdout.fileno(), CHUNK)
            if not chunk:
                raise Ended(self._how())
            self._heard += chunk
            if len(self._heard) > MAX_LINE:
                self.kill()
                raise Ended("gave an answer without an end")
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            self.kill()
            raise Ended("gave no proper answer")
        return answer

    def kill(self) -> None:
        self._is_killed = True
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own

    def _how(self) -> str:
        try:
            code = self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self.kill()
            return "closed its end of the conversation"
        return ended(code)


def ended(code: int) -> str:
    """How a process ended, by its return code: a phrase with "the process" in front."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    why = {
        "SIGXCPU": "a limit on processor time", "SIGXFSZ": "a limit on files", "SIGBUS": "a fault in its memory",
        "SIGSEGV": "a fault in its memory", "SIGABRT": "itself, as libraries do that find a fault",
        "SIGKILL": "the system, most often for want of memory, or somebody",
    }  # fmt: skip
    return f"was ended by {name}" + (f": {why[name]}" if name in why else "")


def phrase(text: object) -> str:
    """What a process says, as part of a sentence: it may hold anything."""
    return printable(shorten(" ".join(str(text).split()), MESSAGE // 2))


@contextmanager
def conversation(
    program: str, arguments: Sequence[str], *, descriptors: Sequence[int], variables: Mapping[str, str]
) -> Iterator[Conversation]:
    """A program of this room, which ends with the block. It works in an empty folder and knows nothing of the user.

    `descriptors` are handed on under their numbers. Raises Ended where it cannot be started.
    """
    if not sys.executable:
        raise Ended("cannot be started: it is not known which Python runs here")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), program)
    with tempfile.TemporaryDirectory(prefix="hfcheck-") as folder:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # -I: no PYTHON variables, no user site, neither the working folder nor the script's on the path.
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program; nothing of the repository is among the arguments
                [sys.executable, "-I", "-B", "-X", "utf8", path, *arguments],
                cwd=folder,
                env={**kept, **VARIABLES, "HOME": folder, "TMPDIR": folder, **variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=tuple(descriptors),
                start_new_session=True,
            )
        except OSError as error:
            raise Ended(f"cannot be started: {error.strerror}") from error
        spoken = Conversation(process)
        try:
            yield spoken
        except BaseException:  # an interrupt as well: no process is left behind
            spoken.kill()
            raise
        finally:
            _end(process, spoken)


def _end(process: "subprocess.Popen[bytes]", spoken: Conversation) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101 - as above
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        spoken.kill()
        process.wait()
    process.stdout.close()
