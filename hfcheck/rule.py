"""What a rule is: one file with its metadata, its examples and a pure `check`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from hfcheck.example import Example
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity

__all__ = ["EngineRule", "Example", "Rule"]


class Rule(ABC):
    """A fault that hfcheck can find. The docstring of the module says what, why it matters and how to put it right.

    `id` is the letters of a family and three digits, `name` the fault in kebab-case, read after "allow ...". `hint` is
    the remedy in one sentence. `confidence` ("high", "medium", "low") belongs to security rules, and marks them.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    since: ClassVar[str]
    hint: ClassVar[str]
    confidence: ClassVar[str | None] = None
    bad: ClassVar[tuple[Example, ...]]
    good: ClassVar[tuple[Example, ...]]

    @abstractmethod
    def check(self, facts: Facts) -> Iterator[Finding]:
        """The findings in one unit of a repository: a pure generator, without disk, network or state."""

    def finding(self, at: At, message: str, *, hint: str | None = None, severity: Severity | None = None) -> Finding:
        """A finding of this rule; the hint and the severity are the rule's own unless the case has better ones."""
        return Finding(self.id, self.name, severity or self.severity, at, message, hint or self.hint)


class EngineRule(Rule):
    """A rule whose findings the engine makes, of what happens on the way: it has nothing to look for in a unit."""

    bad = ()
    good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:  # noqa: ARG002 - the engine makes these findings
        return iter(())
