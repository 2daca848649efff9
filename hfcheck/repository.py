"""A model repository as a read-only tree of files, which never leads out of its root."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from heapq import nsmallest
from itertools import chain, islice
from posixpath import join
from typing import IO

MAX_FILES = 200_000
MAX_DEPTH = 64
MAX_PATH = 4096
"""Bytes of a path below the root."""

MAX_HOPS = 40
"""Links followed on the way to one file: the kernel's own limit."""

MAX_PARTS = 256
"""Folders and links on the way to one file: a target of 4 KB can name 2,000, and each is a question to the disk."""

MAX_STEPS = 500_000
"""The same on the way to all files: 200,000 links with 256 each would take minutes."""

NOT_CONTENT = frozenset({".git", ".hg", ".svn"})
"""Folders that belong to a version control system and not to the model."""

ENVIRONMENT_MARK = "pyvenv.cfg"
"""A folder with this file is a virtual environment: 50,000 files of other people, and none that a loader opens."""

_BLOB = re.compile(r"(?:\.\./)+blobs/(?:[0-9a-f]{40}|[0-9a-f]{64})")


class Form(Enum):
    """What a name in the tree stands for; the value is how a message calls it."""

    FILE = "a regular file"
    LINK_OUTSIDE = "a link that leaves the repository"
    LINK_BROKEN = "a link that leads nowhere"
    LINK_LOOP = "a link that leads back to itself"
    LINK_FOLDER = "a link to a folder"
    LINK_LONG = "a link on a way of more folders than hfcheck goes"
    FIFO = "a named pipe"
    SOCKET = "a socket"
    DEVICE = "a device"
    UNREADABLE = "a folder that cannot be read"
    UNKNOWN = "a name that cannot be looked at"
    ENVIRONMENT = "a virtual environment of Python"


SPECIAL = frozenset({Form.FIFO, Form.SOCKET, Form.DEVICE})


class Unreadable(OSError):
    """A file cannot be read, or is not the file that was listed; the message is a phrase without its path."""


class Changed(Unreadable):
    """A file was replaced, grew or shrank while hfcheck worked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in the tree. `path` is relative with `/`; `target` is what a link says, as written."""

    path: str
    form: Form
    size: int = 0
    target: str | None = None
    real: str = field(default="", compare=False)
    """Where the file lies, relative to the root: another path than `path` behind a link."""
    stamp: tuple[int, int, int] = field(default=(0, 0, 0), compare=False)
    """Inode, size and time of change when the tree was listed."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder and all that is in it, sorted by path. `exceeded` are the limits that cut the listing short."""

    root: str
    entries: tuple[Entry, ...]
    exceeded: tuple[tuple[str, str], ...] = ()

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        """The bytes of a regular file; raises Unreadable, and Changed where it is not, or does not stay, as listed."""
        path = os.path.join(self.root, entry.real or entry.path)
        # NONBLOCK, or a pipe that took the place of the file would keep us waiting; NOFOLLOW, or a link would lead out.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            raise Unreadable(error.strerror or "cannot be opened") from error
        with os.fdopen(descriptor, "rb") as stream:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or _stamp(before) != entry.stamp:
                raise Changed("it is not the file that was listed")
            try:
                yield stream
            except OSError as error:
                if isinstance(error, Unreadable):
                    raise
                raise Unreadable(error.strerror or "cannot be read") from error
            if _stamp(os.fstat(descriptor)) != entry.stamp:
                raise Changed("it changed while it was read")


def scan(root: str) -> Repository:
    """The tree below `root`, in the same order wherever it lies; nothing is opened and no link is followed."""
    entries: list[Entry] = []
    exceeded: list[tuple[str, str]] = []
    pending = [("", 0)]
    names = 0
    steps = _Steps(MAX_STEPS)
    while pending:
        folder, depth = pending.pop()
        try:
            items = _listing(os.path.join(root, folder), MAX_FILES - names)
        except OSError:
            entries.append(Entry(folder, Form.UNREADABLE))
            continue
        names += len(items)
        if names > MAX_FILES:  # folders count as well: a million empty ones take as long as a million files
            exceeded.append(("repository.files", f"more than {MAX_FILES} files"))
            del items[MAX_FILES - names :]
            pending.clear()
        for item in items:
            path = join(folder, item.name) if folder else item.name
            if len(os.fsencode(path)) > MAX_PATH:
                exceeded.append(("repository.path", f"a path of more than {MAX_PATH} bytes"))
            elif not _is_searched(item):
                entries.append(_listed(root, path, item, steps))
            elif depth >= MAX_DEPTH:
                exceeded.append(("repository.depth", f"more than {MAX_DEPTH} folders inside each other"))
            elif names <= MAX_FILES and item.name not in NOT_CONTENT:
                pending.append((path, depth + 1))
    if steps.left < 0:
        exceeded.append(("repository.links", f"links that lead through more than {MAX_STEPS} folders"))
    entries.sort(key=_path)
    return Repository(root, tuple(entries), tuple(dict.fromkeys(exceeded)))


