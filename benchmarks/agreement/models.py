"""Which classes there are, a tiny model of each with random weights, and the Auto class that would load it."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from benchmarks.agreement.checkpoint import read_config
from hfcheck.facts import units
from hfcheck.loading.choose import Choice, choose, index
from hfcheck.repository import scan
from tools.atlas import classes
from tools.atlas.reality import TooLong, resolved_config
from tools.atlas.tiny import tiny
from tools.atlas.vary import vary

ATLAS = Path(__file__).resolve().parents[2] / "schemas" / "architectures"

VARIED = 2 / 3

LARGEST = 20_000_000
"""Parameters of a model that is built: a config without its sizes means the one of the paper."""


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """A model class of a type."""

    model_type: str
    class_name: str

    def __str__(self) -> str:
        return f"{self.model_type}/{self.class_name}"

    @property
    def model_class(self) -> Any:  # noqa: ANN401 - its constructor takes a config, which PreTrainedModel does not say
        """Raises KeyError where transformers has no such class, or lacks a package for it."""
        return classes.model_class(self.model_type, self.class_name)


class TooLarge(ValueError):
    """A config asks for more parameters than a tiny model has."""


def architectures() -> list[Architecture]:
    """All classes that the atlas is about."""
    return sorted(Architecture(known, name) for known, entry in index().items() for name in entry["classes"])


def certified() -> list[Architecture]:
    """The classes whose entry of the atlas was found exact."""
    return sorted(
        Architecture(entry["model_type"], name)
        for entry in _entries()
        for name, model in entry["classes"].items()
        if model.get("certified")
    )


def _entries() -> Iterator[dict[str, Any]]:
    for path in sorted(ATLAS.glob("*.json")):
        yield json.loads(path.read_text())


def build(architecture: Architecture, rng: Random) -> PreTrainedModel:
    """A tiny model of the class, every floating parameter random and no two alike.

    Its config is the tiny one of the type or, two times in three, one with many fields moved from there.
    """
    varied = rng.random() < VARIED
    seed = rng.getrandbits(32)
    if varied:
        with contextlib.suppress(Exception, TooLong):  # some move leads to a model that does not build: then without
            return _built(architecture, vary(architecture.model_type, architecture.class_name, rng), seed)
    return _built(architecture, tiny(architecture.model_type, architecture.class_name), seed)


def _built(architecture: Architecture, document: Mapping[str, Any], seed: int) -> PreTrainedModel:
    in_file = json.loads(json.dumps(document))  # lists, and no tuples
    config = resolved_config(architecture.model_class, in_file, architecture.model_type)
    bounded(architecture.model_class, config)
    torch.manual_seed(seed)
    model: PreTrainedModel = architecture.model_class(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.normal_(0.1, 0.5)
    return model


def bounded(model_class: Any, config: PreTrainedConfig) -> None:  # noqa: ANN401 - as above
    """Raise TooLarge, before there is any memory for its parameters, where a model is not tiny.

    What else a constructor raises is the loader's to raise.
    """
    with torch.device("meta"):
        model = model_class(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > LARGEST:
        raise TooLarge(f"{parameters} parameters")


def by_type(folder: Path) -> Any:  # noqa: ANN401 - Auto classes share no public type
    """What somebody calls who knows no class: an Auto class, or the class itself where none builds it.

    Which class is meant, no repository says. hfcheck has a convention, and the loader is asked for the same class: the
    question is whether they say the same of it. Raises what reading the config raises.
    """
    config = AutoConfig.from_pretrained(folder)
    chosen = choose(read_config(folder), index())
    if not isinstance(chosen, Choice):
        return transformers.AutoModel
    # Where `architectures` is of no help the tensors choose.
    name = units(scan(str(folder)))[0].load.architecture if chosen.how == "default" else None
    name = name or chosen.class_name
    return by_task(config, name) or Architecture(chosen.model_type, name).model_class


def by_task(config: PreTrainedConfig, class_name: str) -> Any | None:  # noqa: ANN401 - as above
    """An Auto class that builds this class for a config."""
    names = ["AutoModel", *sorted(name for name in dir(transformers) if name.startswith("AutoModelFor"))]
    autos = (getattr(transformers, name) for name in names)
    return next((auto for auto in autos if built_by(auto, config) == class_name), None)


def built_by(auto: Any, config: PreTrainedConfig) -> str:  # noqa: ANN401 - as above
    """The class that an Auto class builds for a config; empty where it has none for this type."""
    mapping = auto._model_mapping  # noqa: SLF001 - what the Auto class itself asks
    if type(config) not in mapping:
        return ""
    found = mapping[type(config)]
    several = found if isinstance(found, (list, tuple)) else (found,)
    named = [candidate for candidate in several if candidate.__name__ in (config.architectures or ())]
    return str((named or several)[0].__name__)
