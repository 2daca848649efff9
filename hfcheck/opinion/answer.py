"""What another tool says of one pickle: the possible answers to `--second-opinion`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Leaning(Enum):
    """What a word of fickling's amounts to."""

    HARMLESS = "harmless"
    UNSURE = "unsure"
    HARMFUL = "harmful"


LEANINGS = {
    "LIKELY_SAFE": Leaning.HARMLESS,
    "POSSIBLY_UNSAFE": Leaning.HARMLESS,
    "SUSPICIOUS": Leaning.HARMLESS,  # of every call whose result is not used again: an OrderedDict, a date
    "LIKELY_UNSAFE": Leaning.UNSURE,  # of everything imported from outside the standard library: of every tensor
    "LIKELY_OVERTLY_MALICIOUS": Leaning.HARMFUL,
    "OVERTLY_MALICIOUS": Leaning.HARMFUL,
}
"""The words of fickling 0.1.12, by what they were seen to be said of."""


@dataclass(frozen=True, slots=True)
class Judged:
    """It has a word for the pickle, and a text with its reasons, in which there are words of the pickle."""

    engine: str
    word: str
    reasons: str

    @property
    def leaning(self) -> Leaning:
        return LEANINGS.get(self.word, Leaning.UNSURE)


@dataclass(frozen=True, slots=True)
class Silent:
    """It has no opinion; `reason` is a phrase that goes on after "fickling has no opinion of this pickle:"."""

    reason: str


Opinion = Judged | Silent
Voice = Callable[[bytes], Opinion]
"""The question: the bytes of one pickle."""
