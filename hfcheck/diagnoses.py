"""The causes of a failed load as rules take them: by kind, each with its place in the repository."""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At
from hfcheck.loading.cause import Cause, Kind


def diagnosed(facts: Facts, *kinds: Kind) -> Iterator[tuple[Cause, At]]:
    """The causes of these kinds in the load of a unit; none where it was not judged.

    None either where the right weights lie beside the wrong ones: `weight-sets-disagree` says that.
    """
    if facts.load.causes and facts.is_in_the_way:
        return
    for cause in facts.load.causes:
        if cause.kind in kinds:
            yield cause, place(facts, cause)


def place(facts: Facts, cause: Cause) -> At:
    """A field of the config, a tensor in its file, or a parameter that the opened file should give."""
    if cause.pointer is not None:
        return At(facts.inside(layout.CONFIG), cause.pointer)
    if cause.stored is not None:
        return At(facts.loaded_tensors.get(cause.stored, facts.opened or ""), tensor=cause.stored)
    if cause.absent is not None and facts.opened is not None:
        return At(facts.opened, tensor=cause.absent)
    return At(facts.inside(layout.CONFIG))
