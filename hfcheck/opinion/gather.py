"""Asks a second voice about each pickle of a unit."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from hfcheck.facts import Facts
from hfcheck.finding import printable
from hfcheck.formats import pickle_bytes
from hfcheck.formats.pickle_facts import PickleFacts
from hfcheck.opinion.answer import Opinion, Silent, Voice
from hfcheck.repository import Unreadable

MAX_OPCODES = 100_000
"""fickling takes a second for so many, and takes any pickle of 500,000 for an attack on itself."""

MAX_ASKED = 64
"""Pickles of one repository. A question is a process of its own, and usually one of 0.1 seconds."""

MAX_SECONDS = 120.0
"""For all pickles of one repository, after which no further question is put."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said of one pickle; `offset` is its first byte in the file, None inside what is packed."""

    path: str
    member: str | None
    offset: int | None
    opinion: Opinion


@dataclass(slots=True)
class Interview:
    """A voice, and how much it was asked about this repository already."""

    voice: Voice
    asked: int = 0
    seconds: float = 0.0

    def ask(self, pickled: bytes) -> Opinion:
        if self.asked >= MAX_ASKED:
            return Silent(f"it is asked about at most {MAX_ASKED} pickles of a repository")
        if self.seconds > MAX_SECONDS:
            return Silent(f"it took more than {MAX_SECONDS:g} seconds for other pickles of the repository")
        self.asked += 1
        begin = monotonic()
        try:
            return self.voice(pickled)
        finally:
            self.seconds += monotonic() - begin


def gather(facts: Facts, interview: Interview) -> Iterator[Heard]:
    """The opinions of the pickles of a unit, in the order of the files."""
    for path, pickled in facts.pickled():
        for pickle in pickled.pickles:
            yield Heard(path, pickle.member, pickle.place(pickle.offset), _about(facts, path, pickle, interview))


def _about(facts: Facts, path: str, pickle: PickleFacts, interview: Interview) -> Opinion:
    if pickle.opcodes > MAX_OPCODES:
        return Silent(f"it has {pickle.opcodes} opcodes, and at most {MAX_OPCODES} are handed on")
    entry = facts.entry(path)
    if entry is None:
        return Silent("the file is gone")
    try:
        with facts.shelf.repository.open(entry) as stream:
            content = pickle_bytes.read(stream, pickle)
    except pickle_bytes.PickleBytesInvalid as error:
        return Silent(f"hfcheck hands on only {error.expected}")
    except Unreadable as error:
        return Silent(printable(str(error)))
    return interview.ask(content)
