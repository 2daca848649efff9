"""What `from_pretrained` would do with a config and the headers of its weights, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal

from hfcheck.finding import quote
from hfcheck.formats.tensor import Tensor
from hfcheck.loading import atlas
from hfcheck.loading.accept import Unmodelled, accept
from hfcheck.loading.answer import Answer, Denied, Described
from hfcheck.loading.cause import Cause
from hfcheck.loading.choose import Choice, Refused, choose, fitted, index
from hfcheck.loading.config_faults import config_faults
from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.evidence import Evidence, Review, as_it_is
from hfcheck.loading.expand import NegativeSize, NotCertain, TooMany
from hfcheck.loading.explain import explain
from hfcheck.loading.expression import fields, parse
from hfcheck.loading.fields import shown
from hfcheck.loading.fitting import best
from hfcheck.loading.names import ABSENT
from hfcheck.loading.quantised import Quantisation, judged, recognise, remainder
from hfcheck.loading.resolve import resolve
from hfcheck.loading.spec import Outcome, Spec
from hfcheck.loading.what_if import Alternatives

ENGINE = "transformers 5.23.0"
Word = Literal["loads", "loads-reinitialised", "raises", "not-checked"]


class Gap(Enum):
    """What it is that hfcheck does not know of a model."""

    CODE = "its class is code of the repository"
    DATA = "the atlas has no certain data for its class"


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """A load that did not take place.

    `architecture` is the class that is judged, None where there is none; `reason` a sentence on why it is not checked,
    or what it stops at before the weights. `spec` is there where the weights were compared, `causes` are what explains
    their faults. `is_refused` says that the config is valid and the class is not built from it: `reason` says why.
    `asked` are the fields that its constructor looks at then. `gap` is why it is not checked, where the model is not
    known; `open_question` the class that the installed transformers may know instead. Where the weights were compared,
    `choice` is the class with its config, `sources` tells which stored tensors each parameter is made of, and
    `converted` which of the parameters come from a converter.
    """

    architecture: str | None
    outcome: Word
    reason: str = ""
    engine: str = ENGINE
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    spec: Spec | None = None
    causes: tuple[Cause, ...] = ()
    is_refused: bool = False
    asked: tuple[str, ...] = ()
    gap: Gap | None = None
    open_question: Choice | None = None
    choice: Choice | None = None
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    converted: frozenset[str] = frozenset()


def not_checked(reason: str, architecture: str | None = None) -> Load:
    return Load(architecture, "not-checked", reason)


UNCLAIMED = not_checked("no config here says that transformers loads it")
"""The load of what is for other libraries: there is nothing that could be checked."""


def judge(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    elsewhere: Mapping[str, Tensor],
    answer: Answer | None = None,
    shared: Mapping[str, str] = MappingProxyType({}),
) -> Load:
    """The load of these tensors, all that the loader opens; `elsewhere` are others, of which other findings speak.

    `shared` are tensors that are another one's bytes under a second name, with the first; safetensors have none.
    `answer` is that of the installed transformers to the question that the load left open without it.
    """
    choice = choose(config, index())
    if isinstance(choice, Refused):
        return Load(None, choice.outcome, choice.reason, gap=Gap.CODE if choice.outcome == "not-checked" else None)
    if faults := config_faults(config):
        return Load(choice.class_name, "raises", faults[0].message)
    checkpoint = _Checkpoint(config, choice, tensors, elsewhere, recognise(config, tensors), shared)
    return _by_answer(checkpoint, answer) if answer is not None else _by_atlas(checkpoint)


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """What is judged: the arguments of `judge`, and what they say at first sight."""

    config: Mapping[str, Any]
    choice: Choice
    tensors: Mapping[str, Tensor]
    elsewhere: Mapping[str, Tensor]
    quantisation: Quantisation | None
    shared: Mapping[str, str]


def _by_atlas(checkpoint: _Checkpoint) -> Load:
    choice, name = checkpoint.choice, checkpoint.choice.class_name
    try:
        resolved = of_choice(checkpoint.config, choice)
        entry = atlas.entry(choice.model_type)
        if entry is None:
            return _unknown(choice, f"there is no data for the type {quote(choice.model_type)}")
        if uncertified := _uncertified(entry, name, resolved):
            return _unknown(choice, uncertified)
        refusal = _refusal(entry, name, resolved)
        if stopped := _unquantised(checkpoint) or (_refused(name, refusal, resolved) if refusal else None):
            return stopped
        spec = atlas.spec(entry, name, resolved)
    except ConfigRaises as error:
        return Load(name, "raises", str(error))
    except NegativeSize as error:
        return Load(name, "raises", f"a tensor of the model would have a negative size: {error}", is_refused=True)
    except TooMany as error:
        return not_checked(str(error), name)
    except (Unresolvable, NotCertain) as error:
        return _unknown(choice, str(error))
    what_if = Alternatives(checkpoint.config, choice, of_choice, _review(checkpoint.quantisation, spec))
    return _by_best_fit(checkpoint, _compared(checkpoint, spec, what_if), what_if)


def _by_best_fit(checkpoint: _Checkpoint, load: Load, what_if: Alternatives) -> Load:
    """A load whose class nobody names, through the class that the files fit best: they may hold a base, or a head."""
    choice = checkpoint.choice
    if choice.how != "default" or choice.config or load.outcome not in ("loads-reinitialised", "raises"):
        return load
    if checkpoint.quantisation is not None or not checkpoint.tensors:
        return load
    name = best(what_if, {name: tensor.shape for name, tensor in checkpoint.tensors.items()})
    if name is None or name == choice.class_name:
        return load
    other = _by_atlas(replace(checkpoint, choice=fitted(choice, name)))
    return load if other.gap is not None else other


def _by_answer(checkpoint: _Checkpoint, answer: Answer) -> Load:
    """As by the atlas, but that nobody can say what would come of another config: each would be one more question."""
    name = checkpoint.choice.class_name
    match answer:
        case Described(engine, spec):
            return replace(_unquantised(checkpoint) or _compared(checkpoint, spec, None), engine=engine)
        case Denied(engine, reason):
            return Load(name, "raises", reason, engine, is_refused=True)
    return Load(name, "not-checked", answer.reason, gap=Gap.DATA)


def _unquantised(checkpoint: _Checkpoint) -> Load | None:
    """The load that ends in front of the quantiser; None where it gets past."""
    refusal = checkpoint.quantisation.refusal if checkpoint.quantisation is not None else None
    if not refusal:
        return None
    name, asked = checkpoint.choice.class_name, ("quantization_config",)
    return Load(name, "raises", refusal, is_refused=True, asked=asked)


def _unknown(choice: Choice, reason: str) -> Load:
    return Load(choice.class_name, "not-checked", reason, gap=Gap.DATA, open_question=choice)


def of_choice(config: Mapping[str, Any], choice: Choice) -> Resolved:
    """The config of the class that is judged: the whole file, or a part of it. Raises as `resolve` does."""
    if not choice.config:
        return resolve(config, choice.model_type)
    whole = resolve(config, str(config.get("model_type")))
    part = whole.get(choice.config)
    if not isinstance(part, Resolved):
        raise Unresolvable(f"there is no config at {quote(choice.config)}")
    return part


def _uncertified(entry: atlas.Entry, name: str, resolved: Resolved) -> str:
    """Why the class, or one that is mounted in it, is not known well enough to be judged; empty where it is."""
    for part in atlas.parts(entry, name, resolved):
        model = part.model
        if not model.certified:
            why = model.why_not[0] if model.why_not else "it was not compared with the real class"
            return f"{model.name} is not certified: {why}"
    return ""


def _refusal(entry: atlas.Entry, name: str, resolved: Resolved) -> str:
    """The condition of a constructor that the config does not meet; one that we cannot tell is left out."""
    try:
        violated = atlas.violated(entry, name, resolved)
    except NotCertain:
        return ""
    return violated.require if violated is not None else ""


def _refused(name: str, require: str, resolved: Resolved) -> Load:
    """A requirement of a constructor in words, with what the config has; `asked` are the fields that it reads."""

    def doubtful(field: str) -> tuple[bool, bool, str]:
        """First what the file gives, of that a negative number first: it is rarely meant."""
        value = _value(resolved, field)
        return field not in resolved.given, not (isinstance(value, (int, float)) and value < 0), field

    asked = tuple(sorted(fields(parse(require)), key=doubtful))
    values = [f"{field} is {shown(value)}" for field in asked if is_plain(value := _value(resolved, field))]
    here = f", and here {', '.join(values)}" if values else ""
    return Load(name, "raises", f"{name} requires {require}{here}", is_refused=True, asked=asked)


def _value(resolved: Resolved, path: str) -> object:
    """What a dotted path leads to, ABSENT where it leads nowhere."""
    found: Any = resolved
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Resolved) else ABSENT
    return found


def is_plain(value: object) -> bool:
    """Whether a value can stand in a sentence."""
    return value is None or isinstance(value, (bool, int, float, str))


def _compared(checkpoint: _Checkpoint, spec: Spec, what_if: Alternatives | None) -> Load:
    choice, tensors, quantisation = checkpoint.choice, checkpoint.tensors, checkpoint.quantisation
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    try:
        whole = accept(spec, shapes)
    except Unmodelled as error:
        return not_checked(str(error), spec.architecture)
    review = _review(quantisation, spec)
    outcome = review(whole)
    evidence = Evidence(
        spec=spec,
        outcome=outcome,
        shapes=shapes,
        config=checkpoint.config,
        dtypes={name: tensor.dtype for name, tensor in tensors.items()},
        elsewhere={name: tensor.shape for name, tensor in checkpoint.elsewhere.items()},
        shared=checkpoint.shared,
        quantisation=quantisation,
        is_named=choice.how not in ("default", "fitted"),
        review=review,
        what_if=what_if,
    )
    verdict: Word = outcome.verdict
    reason = choice.reason
    if quantisation is not None and quantisation.is_applied and verdict == "loads":
        verdict, reason = "not-checked", f"{quantisation.label}: only what is not quantised was compared"
    return Load(
        architecture=spec.architecture,
        outcome=verdict,
        reason=reason,
        missing=outcome.missing,
        unexpected=outcome.unexpected,
        mismatched=tuple(mismatch.name for mismatch in outcome.mismatched),
        spec=spec,
        causes=explain(evidence),
        choice=choice,
        sources=outcome.sources,
        converted=outcome.converted,
    )


def _review(quantisation: Quantisation | None, spec: Spec) -> Review:
    if quantisation is None:
        return as_it_is

    def without_what_is_quantised(outcome: Outcome) -> Outcome:
        return judged(outcome, quantisation, remainder(quantisation, spec.state, outcome))

    return without_what_is_quantised
