"""Where in a repository a finding about a device map points, and how it lists names, for the rules that judge maps."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, quote

if TYPE_CHECKING:
    from hfcheck.placement.lookup import Lookup
    from hfcheck.placement.model import Weight

_NAMED = 3
_LENGTH = 60


def map_of(facts: Facts) -> "Lookup | None":
    """The device map of the dry run, applied to the model; None where there is none."""
    return facts.dry_run.lookup if facts.dry_run is not None and facts.dry_run.parallel is None else None


def config_place(facts: Facts) -> At:
    """The place of what concerns the map as a whole: the map itself is no file of the repository."""
    return At(facts.inside(layout.CONFIG))


def tensor_place(facts: Facts, weights: Iterable["Weight"]) -> At:
    """The first stored tensor that one of these is made of, in its file."""
    for weight in weights:
        for source in weight.sources:
            if source in facts.loaded_tensors:
                return At(facts.loaded_tensors[source], tensor=source)
    return config_place(facts)


def names(several: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    listed = ", ".join(quote(name, _LENGTH) for name in several[:_NAMED])
    return f"{listed} and {len(several) - _NAMED} more" if len(several) > _NAMED else listed
