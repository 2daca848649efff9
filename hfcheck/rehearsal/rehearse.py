"""The rehearsal: reads what a loader would read, looks at every value, and copies tensors to the devices of a plan.

Everything that touches the bytes of a tensor runs in two processes of their own. This one opens the files, as listed
and inside the repository, hands on descriptors, and checks what it is told.
"""

import mmap
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Any

from hfcheck.facts import Facts
from hfcheck.placement.device import Key
from hfcheck.placement.rehearsed import Advance, FileRead, Promise, Rehearsed, Skip
from hfcheck.rehearsal.account import Account, Malformed
from hfcheck.rehearsal.copies import COPIES, Copies, copying, torch_device
from hfcheck.rehearsal.digests import promised
from hfcheck.rehearsal.process import Conversation, Ended, conversation, phrase
from hfcheck.rehearsal.selection import Sheet, destinations, sheets
from hfcheck.repository import Repository, Unreadable

PROGRAM = "read_worker.py"
BUFFER = 8 * 2**20 + mmap.PAGESIZE
"""Bytes of the buffer, as the program has it."""

PATIENCE = 300.0
"""Seconds on the clock for 8 MiB: of a disk that far away, or that broken, nobody can load."""

MAX_PROCESSES = 3
"""That may die on the files of one repository before the rest is given up."""

Progress = Callable[[int], AbstractContextManager[Advance]]
"""A bar for so many bytes."""


@contextmanager
def unseen(_length: int) -> Iterator[Advance]:
    """Nobody looks."""
    yield lambda _: None


@contextmanager
def on_stderr(length: int) -> Iterator[Advance]:
    """A bar on stderr, where somebody sees it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    import click  # noqa: PLC0415 - only where there is a terminal

    with click.progressbar(length=length, label="rehearsing", file=sys.stderr) as bar:
        yield bar.update


def rehearse(facts: Facts, *, digest: bool = False, progress: Progress = unseen) -> Rehearsed:
    """Read the weight files of a unit, and copy their tensors where its plan has them, if it has one.

    `digest` asks for the sha256 of each file, which takes several times as long. Whatever is in the way, of the
    repository or of this machine, is in the result.
    """
    begun = monotonic()
    found = sheets(facts)
    readable = [sheet for sheet in found if not sheet.closed]
    skipped = [Skip("the file", sheet.closed, sheet.entry.path) for sheet in found if sheet.closed]
    on = _devices(facts, skipped)
    copies = Copies(destinations(facts), on)
    with (
        copying(copies, tuple(on.values()) if readable else (), BUFFER) as buffer,
        progress(sum(sheet.entry.size for sheet in readable)) as advance,
    ):
        given = promised(facts) if digest else {}
        run = _Run(facts.shelf.repository, copies, buffer, given, advance, digest=digest)
        files = tuple(run.files(readable))
    return Rehearsed(
        files,
        copied=copies.copied,
        failures=tuple(copies.failures),
        skipped=(*skipped, *copies.skipped),
        scanner=run.scanner,
        torch=copies.torch,
        seconds=monotonic() - begun,
    )


def _devices(facts: Facts, skipped: list[Skip]) -> dict[Key, str]:
    """What torch calls the devices that the plan of the unit uses, by their keys."""
    if facts.target is None:
        return {}
    used = set(destinations(facts).values())
    if not used:
        skipped.append(Skip(COPIES, "there is no plan that says which tensor belongs where"))
        return {}
    plan = facts.dry_run
    devices = (*facts.target.devices, *(use.device for use in (plan.devices if plan is not None else ())))
    return {device.key: name for device in devices if device.key in used and (name := torch_device(device)) is not None}


class _Run:
    """What one rehearsal has at hand while it goes from file to file."""

    def __init__(  # noqa: PLR0913 - what one rehearsal has
        self,
        repository: Repository,
        copies: Copies,
        buffer: int,
        given: Mapping[str, Promise],
        advance: Advance,
        *,
        digest: bool,
    ) -> None:
        self.scanner = ""
        self._repository, self._copies, self._buffer, self._given = repository, copies, buffer, given
        self._advance, self._digest = advance, digest

    def files(self, sheets: Sequence[Sheet]) -> Iterator[FileRead]:
        """Read the files; a process that dies on one of them is replaced, if that does not go on and on."""
        waiting = list(reversed(sheets))
        for _ in range(MAX_PROCESSES):
            if not waiting:
                return
            try:
                yield from self._by_one_process(waiting)
            except Ended as error:  # before it took up a file
                yield self._unread(waiting.pop(), f"the process that reads {error}")
        for sheet in reversed(waiting):
            yield self._unread(sheet, f"{MAX_PROCESSES} processes died on the files before it")

    def _by_one_process(self, waiting: list[Sheet]) -> Iterator[FileRead]:
        ours, theirs = socket.socketpair()
        expected = sum(sheet.entry.size for sheet in waiting)
        arguments = [str(theirs.fileno()), str(self._buffer), str(expected)]
        descriptors = [theirs.fileno(), *([self._buffer] if self._buffer >= 0 else [])]
        with ours, theirs, conversation(PROGRAM, arguments, descriptors=descriptors, variables={}) as worker:
            self.scanner = phrase(worker.hear(PATIENCE).get("scanner"))
            while waiting:
                read = self._read(waiting.pop(), worker, ours)
                yield read
                if not worker.is_there:
                    return

    def _read(self, sheet: Sheet, worker: Conversation, files: socket.socket) -> FileRead:
        account = Account(sheet, is_scanned=bool(self.scanner))
        self._copies.open(sheet)
        failed, digest = "", None
        try:
            with self._repository.open(sheet.entry) as stream:
                waits = self._copies.are_made
                socket.send_fds(files, [b"f"], [stream.fileno()])
                worker.say(_request(sheet, digest=self._digest, waits=waits))
                failed, digest = self._followed(worker, account, waits=waits)
        except Unreadable as error:
            failed = str(error)
        except Ended as error:
            failed = f"the process that reads {error}"
        return account.closed(failed, None if failed else digest, self._given.get(sheet.entry.path))

    def _followed(self, worker: Conversation, account: Account, *, waits: bool) -> tuple[str, str | None]:
        """Listen to the end of a file: what stopped it, and its sha256."""
        while True:
            answer = worker.hear(PATIENCE)
            try:
                before, shift = account.position, account.add(answer)
            except Malformed as error:
                worker.kill()
                raise Ended("gave no proper answer") from error
            if "done" in answer:
                digest = answer.get("sha256")
                return "", digest if isinstance(digest, str) else None
            if "failed" in answer:
                return phrase(answer["failed"]), None
            self._advance(account.position - before)
            self._copies.ask(before, account.position, shift)
            self._copies.wait()
            if waits:
                worker.say("on")

    def _unread(self, sheet: Sheet, why: str) -> FileRead:
        return Account(sheet, is_scanned=False).closed(why, None, self._given.get(sheet.entry.path))


def _request(sheet: Sheet, *, digest: bool, waits: bool) -> dict[str, Any]:
    return {
        "size": sheet.entry.size,
        "digest": digest,
        "waits": waits,
        "origin": sheet.origin,
        "tensors": [[stretch.begin, stretch.end, stretch.dtype] for stretch in sheet.stretches],
    }
