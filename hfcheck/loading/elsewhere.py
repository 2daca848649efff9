"""Parameters that are missing because the loader does not open the file, or the index names what no file has.

Rules about indexes speak of these; here they are found, so that nobody speaks of them twice.
"""

from collections.abc import Sequence

from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence


def elsewhere(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause without a message for all parameters that would be there with those tensors."""
    added = {name: shape for name, shape in evidence.elsewhere.items() if name not in evidence.shapes}
    if not added or not (remaining.missing or remaining.failed or remaining.mismatched):
        return ()
    after = evidence.trial({**evidence.shapes, **added})
    if after is None:
        return ()
    # A tensor of unknown shape is found as a wrong one: by its name it is there.
    missing = set(after.missing) - {failure.target for failure in after.failed}
    wrong = {mismatch.name for mismatch in after.mismatched}
    failed = {failure.target for failure in after.failed}
    unknown = any(not shape for shape in added.values())
    return (
        Cause(
            Kind.ELSEWHERE,
            "",
            missing=tuple(name for name in remaining.missing if name not in missing),
            mismatched=tuple(name for name in remaining.mismatched if unknown or name not in wrong),
            failed=tuple(name for name in remaining.failed if unknown or name not in failed),
        ),
    )
