"""The head of a model: it was not saved, it is not tied, or it is that of another class."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hfcheck.finding import pointer, quote
from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.config_fields import changed, walk
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.wording import is_or_are, listed
from hfcheck.tying import may_be_tied

TIE = "tie_word_embeddings"
_SMALL = 5
"""A fifth of the parameters: a pooler in a model of two layers."""

_CLASSES = 12
"""Classes of the type that are tried: bert has eleven."""

_EMBEDDING = re.compile(r"(?:embed_tokens|embed_in|wte|word_embeddings?|tok_embeddings|shared|embeddings?)\.weight$")
_HEADS = re.compile(
    r"^(?:lm_head|cls|classifier|score|qa_outputs|qa_classifier|lm_loss|generator_lm_head|discriminator_predictions"
    r"|generator_predictions|mc_head|multiple_choice_head|classification_head|sequence_summary|logits_proj|vocab_\w+"
    r"|pre_classifier|seq_relationship|predictions|mlm_head|itm_head|itc_head|proj_out|embed_out|output_projection"
    r"|visual_projection|text_projection|logit_scale|quantizer|project_hid|project_q|decoder_pred|v_head|value_head)(?:\.|$)"
    r"|(?:^|\.)pooler\."
)
"""What transformers calls heads, and the pooler, which only some classes of a type have."""


def untied(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """A head that is not in the files and that the config does not tie to the embedding."""
    heads = [name for name in remaining.missing if _could_be_tied(evidence, name)]
    if not heads:
        return ()
    levels = [path for path, value in walk(evidence.config) if path.rpartition(".")[2] == TIE and value is False]
    for path in dict.fromkeys((*levels, TIE)):
        found = tuple(_found(evidence, heads, changed(evidence.config, path, value=True)))
        if found:
            return (_untied(evidence, path, found),)
    return ()


def _could_be_tied(evidence: Evidence, name: str) -> bool:
    """Whether this may be a head or an embedding: what classes tie, they know themselves, and it is tried."""
    return may_be_tied(name) or not name.startswith(evidence.head_prefix or "\0")


def _found(evidence: Evidence, heads: Sequence[str], config: Mapping[str, Any]) -> Sequence[str]:
    if evidence.what_if is None:
        return [name for name in heads if _is_like_an_embedding(evidence, name)]
    outcome = evidence.what_if.with_config(config, evidence.shapes)
    still = set(outcome.missing) if outcome is not None else set(heads)
    return [name for name in heads if name not in still]


def _is_like_an_embedding(evidence: Evidence, name: str) -> bool:
    """Whether an embedding of the same shape is there: what a head is tied to, where the class does not tell."""
    state = evidence.spec.state
    tables = (other for other in evidence.outcome.sources if _EMBEDDING.search(other))
    return len(state[name]) == 2 and any(state.get(other) == state[name] for other in tables)  # noqa: PLR2004 - a matrix


def _untied(evidence: Evidence, path: str, heads: tuple[str, ...]) -> Cause:
    said = [where for where, value in walk(evidence.config) if where.rpartition(".")[2] == TIE and value is True]
    if said:
        flag = f"{quote(TIE)} is true in {quote(said[0].rpartition('.')[0] or 'the config')} only, where it is not read"
    elif any(where == path for where, _ in walk(evidence.config)):
        flag = f"{quote(path)} is false"
    else:
        flag = f"the config does not say {quote(TIE)}"
    return Cause(
        Kind.UNTIED,
        f"{listed(heads)} {is_or_are(heads)} not in the files and {flag}: not tied, it is filled with random numbers",
        f"Set {TIE} to true{_inside(path)} if head and embedding are one; else save the model again with both.",
        pointer=_pointer(evidence.config, path, said),
        absent=heads[0],
        missing=heads,
    )


def _inside(path: str) -> str:
    above = path.rpartition(".")[0]
    return f" in {above}" if above else ""


def _pointer(config: Mapping[str, Any], path: str, said: Sequence[str]) -> str | None:
    given = {where for where, _ in walk(config)}
    where = path if path in given else next(iter(said), None)
    return pointer(*where.split(".")) if where is not None else None


def unnamed(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """Nothing is wrong with files that nobody says are of this class, if they are whole for another of the type."""
    if evidence.is_named or _fitting(evidence) is None:
        return ()
    return (
        Cause(
            Kind.UNNAMED,
            "",
            missing=tuple(remaining.missing),
            unexpected=tuple(remaining.unexpected),
            mismatched=tuple(remaining.mismatched),
            failed=tuple(remaining.failed),
        ),
    )


def heads(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """A base without its head, or the head of another class of the type."""
    prefix = evidence.head_prefix
    absent = tuple(name for name in remaining.missing if prefix and not name.startswith(prefix))
    other = tuple(name for name in remaining.unexpected if not prefix or not name.startswith(prefix))
    # Beside a whole head, tensors of another are legal: pre-training leaves them behind.
    if (prefix and not absent) or not (absent or any(map(_HEADS.search, other))):
        return ()
    if _SMALL * len(remaining.missing) > len(evidence.spec.state) + _SMALL * len(absent):
        return ()  # the base is not whole either: it is more than the head
    name = _fitting(evidence)
    if name is not None and other:
        return (_other_class(evidence, name, tuple(remaining.missing), tuple(remaining.unexpected)),)
    whole = len(absent) == len(remaining.missing)
    return (_without_head(evidence, name, absent, other),) if absent and whole else ()


def _fitting(evidence: Evidence) -> str | None:
    """The class of the same type for which the files are whole."""
    if evidence.what_if is None:
        return None
    others = [name for name in evidence.what_if.classes if name != evidence.spec.architecture][:_CLASSES]
    return next((name for name in others if evidence.is_whole(evidence.what_if.as_class(name, evidence.shapes))), None)


def _other_class(evidence: Evidence, name: str, absent: tuple[str, ...], other: tuple[str, ...]) -> Cause:
    lost = f", and {listed(absent)} {is_or_are(absent)} filled with random numbers" if absent else ""
    return Cause(
        Kind.OTHER_CLASS,
        f"the tensors are those of {name} and not of {evidence.spec.architecture}, which has no {listed(other)}{lost}",
        f"Declare {name} in architectures if it is meant, or save the model again as {evidence.spec.architecture}.",
        pointer="/architectures/0" if evidence.config.get("architectures") else None,
        missing=absent,
        unexpected=other,
    )


def _without_head(evidence: Evidence, name: str | None, absent: tuple[str, ...], other: tuple[str, ...]) -> Cause:
    held = f"the files hold {name}" if name is not None else "the files hold the base of the model"
    instead = f" and {listed(other)} in its place" if other else ""
    return Cause(
        Kind.HEAD,
        f"{held} without the head of {evidence.spec.architecture}{instead}: "
        f"{listed(absent)} {is_or_are(absent)} filled with random numbers",
        "Save the model together with its head, or declare in architectures the class that was saved.",
        absent=absent[0],
        missing=absent,
        unexpected=other,
    )


def unused_heads(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """Heads of pre-training or of another task, beside all that the declared class has."""
    found = tuple(name for name in remaining.unexpected if _HEADS.search(name))
    if not found:
        return ()
    stored = evidence.stored(found) or found
    message = f"{listed(stored)} {is_or_are(stored)} not used: {evidence.spec.architecture} has no such head"
    return (Cause(Kind.UNUSED_HEAD, message, stored=stored[0], unexpected=found),)
