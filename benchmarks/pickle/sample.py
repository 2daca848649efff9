"""A file of the hostile set, and what a scanner should say of it."""

from dataclasses import dataclass
from enum import Enum


class Needs(Enum):
    """The least that counts as found."""

    ERROR = "error"
    WARNING = "warning"
    INCOMPLETE = "incomplete"
    """A bomb: it is enough to say that it was not followed to the end. An error or a warning will do as well."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`file` lies alone in a folder, so that it is a repository of its own."""

    group: str
    name: str
    file: str
    data: bytes
    needs: Needs = Needs.ERROR
