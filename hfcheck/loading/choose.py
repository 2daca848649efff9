"""Which model class stands for a checkpoint: acceptance-and-atlas.md, section 1.1 step 3.

An Auto class of transformers 5.23 goes by `model_type` alone (`auto_factory.py:_get_model_class`). Which Auto class is
called, the repository does not decide: `architectures` says what was saved, and is judged where the type has it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from hfcheck.finding import quote
from hfcheck.formats import json_
from hfcheck.loading.names import ABSENT
from hfcheck.loading.resolve import auto_type

Index = Mapping[str, Mapping[str, Any]]
"""By `model_type`: `classes` (names), `auto` (Auto class to a name or to several), `parts` (sub-config to its type)."""

DEFAULTS = (
    "AutoModelForImageTextToText",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForSeq2SeqLM",
    "AutoModelForCausalLM",
    "AutoModelForPreTraining",
    "AutoModel",
)
"""The first that a type has is judged where `architectures` does not help.

Causal language models come after what generates from an input: 20 types have both, and there they are the decoder
alone (`WhisperForCausalLM`).
"""

ENCODERS = ("AutoModelForPreTraining", "AutoModelForMaskedLM", *DEFAULTS)
"""The same where a type has a masked language model and the config does not say `is_decoder`: `bert` is an encoder,
though `BertLMHeadModel` is its causal language model."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The class `class_name` of the entry `model_type`, built with the sub-config at the key `config` ("": all of it).

    `how`: "named" by `architectures[0]`; "part", named too, and its config is a sub-config of the file; "counterpart",
    the class of this type for the task of the class that is named, which belongs to another type; "default", where
    `architectures` is of no help; "fitted", the same, and the tensors chose. `named` is `architectures[0]`, None where
    there is no such string. `reason` is a sentence for the last three, else empty.
    """

    model_type: str
    class_name: str
    config: str
    how: Literal["named", "part", "counterpart", "default", "fitted"]
    named: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """No class to judge: AutoConfig raises, or what would be loaded is not transformers' own."""

    outcome: Literal["raises", "not-checked"]
    reason: str
    pointer: str


@cache
def index() -> Index:
    """The index of the release that hfcheck knows: `schemas/auto.json`."""
    types: Index = json.loads(files("hfcheck_schemas").joinpath("auto.json").read_bytes())["types"]
    return types


def choose(config: Mapping[str, Any], known: Index) -> Choice | Refused:
    """The class that stands for a checkpoint with this config."""
    found = auto_type(config)
    if not isinstance(found, str) or found not in known:
        return _untyped(config, found)
    named = _named(config)
    if named is None:
        return _default(config, found, None, known, "`architectures` names no class")
    if named in known[found]["classes"]:
        return Choice(found, named, "", "named", named)
    for key, part in _parts(config, found, known):
        if named in known[part]["classes"]:
            return Choice(part, named, key, "part", named)
    return _foreign(config, found, named, known)


def _foreign(config: Mapping[str, Any], found: str, named: str, known: Index) -> Choice | Refused:
    """`architectures[0]` is no class of this type."""
    homes = [home for home in known if named in known[home]["classes"]]
    if not homes:
        if _own_code(config, named):
            reason = f"the class {quote(named)} is code of the repository, which is never run"
            return Refused("not-checked", reason, "/architectures/0")
        return _default(config, found, named, known, f"{quote(named)} is no class of transformers")
    other = f"{quote(named)} is a class of the type {quote(homes[0])}, not of {quote(found)}"
    tasks = [task for home in homes for task, entry in known[home]["auto"].items() if named in _several(entry)]
    for task in sorted(tasks, key=_rank):
        for name in _several(known[found]["auto"].get(task, ())):
            located = _locate(config, found, name, known)
            if located is not None:
                return Choice(*located, "counterpart", named, f"{other}; {name} loads it")
    return _default(config, found, named, known, other)


def candidates(config: Mapping[str, Any], model_type: str, known: Index) -> tuple[str, ...]:
    """The classes of a registered type, the likeliest first: by the tasks of `DEFAULTS`, then all others.

    At the end those of its parts that an Auto class takes for it: `MusicgenForCausalLM` is the decoder of `musicgen`.
    """
    entry = known[model_type]
    masked = "AutoModelForMaskedLM" in entry["auto"] and not config.get("is_decoder")
    order = ENCODERS if masked and not config.get("is_encoder_decoder") else DEFAULTS
    tasks = [*(task for task in order if task in entry["auto"]), *entry["auto"]]
    names = [name for task in tasks for name in _several(entry["auto"][task])]
    own = [name for name in names if name in entry["classes"]]
    return tuple(dict.fromkeys((*own, *entry["classes"], *names)))


def fitted(choice: Choice, name: str) -> Choice:
    """The choice of another class of the type, which the tensors fit better than the default."""
    reason = choice.reason.replace(f"; {choice.class_name} is judged", f"; {name} is judged, which fits best")
    return replace(choice, class_name=name, how="fitted", reason=reason)


def _default(config: Mapping[str, Any], found: str, named: str | None, known: Index, why: str) -> Choice | Refused:
    for name in candidates(config, found, known):
        located = _locate(config, found, name, known)
        if located is not None:
            return Choice(*located, "default", named, f"{why}; {name} is judged, by the type {quote(found)}")
    reason = f"transformers has no model class for the type {quote(found)}, which is that of a part"
    return Refused("raises", reason, "/model_type")


def _locate(config: Mapping[str, Any], found: str, name: str, known: Index) -> tuple[str, str, str] | None:
    """Under which type a class of an auto map is described, and which sub-config an Auto class hands it."""
    if name in known[found]["classes"]:
        return found, name, ""
    for key, part in _parts(config, found, known):
        if name in known[part]["classes"]:
            return part, name, key
    return None


def _parts(config: Mapping[str, Any], found: str, known: Index) -> Iterator[tuple[str, str]]:
    """Sub-configs of the file with their types: by the slot where that is fixed, else by their own `model_type`."""
    slots: Mapping[str, str] = known[found]["parts"]
    for key, value in config.items():
        if isinstance(value, Mapping):
            part = slots.get(key, value.get("model_type"))
            if isinstance(part, str) and part in known:
                yield key, part


def _untyped(config: Mapping[str, Any], found: object) -> Refused:
    auto_map = config.get("auto_map")
    if isinstance(auto_map, Mapping) and "AutoConfig" in auto_map:
        kind = f"the type {quote(found)}" if isinstance(found, str) else "a config without a type"
        return Refused("not-checked", f"{kind} is code of the repository, which is never run", "/auto_map/AutoConfig")
    if found is ABSENT:
        return Refused("raises", "config.json has no `model_type`, and an Auto class goes by it alone", "")
    if not isinstance(found, str):
        return Refused("raises", f"`model_type` is {json_.type_of(found)}, not a string", "/model_type")
    return Refused("raises", f"transformers 5.23 knows no `model_type` {quote(found)}", "/model_type")


def _named(config: Mapping[str, Any]) -> str | None:
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    return first if isinstance(first, str) and first else None


def _own_code(config: Mapping[str, Any], named: str) -> bool:
    """Whether `auto_map` points at a class of this name, as `module.Class` or `repository--module.Class`."""
    auto_map = config.get("auto_map")
    targets = auto_map.values() if isinstance(auto_map, Mapping) else ()
    return any(isinstance(target, str) and target.rpartition(".")[2] == named for target in targets)


def _several(entry: Any) -> tuple[str, ...]:  # noqa: ANN401 - a value of the index
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _rank(task: str) -> int:
    return DEFAULTS.index(task) if task in DEFAULTS else -1
