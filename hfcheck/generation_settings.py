"""Where `generate` of transformers 5.23 takes its settings from, and what they are.

`generation_config.json` counts, and config.json only where it is absent or no JSON: then the values of the top level
that are not null, and those of `decoder`, `generator` or `text_config`, the first that there is, for what is unset
(`generation/utils.py:adjust_generation_fn`, `GenerationConfig.from_model_config`). The defaults of a config's class do
not count.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, pointer

GENERATION_CONFIG = "generation_config.json"
NESTED = ("decoder", "generator", "text_config")

_GENERATES = re.compile(r"(?:ForCausalLM|LMHeadModel|ForConditionalGeneration|ForSpeechSeq2Seq|ForImageTextToText)$")
_TEXT = re.compile(
    r"(?:ForCausalLM|LMHeadModel)$|^(?:U?MT5|T5|LongT5|SwitchTransformers|M?Bart|PLBart|Pegasus|PegasusX|BigBirdPegasus|LED"
    r"|Blenderbot|BlenderbotSmall|M2M100|NllbMoe|ProphetNet|Mvp)ForConditionalGeneration$"
)


@dataclass(frozen=True, slots=True)
class Source:
    """The settings in one object of a file; `place` is its pointer."""

    path: str
    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """The objects in which a setting is looked for, in this order. `path` is the file that it belongs into."""

    sources: tuple[Source, ...]
    path: str

    def at(self, key: str) -> At:
        """Where a setting is, or the file that lacks it."""
        for source in self.sources:
            if source.values.get(key) is not None:
                return At(source.path, source.place + pointer(key))
        first = self.sources[0]
        return At(first.path, pointer(key)) if key in first.values and not first.place else At(first.path)

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        """The value of a setting; None where it has none."""
        return next((found for source in self.sources if (found := source.values.get(key)) is not None), None)

    @property
    def stops(self) -> frozenset[int] | None:
        """The ids at which `generate` stops; None where what is there are no ids."""
        value = self.get("eos_token_id")
        ids = [] if value is None else value if isinstance(value, list) else [value]
        return frozenset(ids) if all(type(index) is int for index in ids) else None


def generation_settings(facts: Facts) -> GenerationSettings | None:
    """The settings of a model that is loaded from the folder; None where no model is, or a file is not known."""
    path = facts.inside(GENERATION_CONFIG)
    document = facts.json(path)
    if document is not None:
        values = document.value
        return GenerationSettings((Source(path, "", values),), path) if type(values) is dict else None
    reading = facts.reading(path)
    if facts.config is None or not facts.claims_transformers or (reading is not None and reading.invalid is None):
        return None  # a pointer to the file, or nothing that generates
    config = facts.inside(layout.CONFIG)
    sources = [Source(config, "", facts.config)]
    name = next((name for name in NESTED if facts.config.get(name)), None)
    if name is not None and type(facts.config[name]) is dict:
        sources.append(Source(config, pointer(name), facts.config[name]))
    return GenerationSettings(tuple(sources), path)


def generates(facts: Facts) -> bool:
    """Whether the model of a folder writes, as far as its architecture tells: no classifier, no embedding model."""
    return _is_one(facts, _GENERATES)


def generates_text(facts: Facts) -> bool:
    """Whether it writes what its tokenizer reads: a decoder of a speech model has tokens of its own."""
    return _is_one(facts, _TEXT)


def _is_one(facts: Facts, pattern: re.Pattern[str]) -> bool:
    if facts.config is None or not facts.claims_transformers or facts.kind is not Kind.TRANSFORMERS:
        return False
    named = facts.config.get("architectures")
    if not isinstance(named, list) or not named:
        return facts.has_file(facts.inside(GENERATION_CONFIG))
    return isinstance(named[0], str) and pattern.search(named[0]) is not None
