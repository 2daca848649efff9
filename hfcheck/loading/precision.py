"""Types of numbers: the loader casts whatever is stored, so that nothing here stops a load."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.wording import counted, is_or_are, listed

_INTEGERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})
_HALVES = {"bfloat16": "BF16", "float16": "F16", "half": "F16", "torch.bfloat16": "BF16", "torch.float16": "F16"}


def precision(evidence: Evidence) -> Sequence[Cause]:
    """Integers in the place of weights, double precision, twice the precision of the config."""
    if evidence.quantisation is not None:
        return ()
    return [*_integers(evidence), *_double(evidence), *_wider(evidence)]


def _integers(evidence: Evidence) -> Sequence[Cause]:
    spec = evidence.spec
    found = tuple(
        stored
        for name, sources in evidence.outcome.sources.items()
        if name in spec.state and name not in spec.integers
        for stored in sources
        if evidence.dtypes.get(stored) in _INTEGERS
    )
    if not found:
        return ()
    dtypes = " and ".join(sorted({evidence.dtypes[name] for name in found}))
    message = f"{listed(found)} {is_or_are(found)} stored as {dtypes}, and the loader casts what it takes for weights"
    return (Cause(Kind.INTEGERS, message, stored=found[0]),)


def _double(evidence: Evidence) -> Sequence[Cause]:
    found = [name for name, dtype in evidence.dtypes.items() if dtype == "F64" and name in evidence.used]
    if not found:
        return ()
    message = f"{listed(found)} {is_or_are(found)} stored in double precision, which no model is run in"
    return (Cause(Kind.DOUBLE, message, stored=found[0]),)


def _wider(evidence: Evidence) -> Sequence[Cause]:
    """Float32 weights of a model that is loaded in 16 bits; norms in float32 are usual, and less than half of it."""
    declared = _declared(evidence.config)
    half = _HALVES.get(declared or "")
    if declared is None or half is None:
        return ()
    wide = [name for name, dtype in evidence.dtypes.items() if dtype == "F32" and name in evidence.used]
    sizes = {name: prod(evidence.shapes[name]) for name in evidence.dtypes if name in evidence.shapes}
    if not wide or 2 * sum(sizes[name] for name in wide) <= sum(sizes.values()):
        return ()
    message = (
        f"{counted(len(wide), 'tensor')} of {len(evidence.dtypes)}, {quote(wide[0])} first, {is_or_are(wide)} stored "
        f"as F32 and loaded as {declared}, which the config says: half of the bytes are thrown away"
    )
    return (Cause(Kind.WIDER, message, stored=wide[0]),)


def _declared(config: Mapping[str, Any]) -> str | None:
    for name in ("dtype", "torch_dtype"):  # the first of the two wins in transformers 5.23
        if isinstance(config.get(name), str):
            return str(config[name])
    return None
