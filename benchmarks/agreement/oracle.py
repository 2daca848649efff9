"""What the real loader does with a folder: the truth that hfcheck is held against.

No folder here has code, nothing is trusted, and no weights are pickles.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import torch
import transformers
from transformers import AutoConfig, PreTrainedModel

from benchmarks.agreement import models
from benchmarks.agreement.models import Architecture, TooLarge
from benchmarks.agreement.mutations import AUTO, BY_TYPE

SHOWN = 12
"""Names of a set that are kept; the others are in its digest."""

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names of tensors: how many, a digest of all, and the first few."""

    count: int
    digest: str
    first: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        ordered = sorted(set(names))
        return cls(len(ordered), sha256("\n".join(ordered).encode()).hexdigest()[:16], tuple(ordered[:SHOWN]))


@dataclass(frozen=True, slots=True)
class Truth:
    """What became of one load, with `outcome` in the words of hfcheck's report.

    The sets are None where the loader told none, `architecture` is empty where no model was built. `different` counts
    tensors that loaded and have other values than the model that was saved.
    """

    outcome: str
    architecture: str
    missing: Names | None
    unexpected: Names | None
    mismatched: Names | None
    error: str
    different: int
    seconds: float


def ask(folder: Path, architecture: Architecture, saved: State, kind: str) -> Truth:
    """Load a folder as a caller would; where that raises, once more with other shapes allowed, for the exact sets.

    The caller has the class, unless the kind of damage leaves the choice to the type. Raises TooLarge where the folder
    means a model that is not tiny.
    """
    start = process_time()
    try:
        caller = _caller(folder, architecture, kind)
    except Exception as error:  # noqa: BLE001 - whatever the loader raises is what is recorded
        return _raised(folder, error, None, start)
    _bound(folder, caller)
    try:
        model, info = _load(caller, folder)
    except Exception as error:  # noqa: BLE001 - as above
        return _raised(folder, error, _told(caller, folder), start)
    return Truth(
        "loads-reinitialised" if info["missing_keys"] else "loads",
        type(model).__name__,
        Names.of(info["missing_keys"]),
        Names.of(info["unexpected_keys"]),
        Names.of(()),
        "",
        _different(model.state_dict(), saved),
        process_time() - start,
    )


def _caller(folder: Path, architecture: Architecture, kind: str) -> Any:  # noqa: ANN401 - a model class or an Auto class
    if kind in BY_TYPE:
        return models.by_type(folder)
    if kind == AUTO:
        found = models.by_task(AutoConfig.from_pretrained(folder), architecture.class_name)
        return found or architecture.model_class
    return architecture.model_class


def _bound(folder: Path, caller: Any) -> None:  # noqa: ANN401 - as above
    try:
        config = (
            caller.config_class.from_pretrained(folder) if _is_model(caller) else AutoConfig.from_pretrained(folder)
        )
        model_class = caller if _is_model(caller) else getattr(transformers, models.built_by(caller, config))
        models.bounded(model_class, config)
    except TooLarge:
        raise
    except Exception:  # noqa: BLE001 - the loader will raise it again, and is heard then
        return


def _is_model(caller: Any) -> bool:  # noqa: ANN401 - as above
    return issubclass(caller, PreTrainedModel)


def _told(caller: Any, folder: Path) -> Mapping[str, Any] | None:  # noqa: ANN401 - as above
    try:
        return _load(caller, folder, ignore_mismatched_sizes=True)[1]
    except Exception:  # noqa: BLE001 - it raises for a reason other than shapes, so there are no sets
        return None


def _load(caller: Any, folder: Path, **options: bool) -> tuple[PreTrainedModel, Mapping[str, Any]]:  # noqa: ANN401 - as above
    """A few classes have a `from_pretrained` of their own that cannot give the sets: it decides whether to raise."""
    base: Any = PreTrainedModel.from_pretrained
    if _is_model(caller) and caller.from_pretrained.__func__ is not base.__func__:
        caller.from_pretrained(folder, **options)
        model, info = base.__func__(caller, folder, output_loading_info=True, **options)
    else:
        model, info = caller.from_pretrained(folder, output_loading_info=True, **options)
    return model, info


def _raised(folder: Path, error: Exception, info: Mapping[str, Any] | None, start: float) -> Truth:
    missing, unexpected, mismatched = (None, None, None) if info is None else map(Names.of, _sets(info))
    message = f"{type(error).__name__}: {' '.join(str(error).replace(str(folder.parent), '..').split())[:160]}"
    return Truth("raises", "", missing, unexpected, mismatched, message, 0, process_time() - start)


def _sets(info: Mapping[str, Any]) -> tuple[set[str], set[str], set[str]]:
    return info["missing_keys"], info["unexpected_keys"], {mismatch[0] for mismatch in info["mismatched_keys"]}


def _different(loaded: State, saved: State) -> int:
    """Tensors of the same name and shape with other values, beyond what a cast to half precision changes."""
    return sum(
        not torch.allclose(loaded[name].float(), saved[name].float(), rtol=0.02, atol=0.02, equal_nan=True)
        for name in loaded.keys() & saved.keys()
        if loaded[name].shape == saved[name].shape
    )
