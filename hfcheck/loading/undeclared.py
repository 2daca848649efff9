"""Quantised tensors of which the config says nothing that transformers knows: they are loaded as weights."""

from collections.abc import Sequence

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.wording import counted


def undeclared(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for all that quantised layers lack and have too much where no quantiser takes them."""
    found = evidence.quantisation
    if found is None or found.is_applied or not found.layers:
        return ()
    unexpected = tuple(
        name for name in remaining.unexpected if any(stored in found.tensors for stored in evidence.stored((name,)))
    )
    mismatched = tuple(
        name for name in remaining.mismatched if any(one in found.tensors for one in evidence.mismatches[name].sources)
    )
    failed = tuple(
        name for name in remaining.failed if any(one in found.tensors for one in evidence.failures[name].sources)
    )
    lost = {layer.rpartition(".")[2] for layer in found.layers}
    missing = tuple(
        name for name in remaining.missing if name in failed or not lost.isdisjoint(name.rpartition(".")[0].split("."))
    )
    if not (unexpected or mismatched or failed):
        return ()
    said = "its quantization_config is not known to transformers" if found.pointer else "the config does not say so"
    return (
        Cause(
            Kind.QUANTISED,
            f"{counted(len(found.layers), 'layer')} {'is' if len(found.layers) == 1 else 'are'} quantised with "
            f"{found.label}, {quote(min(found.layers))} for one, and {said}: they are loaded as if they were weights",
            pointer=found.pointer,
            stored=min(found.tensors, default=None),
            missing=missing,
            unexpected=unexpected,
            mismatched=mismatched,
            failed=failed,
        ),
    )
