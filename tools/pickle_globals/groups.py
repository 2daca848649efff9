"""The form of a table, before it is written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.pickle_globals.releases import Release

Names = Mapping[str, str]
"""Names by module, separated by blanks: a table is read by people first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Names of tier 2 that were read one by one.

    `calls`: what a call of them does was read too, not only what making an empty object and giving it a state does.
    """

    reason: str
    source: str
    names: Names
    calls: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """Classes of releases that enter tier 2 once every method that unpickling runs has been read.

    `modules` and `skip` are regular expressions for a whole module name. `called` are bases whose subclasses are
    pickled as calls, and whose constructors were read; enumerations are always such. `functions` matches modules whose
    functions may be named, as an activation or a score is, but not called.
    """

    reason: str
    source: str
    releases: tuple[Release, ...]
    modules: str
    skip: str = r"(?!)"
    called: frozenset[str] = frozenset()
    functions: str = r"(?!)"


@dataclass(frozen=True, slots=True)
class Danger:
    """Names of tier 4 and what they do, a phrase after "it ..."; `modules` with `.*` cover what is below, too."""

    does: str
    source: str
    modules: str = ""
    names: Names = field(default_factory=dict)
