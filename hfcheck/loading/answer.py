"""What the installed transformers says where the atlas does not tell: the possible answers to `--deep`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hfcheck.loading.choose import Choice
from hfcheck.loading.spec import Spec


@dataclass(frozen=True, slots=True)
class Described:
    """What the class expects of a checkpoint; `engine` says which transformers it was."""

    engine: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class Denied:
    """It builds no such model; the load raises."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It could not be asked, or did not answer, and that says nothing of the repository."""

    reason: str


Answer = Described | Denied | Unanswered
Ask = Callable[[Mapping[str, Any], Choice], Answer]
"""The question: a config file, and which class stands for it."""
