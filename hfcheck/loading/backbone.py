"""Which stages a backbone returns: `BackboneConfigMixin.set_output_features_output_indices` of transformers 5.23."""

from collections.abc import Sequence
from typing import Any

from hfcheck.loading.draft import ConfigRaises, Draft
from hfcheck.loading.fields import shown
from hfcheck.loading.names import UNKNOWN

FEATURES, INDICES = "_out_features", "_out_indices"
NAMES = ("out_features", "out_indices")
"""The keys of the file, and the properties that they become."""


def is_backbone(draft: Draft) -> bool:
    return "out_indices" in draft.entry.get("settable", ())


def align(draft: Draft) -> None:
    """Take `out_features` and `out_indices` from the file and derive either from the other; raises ConfigRaises."""
    features, indices = draft.pending.pop("out_features", None), draft.pending.pop("out_indices", None)
    stages = draft.attribute("stage_names")
    if UNKNOWN in (features, indices):
        stages = UNKNOWN
    if not isinstance(stages, list) or UNKNOWN in stages:
        draft.values |= {FEATURES: UNKNOWN, INDICES: UNKNOWN}
    else:
        features, indices = _aligned(draft, stages, features, indices)
        draft.set(FEATURES, features)
        draft.set(INDICES, indices)
    # The properties of these names, which no key of the file can reach any more.
    draft.values |= {"out_features": draft.values[FEATURES], "out_indices": draft.values[INDICES]}


def _aligned(draft: Draft, stages: Sequence[str], features: Any, indices: Any) -> tuple[Any, Any]:  # noqa: ANN401 - of the file
    if features is not None:
        _check_features(draft, stages, features)
    if indices is not None:
        _check_indices(draft, stages, indices)
    if indices is None:
        return (features, [stages.index(name) for name in features]) if features is not None else _last(stages)
    if features is None:
        return [stages[index] for index in indices], indices
    if features != [stages[index] for index in indices]:
        raise _refused(draft, "out_features", "names other stages than out_indices")
    return features, indices


def _last(stages: Sequence[str]) -> tuple[list[str], list[int]]:
    return [stages[-1]], [len(stages) - 1]


def _check_features(draft: Draft, stages: Sequence[str], features: object) -> None:
    if not isinstance(features, list):
        raise _refused(draft, "out_features", f"is {shown(features)}, and not a list")
    wrong = next((name for name in features if name not in stages), None)
    if wrong is not None:
        raise _refused(draft, "out_features", f"has {shown(wrong)}, which is none of the {len(stages)} stages")
    if features != [name for name in stages if name in features]:
        raise _refused(draft, "out_features", "is not in the order of the stages, or names one twice")


def _check_indices(draft: Draft, stages: Sequence[str], indices: object) -> None:
    if not isinstance(indices, list):
        raise _refused(draft, "out_indices", f"is {shown(indices)}, and not a list")
    if not all(isinstance(index, int) for index in indices):
        raise _refused(draft, "out_indices", "has something else than integers", error="TypeError")
    positive = [index % len(stages) if index < 0 else index for index in indices]
    wrong = next((index for index in positive if index >= len(stages)), None)
    if wrong is not None:
        raise _refused(draft, "out_indices", f"has {wrong}, and there are {len(stages)} stages")
    if positive != sorted(set(positive)):
        raise _refused(draft, "out_indices", "is not in the order of the stages, or names one twice")


def _refused(draft: Draft, name: str, what: str, *, error: str = "ValueError") -> ConfigRaises:
    return draft.raises(error, f"{name} {what}", name)
