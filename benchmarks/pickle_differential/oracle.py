"""Asks the real unpicklers, in a process that may die of a stream."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 15.0
"""Seconds without an answer; the worker itself gives up a stream earlier, by its limit of CPU."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a machine did. `at` is the byte of the opcode, `end` the one behind it, None where not known."""

    kind: str
    at: int | None
    end: int | None
    rest: list[Any]


@dataclass(frozen=True, slots=True)
class Load:
    """One pickle as a machine took it. `error` is None where it came to STOP; `end` is where the file stood then."""

    begin: int
    notes: tuple[Note, ...]
    error: str | None
    end: int | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All pickles of a stream under one variant; none where the stream killed or exhausted the machine."""

    variant: str
    loads: tuple[Load, ...]


class Oracle:
    """A worker, started when it is needed and again when it has died.

    `python` is whose machines are asked, `seconds` the CPU time that a stream may take.
    """

    def __init__(self, python: str = sys.executable, seconds: int = 4) -> None:
        self._command = [python, "-I", str(WORKER), str(seconds)]
        self._worker: _Worker | None = None

    def __enter__(self) -> "Oracle":  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def ask(self, questions: Sequence[tuple[bytes, str]]) -> Iterator[Answer]:
        """The answers for pairs of a stream and a variant, in order."""
        done = 0
        while done < len(questions):
            for answer in self._batch(questions[done:]):
                done += 1
                yield answer

    def _batch(self, questions: Sequence[tuple[bytes, str]]) -> Iterator[Answer]:
        """As many answers as the worker lives to give, and an empty one for the question that killed it."""
        worker = self._worker = self._worker or _Worker(self._command)
        worker.give(
            b"".join(
                struct.pack("<II", len(variant), len(data)) + variant.encode() + data for data, variant in questions
            )
        )
        left = len(questions)
        try:
            for _, variant in questions:
                answer = worker.answer()
                if answer is None:
                    yield Answer(variant, ())
                    return
                left -= 1
                yield Answer(variant, tuple(_load(entry) for entry in json.loads(answer)["runs"]))
        finally:
            if left:  # dead, or its answers are for nobody
                self.close()


class _Worker:
    """The process and the pipes to it. Read without a buffer: select does not see what is in one."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._pending = bytearray()

    def close(self) -> None:
        self._process.kill()
        with self._process:
            pass

    def give(self, batch: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - for the type checkers
        rest = memoryview(struct.pack("<Q", len(batch)) + batch)
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            while rest:
                rest = rest[stdin.write(rest) :]

    def answer(self) -> bytes | None:
        head = self._take(4)
        return None if head is None else self._take(struct.unpack("<I", head)[0])

    def _take(self, size: int) -> bytes | None:
        """So many bytes of the worker's output; None where it ends before, or takes too long."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - for the type checkers
        while len(self._pending) < size:
            if not select.select([stdout], [], [], PATIENCE)[0]:
                return None
            if not (data := os.read(stdout.fileno(), 2**16)):
                return None
            self._pending += data
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken


def _load(entry: dict[str, Any]) -> Load:
    notes = tuple(Note(kind, at, end, rest) for kind, at, end, *rest in entry["notes"])
    return Load(entry["begin"], notes, entry["error"], entry["end"], entry["at"])
