"""What the dry run found wrong with a parallel load, for the rules that say so."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Severity

if TYPE_CHECKING:
    from hfcheck.placement.fault import Fault, Kind


def parallel_faults(facts: Facts, *kinds: "Kind") -> Iterator[tuple["Fault", At]]:
    """The faults of these kinds, each with its place in the config of the unit."""
    run = facts.dry_run
    for fault in run.parallel.faults if run is not None and run.parallel is not None else ():
        if fault.kind in kinds:
            yield fault, At(facts.inside(layout.CONFIG), fault.pointer or None)


def severity(fault: "Fault") -> Severity | None:
    """A warning for what transformers computes all the same; the severity of the rule for the rest."""
    return Severity.WARNING if fault.runs else None
