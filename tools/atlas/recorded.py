"""What the real classes made of many configs, kept in a file: comparing with it again takes seconds and no torch."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hfcheck.loading.spec import Spec, Submodel, TiedKeys


class Refused(ValueError):
    """transformers raises for this config: `error` names the exception, `stage` says who raised it."""

    def __init__(self, stage: Literal["config", "constructor"], error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.stage: Literal["config", "constructor"] = stage
        self.error = error
        self.message = message


@dataclass(frozen=True, slots=True)
class Reality:
    """The specification of a model as it is, and its ties, expanded: target to source, by full name."""

    spec: Spec
    ties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """A config, the moves that made it, and what the real class makes of it: its truth or why it refuses."""

    config: dict[str, Any]
    moves: tuple[str, ...]
    truth: Reality | Refused


@dataclass(frozen=True, slots=True)
class Record:
    """All cases of one class; `unmoved` are fields that its constructor reads and no valid case moves.

    `unbuildable` says why there is no case: its tiny config does not build here.
    """

    model_type: str
    class_name: str
    cases: Sequence[Case]
    unmoved: tuple[str, ...] = ()
    unbuildable: str = ""


def append(path: Path, record: Record) -> None:
    """Add a class to a file; each is a member of its own, so that a run can stop anywhere."""
    data = {
        "type": record.model_type,
        "class": record.class_name,
        "unmoved": record.unmoved,
        "unbuildable": record.unbuildable,
        "cases": [{"config": case.config, "moves": case.moves, "truth": _plain(case.truth)} for case in record.cases],
    }
    with gzip.open(path, "at", encoding="utf-8") as file:
        file.write(json.dumps(data, separators=(",", ":")) + "\n")


def read(path: Path) -> Iterator[Record]:
    """The classes of a file, in its order; a last one that was cut off is left out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        try:
            for line in file:
                data = json.loads(line)
                cases = [Case(each["config"], tuple(each["moves"]), _truth(each["truth"])) for each in data["cases"]]
                yield Record(data["type"], data["class"], cases, tuple(data["unmoved"]), data["unbuildable"])
        except (EOFError, json.JSONDecodeError):
            return


def _plain(truth: Reality | Refused) -> dict[str, Any]:
    if isinstance(truth, Refused):
        return {"refused": [truth.stage, truth.error, truth.message[:300]]}
    spec = truth.spec
    return {
        "architecture": spec.architecture,
        "model_type": spec.model_type,
        "state": spec.state,
        "integers": sorted(spec.integers),
        "base_prefix": spec.base_prefix,
        "submodels": [[each.at, each.class_name, each.model_type, each.heads] for each in spec.submodels],
        "tied": [[each.at, each.keys] for each in spec.tied],
        "ignore_missing": spec.ignore_missing,
        "ignore_unexpected": spec.ignore_unexpected,
        "ties": truth.ties,
    }


def _truth(data: dict[str, Any]) -> Reality | Refused:
    if "refused" in data:
        return Refused(*data["refused"])
    spec = Spec(
        architecture=data["architecture"],
        model_type=data["model_type"],
        state={name: tuple(shape) for name, shape in data["state"].items()},
        integers=frozenset(data["integers"]),
        base_prefix=data["base_prefix"],
        submodels=tuple(Submodel(*each) for each in data["submodels"]),
        tied=tuple(TiedKeys(*each) for each in data["tied"]),
        ignore_missing=tuple(data["ignore_missing"]),
        ignore_unexpected=tuple(data["ignore_unexpected"]),
    )
    return Reality(spec, data["ties"])
