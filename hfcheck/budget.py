"""What one repository may cost in time and memory, however many files it has: each file has its reader's own limits."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import monotonic
from types import FrameType

from hfcheck.formats.gguf import GgufFacts
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.sentencepiece import SentencePieceFacts
from hfcheck.formats.tekken import TekkenFacts
from hfcheck.formats.tiktoken import TiktokenFacts
from hfcheck.formats.vocabulary import MergesFacts, VocabularyFacts
from hfcheck.formats.zip_ import ZipFacts

MAX_KEPT = 512 * 2**20
"""Bytes that the facts of one unit take, as `footprint` counts them: two of the largest tokenizers."""

_JSON_NODE, _TENSOR, _MEMBER, _KEY, _USE, _TOKEN = 120, 600, 400, 400, 500, 100
"""Bytes for each: an object of one key and a number, and the others with names of common length. Measured."""

_TICK = 0.1
"""Seconds between two looks at the clock."""


class TimeUp(Exception):
    """Something took longer than it may."""


@dataclass(slots=True)
class Clock:
    """The time of one repository. `deadline` is that of the step at hand."""

    end: float
    deadline: float = inf

    @property
    def is_over(self) -> bool:
        return monotonic() > self.end

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Raise TimeUp in the block when it took so long, or when the time of the repository is over."""
        self.deadline = min(monotonic() + seconds, self.end)
        try:
            yield
        finally:
            self.deadline = inf

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The time of the block does not count: it waits for a process that has a limit of its own."""
        before = monotonic()
        try:
            yield
        finally:
            self.end += monotonic() - before


@contextmanager
def ticking(seconds: float) -> Iterator[Clock]:
    """A clock for a repository that may take so long. Only a signal reaches a loop that never ends.

    The signal comes again and again: a plugin that catches everything catches it once.
    """
    clock = Clock(monotonic() + seconds)
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield clock
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        if monotonic() > clock.deadline:
            raise TimeUp("it took too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield clock
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def footprint(facts: object) -> int:
    """About how many bytes the facts of a file take; 0 for those of a bounded size."""
    match facts:
        case JsonFacts():
            return facts.nodes * _JSON_NODE + facts.size + _tokens(facts) * _TOKEN
        case SafetensorsFacts():
            return len(facts.tensors) * _TENSOR
        case GgufFacts():
            return len(facts.tensors) * _TENSOR + len(facts.metadata) * _KEY + _tokens(facts) * _TOKEN
        case ZipFacts():
            return len(facts.members) * _MEMBER
        case PickledFacts():
            return _pickled(facts)
    return _tokens(facts) * _TOKEN


def _tokens(facts: object) -> int:
    """The tokens and merges that are kept of a file, beside its JSON."""
    match facts:
        case TekkenFacts() | TiktokenFacts() | GgufFacts():
            return len(facts.tokens or ())
        case SentencePieceFacts():
            return len(facts.pieces)
        case VocabularyFacts():
            return len(facts.lines)
        case MergesFacts():
            return len(facts.merges)
    return 0


def _pickled(facts: PickledFacts) -> int:
    uses = sum(
        1 + len(found.globals) + len(found.calls) + len(found.methods) + len(found.persistent) + len(found.events)
        for found in facts.pickles
    )
    state = facts.state
    tensors = 0 if state is None else 2 * len(state.stored) + len(state.storages)
    return uses * _USE + tensors * _TENSOR
