"""Writes what was planned: beside the place where it belongs, compared with its source, and then under its name."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

from hfcheck.conversion.gather import gather
from hfcheck.conversion.plan import Output, Plan
from hfcheck.conversion.verify import verify
from hfcheck.repository import Entry, Repository

Advance = Callable[[int], None]
"""Hears how many bytes were dealt with: each byte of a tensor twice, when it is written and when it is compared."""


class Exists(Exception):
    """A file of this name came into being meanwhile; `str()` is the name."""


class Unwritable(Exception):
    """The folder takes no file, or no more bytes; the message is a phrase. No OSError: that is one of the source."""


def write(plan: Plan, repository: Repository, folder: str, advance: Advance, *, force: bool) -> None:
    """Write all files, or none where anything fails before the last of them is written and compared.

    Raises Exists, Unwritable, `repository.Unreadable` and `verify.Different`.
    """
    with _staging(folder) as staged:
        for output in plan.outputs:
            with sources(output, repository) as streams:
                with staged.file(output.name) as target:
                    _write(output, streams, target, advance)
                with staged.written(output.name) as target:
                    verify(output, streams, target, advance)
        if plan.index is not None:
            name, text = plan.index
            with staged.file(name) as target:
                _put(target, text.encode())
        staged.publish(force=force)


@contextmanager
def sources(output: Output, repository: Repository) -> Iterator[dict[str, IO[bytes]]]:
    """The files that the tensors of an output come from, by their paths; raises Changed where one does not stay."""
    entries: dict[str, Entry] = {piece.entry.path: piece.entry for piece in output.pieces}
    with ExitStack() as stack:
        yield {path: stack.enter_context(repository.open(entry)) for path, entry in entries.items()}


def _write(output: Output, streams: dict[str, IO[bytes]], target: IO[bytes], advance: Advance) -> None:
    _put(target, output.layout.head)
    for piece in output.pieces:
        for chunk in gather(streams[piece.entry.path], piece.bytes):
            _put(target, chunk)
            advance(len(chunk))


def _put(target: IO[bytes], content: bytes | bytearray) -> None:
    rest = memoryview(content)
    with writing():
        while rest:
            rest = rest[target.write(rest) :]  # without a buffer it may take a part


@contextmanager
def writing() -> Iterator[None]:
    """Errors of the system in the block are those of the place that is written to."""
    try:
        yield
    except OSError as error:
        raise Unwritable(error.strerror or type(error).__name__) from error


@contextmanager
def _staging(folder: str) -> Iterator["_Staged"]:
    """What has no other name at the end of the block is taken away."""
    staged = _Staged(folder)
    try:
        yield staged
    finally:
        staged.clear()


class _Staged:
    """Files under temporary names in the folder that they are for."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._temporary: dict[str, str] = {}

    def clear(self) -> None:
        for path in self._temporary.values():
            with suppress(OSError):
                os.unlink(path)

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """A new file for what will be called `name`; at the end of the block it is on the disk."""
        path = os.path.join(self._folder, f".hfcheck-{secrets.token_hex(8)}.part")
        self._temporary[name] = path  # before there is one, or an interrupt in between would leave it behind
        with writing():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        # Without a buffer: what cannot be written fails where it is written, and not once more when it is closed.
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            yield stream
            with writing():
                os.fsync(descriptor)

    @contextmanager
    def written(self, name: str) -> Iterator[IO[bytes]]:
        with open(self._temporary[name], "rb") as stream:
            yield stream

    def publish(self, *, force: bool) -> None:
        """Give all files their names, in order: an index comes after what it names."""
        if not force:
            for name in self._temporary:
                if os.path.lexists(os.path.join(self._folder, name)):
                    raise Exists(name)
        with writing():
            for name, path in list(self._temporary.items()):
                os.replace(path, os.path.join(self._folder, name))
                del self._temporary[name]
            descriptor = os.open(self._folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