def look_up(root: str, paths: Iterable[str]) -> Repository:
    """Those of the paths below `root` that are there, as `scan` lists them, without a walk through the tree."""
    entries: list[Entry] = []
    steps = _Steps(MAX_STEPS)
    for path in sorted(set(paths)):
        try:
            status = os.lstat(os.path.join(root, path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            entries.append(Entry(path, Form.UNKNOWN))
            continue
        if not stat.S_ISDIR(status.st_mode):
            entries.append(_entry(root, path, status, steps))
    return Repository(root, tuple(entries))


def _listing(folder: str, limit: int) -> "list[os.DirEntry[str]]":
    """The names in a folder, sorted; one more than `limit` of them where there are more."""
    with os.scandir(folder) as listing:
        items = list(islice(listing, limit + 1))
        # The first by name and not by the order of the disk, without room for all the others.
        return sorted(items, key=_name) if len(items) <= limit else nsmallest(limit + 1, chain(items, listing), _name)


def _listed(root: str, path: str, item: "os.DirEntry[str]", steps: "_Steps") -> Entry:
    try:
        return _entry(root, path, item.stat(follow_symlinks=False), steps)
    except OSError:  # a folder that may be listed and not entered, or a name that is gone by now
        return Entry(path, Form.UNKNOWN)


def _is_searched(item: "os.DirEntry[str]") -> bool:
    """Whether an entry is a folder to go into."""
    try:
        is_folder = item.is_dir(follow_symlinks=False)
    except OSError:  # `_listed` says so
        return False
    return is_folder and not os.path.lexists(os.path.join(item.path, ENVIRONMENT_MARK))


def _entry(root: str, path: str, status: os.stat_result, steps: "_Steps") -> Entry:
    if stat.S_ISREG(status.st_mode):
        return Entry(path, Form.FILE, status.st_size, real=path, stamp=_stamp(status))
    if stat.S_ISLNK(status.st_mode):
        return _link(root, path, steps)
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, Form.ENVIRONMENT)
    if stat.S_ISFIFO(status.st_mode):
        return Entry(path, Form.FIFO)
    return Entry(path, Form.SOCKET if stat.S_ISSOCK(status.st_mode) else Form.DEVICE)


def _link(root: str, path: str, steps: "_Steps") -> Entry:
    target = os.readlink(os.path.join(root, path))
    if blob := _cache_blob(root, path, target):
        status = os.lstat(os.path.join(root, blob)) if os.path.lexists(os.path.join(root, blob)) else None
        if status is None or not stat.S_ISREG(status.st_mode):
            return Entry(path, Form.LINK_BROKEN, target=target)
        return Entry(path, Form.FILE, status.st_size, target, blob, _stamp(status))
    form, real, status = _resolve(root, path, steps)
    if form is not Form.FILE or status is None:
        return Entry(path, form, target=target)
    return Entry(path, Form.FILE, status.st_size, target, real, _stamp(status))


def _cache_blob(root: str, path: str, target: str) -> str | None:
    """Where a link of the download cache leads: `snapshots/<commit>/a/b` to `../../../blobs/<hash>` of the same model.

    Every file of a snapshot is such a link, and the hash is the name of the content: it is one repository all the same.
    """
    levels = path.count("/") + 2
    if os.path.basename(os.path.dirname(os.path.abspath(root))) != "snapshots" or not _BLOB.fullmatch(target):
        return None
    return f"../../{target[3 * levels :]}" if target.startswith("../" * levels + "blobs/") else None


@dataclass(slots=True)
class _Steps:
    """How many questions the links of a repository may still put to the disk."""

    left: int


def _resolve(root: str, path: str, steps: _Steps) -> tuple[Form, str, os.stat_result | None]:
    """Where a link ends, without a look at anything outside the root."""
    pending, done, hops = _parts(path), list[str](), 0
    last, status = steps.left - MAX_PARTS, None
    while pending:
        part = pending.pop()
        steps.left -= 1
        if steps.left < max(last, 0):
            return Form.LINK_LONG, "", None
        if part == "..":
            if not done:
                return Form.LINK_OUTSIDE, "", None
            done.pop()
            continue
        try:
            status = os.lstat(os.path.join(root, *done, part))
            target = os.readlink(os.path.join(root, *done, part)) if stat.S_ISLNK(status.st_mode) else None
        except (OSError, ValueError):
            return Form.LINK_BROKEN, "", None
        if target is None:
            done.append(part)
            continue
        hops += 1
        if hops > MAX_HOPS:
            return Form.LINK_LOOP, "", None
        if target.startswith("/"):
            return Form.LINK_OUTSIDE, "", None
        pending.extend(_parts(target))
    if status is None or not done or stat.S_ISDIR(os.lstat(os.path.join(root, *done)).st_mode):
        return Form.LINK_FOLDER, "", None
    form = Form.FILE if stat.S_ISREG(status.st_mode) else _entry(root, "/".join(done), status, steps).form
    return form, "/".join(done), status


def _parts(path: str) -> list[str]:
    """The names on a path, the last one first, without those that lead nowhere else."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _name(item: "os.DirEntry[str]") -> str:
    return item.name


def _path(entry: Entry) -> str:
    return entry.path
