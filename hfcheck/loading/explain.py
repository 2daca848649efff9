"""Why a load does not come to what the author meant: every name of the outcome is accounted for by exactly one cause.

The order is that of the specification: what explains everything comes before what explains a part, and what no search
explains comes last. Each search sees only the names that are left.
"""

from collections.abc import Callable, Sequence

from hfcheck.loading.cause import Cause, Remaining
from hfcheck.loading.elsewhere import elsewhere
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.experts import experts
from hfcheck.loading.heads import heads, unnamed, untied, unused_heads
from hfcheck.loading.layers import layers
from hfcheck.loading.leftovers import leftovers
from hfcheck.loading.nearest import nearest
from hfcheck.loading.other_type import other_type
from hfcheck.loading.pooler import pooler
from hfcheck.loading.precision import precision
from hfcheck.loading.prefixes import prefixes
from hfcheck.loading.remainder import missing, nothing, shadowed, unused
from hfcheck.loading.shapes import placeholders, shapes
from hfcheck.loading.sizes import sizes
from hfcheck.loading.switches import switches
from hfcheck.loading.tied import stored_twice, with_tied
from hfcheck.loading.undeclared import undeclared

Search = Callable[[Evidence, Remaining], Sequence[Cause]]

SEARCHES: tuple[Search, ...] = (
    leftovers,
    elsewhere,
    unnamed,
    pooler,
    undeclared,
    other_type,
    prefixes,
    nothing,
    nearest,
    untied,
    heads,
    placeholders,
    sizes,
    layers,
    switches,
    experts,
    shapes,
    unused_heads,
    missing,
    unused,
    shadowed,
)


def explain(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes of an outcome in the order of the searches, and then what no load fails for."""
    remaining = Remaining.of(evidence.outcome)
    causes: list[Cause] = []
    for search in SEARCHES:
        if not remaining:
            break
        found = with_tied(evidence, remaining, search(evidence, remaining))
        causes += found
        remaining = remaining.without(found)
    return (*causes, *stored_twice(evidence), *precision(evidence))
