"""Which class of a type files belong to, where the config names none."""

from collections.abc import Mapping

from hfcheck.loading.evidence import WhatIf
from hfcheck.loading.legal import is_leftover
from hfcheck.loading.spec import Outcome, Shape

_TRIED = 12
"""Classes of a type, the likeliest first: bert has eleven."""


def best(what_if: WhatIf, shapes: Mapping[str, Shape]) -> str | None:
    """The class that leaves the fewest names open, the likeliest of several; None where none can be tried."""
    tried = ((name, what_if.as_class(name, shapes)) for name in what_if.classes[:_TRIED])
    faults = {name: _faults(outcome, shapes) for name, outcome in tried if outcome is not None}
    return min(faults, key=faults.__getitem__, default=None)


def _faults(outcome: Outcome, shapes: Mapping[str, Shape]) -> int:
    unused = sum(not is_leftover(name, shapes.get(name)) for name in outcome.unexpected)
    return len(outcome.missing) + len(outcome.mismatched) + len(outcome.failed) + unused
