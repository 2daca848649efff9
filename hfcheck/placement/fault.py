"""What is wrong with a parallel load, as data: rules make findings of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hfcheck.finding import pointer
from hfcheck.loading.draft import Resolved

Kind: TypeAlias = Literal["heads", "kv-heads", "no-plan", "shards-little", "uneven", "experts", "alignment", "sizes"]

When: TypeAlias = Literal["load", "forward", "never"]

SHOWN = 12
"""Sizes that a message lists at most."""

TRIED = 1024
"""Ranks up to which a size is tried: more are in no machine, and a number of heads is a stranger's."""

_HEADS = ("n_head", "n_heads", "num_heads")
_TEXT = ("text_config", "thinker_config", "decoder", "generator", "llm_config", "language_config")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `message` is a sentence, `pointer` leads into config.json, empty where no single field is to blame.

    `when` is it that transformers stops: while it loads, or in the first forward, or that the output is wrong from
    there. "never" is for what it computes all the same: something else does not, or it costs more than it should.
    """

    kind: Kind
    message: str
    pointer: str = ""
    hint: str = ""
    when: When = "load"

    @property
    def runs(self) -> bool:
        return self.when == "never"


def divisors(number: int) -> str:
    """The sizes of a group that divide a number, as far as groups go, in words."""
    found = [size for size in range(1, min(number, TRIED) + 1) if number % size == 0]
    shown = ", ".join(map(str, found[:SHOWN]))
    return f"{shown}, ..." if len(found) > SHOWN else shown


def spelled(config: Resolved, attribute: str) -> tuple[str, str]:
    """What an attribute is called in the file, and where it stands; the config where it is a default of the class."""
    keys = (key for key in sorted(config.given) if config.aliases.get(key, key) == attribute)
    key = next(keys, None)
    return (attribute, config.pointer) if key is None else (key, config.pointer + pointer(key))


def number(config: Resolved, attribute: str) -> int | None:
    """A positive number in a config; None for anything else."""
    found = config.get(attribute)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def as_given(config: Mapping[str, Any], at: str = "", deepest: int = 4) -> Resolved:
    """A config of an unknown class as it stands in the file, under the names that most classes use."""
    aliases: dict[str, str] = dict.fromkeys(_HEADS, "num_attention_heads")
    values = {
        aliases.get(key, key): as_given(value, at + pointer(key), deepest - 1)
        if key in _TEXT and isinstance(value, dict) and deepest
        else value
        for key, value in config.items()
    }
    return Resolved("", "", values, aliases, frozenset(config), at)


def text(config: Resolved) -> Resolved:
    """The config of what generates text (`get_text_config`): the whole where there is no such part."""
    for _ in _TEXT:
        inner = next((part for key in _TEXT if isinstance(part := config.get(key), Resolved)), None)
        if inner is None:
            break
        config = inner
    return config
