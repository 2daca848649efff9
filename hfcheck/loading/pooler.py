"""A base model without its pooler: embeddings are often published so, and take the hidden states as they are."""

import re
from collections.abc import Sequence

from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.wording import is_or_are, listed

POOLER = re.compile(r"^(?:encoder\.)?pooler\.")
"""The pooler of a base, or of the encoder that a decoder reads: both give their hidden states without it. In front of
a classifier, behind the name of the base, it is a part of the head."""


def pooler(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause for a pooler of which nothing is stored, where nothing else is missing."""
    names = tuple(remaining.missing)
    if evidence.head_prefix or not names or not all(map(POOLER.search, names)):
        return ()
    if remaining.mismatched or remaining.failed or any("pool" in name for name in evidence.shapes):
        return ()
    message = (
        f"the files hold {evidence.spec.architecture} without its pooler: {listed(names)} {is_or_are(names)} "
        f"filled with random numbers, and only the hidden states are good"
    )
    hint = "Use the hidden states and not the pooled output, or save the model again with its pooler."
    return (Cause(Kind.POOLER, message, hint, absent=names[0], missing=names),)
