"""The type that the config declares against the class that it names: the tensors may be those of the class."""

from collections.abc import Sequence

from hfcheck.finding import quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence


def other_type(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """A named class of another type for which the files are whole."""
    if evidence.what_if is None or not (remaining.missing or remaining.mismatched or remaining.failed):
        return ()
    for model_type, name in evidence.what_if.named_elsewhere:
        if evidence.is_whole(evidence.what_if.as_type(model_type, name, evidence.shapes)):
            message = (
                f'"model_type" is {quote(evidence.spec.model_type)}, and the tensors are those of {name}, the class in '
                f"architectures, whose type is {quote(model_type)}"
            )
            return (
                Cause(
                    Kind.OTHER_TYPE,
                    message,
                    f"Set model_type to {model_type}.",
                    pointer="/model_type",
                    missing=tuple(remaining.missing),
                    unexpected=tuple(remaining.unexpected),
                    mismatched=tuple(remaining.mismatched),
                    failed=tuple(remaining.failed),
                ),
            )
    return ()
