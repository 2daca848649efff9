"""The files of a repository, each read once, when it is first asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import IO

from hfcheck import layout
from hfcheck.formats import Invalid, pickled, reader_of, sniff
from hfcheck.formats.json_ import Fault as JsonFault
from hfcheck.formats.json_ import JsonInvalid
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.promises import is_for_unpicklers
from hfcheck.repository import Entry, Form, Repository, Unreadable

DATA_BUDGETS = frozenset({"json.bytes", "json.nodes"})
"""Limits that somebody's data may exceed: a data set of gigabytes in one JSON file, which no loader of models reads."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One file as far as it could be read: its facts, or the error of its reader, or why it was not opened.

    `pickled` is what unpicklers would find in it, whatever else it is to the reader of its format; None for nothing.
    """

    entry: Entry
    content: Content = Content.UNKNOWN
    facts: object = None
    invalid: Invalid | None = None
    unreadable: str | None = None
    pickled: PickledFacts | None = None

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def is_whole(self) -> bool:
        """Whether the file itself was there to be read, to its end."""
        return self.content is not Content.POINTER and self.unreadable is None and self.exceeded is None

    @property
    def exceeded(self) -> str | None:
        """The limit of hfcheck that stopped the reader."""
        return self.invalid.budget if self.invalid else None


@dataclass(frozen=True, eq=False)
class Shelf:
    """The files of a repository that were read already. Rules ask `Facts`, which asks here."""

    repository: Repository
    _read: dict[str, Reading] = field(default_factory=dict)

    @cached_property
    def by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.repository.entries}

    @cached_property
    def by_lower_case(self) -> dict[str, str]:
        """The paths of the regular files, by what is left of them where upper and lower case are the same."""
        return {entry.path.lower(): entry.path for entry in self.repository.entries if entry.form is Form.FILE}

    def reading(self, entry: Entry) -> Reading:
        if entry.path not in self._read:
            self._read[entry.path] = _read(self.repository, entry)
        return self._read[entry.path]

    def put(self, reading: Reading) -> None:
        """Have this reading of its file from now on."""
        self._read[reading.path] = reading

    def forget(self) -> None:
        """Make room: what is asked for again is read again."""
        self._read.clear()


def _read(repository: Repository, entry: Entry) -> Reading:
    if entry.form is not Form.FILE:
        return Reading(entry)
    content = Content.UNKNOWN
    try:
        with repository.open(entry) as stream:
            content = sniff.content(stream.read(sniff.HEAD), entry.size)
            facts, invalid = _facts(stream, entry.path, content)
            archive = facts if isinstance(facts, ZipFacts) else None
            found = pickled.read(stream, content, archive, named=is_for_unpicklers(entry.path))
            return Reading(entry, content, facts, invalid, pickled=found)
    except Unreadable as error:
        return Reading(entry, content, unreadable=str(error))


def _facts(stream: IO[bytes], path: str, content: Content) -> tuple[object, Invalid | None]:
    """What the reader of this format makes of a file: its facts or its error, if there is a reader."""
    reader = reader_of(path, content)
    try:
        return reader(stream) if reader else None, None
    except Invalid as error:
        # Its cause and the frames of its traceback know the whole text of the file, and this is kept for the whole run.
        error.__cause__ = error.__context__ = None
        return None, None if _is_data(path, error) else error.with_traceback(None)


def _is_data(path: str, error: Invalid) -> bool:
    """Whether a reader refused what no loader of models opens: data in gigabytes or line by line, settings of tools."""
    if not isinstance(error, JsonInvalid) or layout.is_read_by_loaders(path):
        return False
    if error.budget is not None:
        return error.budget in DATA_BUDGETS
    return error.fault is JsonFault.TRAILING or layout.may_have_comments(path)
