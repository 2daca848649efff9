"""The tokenizer classes of the release of transformers that hfcheck knows: `schemas/tokenizers.json`.

Made by `tools/tokenizer_classes.py`, with sentencepiece installed and mistral-common not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

GENERIC = "TokenizersBackend"
"""The class that is a tokenizer.json and nothing else; `PreTrainedTokenizerFast` is its old name."""


@dataclass(frozen=True, slots=True)
class TokenizerClass:
    """A class. `files` are the names that it looks for, by argument; `model` that of the model it is built on.

    `builds` is whether it makes its own tokenizer out of a vocabulary, whatever else tokenizer.json says. `special` are
    the special tokens that it has where no file gives them, `extra` those without a role. `parameters` are roles that a
    padding in tokenizer.json cannot give, `needs` those without which the class raises. `converts` is whether it
    changes the ids of a SentencePiece model. `merges_extra` is whether special tokens that are given come to those of
    the class, and do not replace them, `marks_extra` whether each of them is made special, and `from_text` whether the
    class is made of the text files. `known` is whether `hfcheck.tokens` follows what its constructor does.
    """

    name: str
    backend: Literal["tokenizers", "sentencepiece", "python"]
    files: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    builds: bool = False
    special: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    parameters: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    converts: bool = False
    merges_extra: bool = False
    marks_extra: bool = False
    from_text: bool = False
    known: bool = True


@dataclass(frozen=True, slots=True)
class Classes:
    """`types` is the class of each type of model as `AutoTokenizer` compares it, `auto` the one it takes by default.

    `incorrect` are types of which the class that repositories name is known to be wrong.
    """

    transformers: str
    types: Mapping[str, str]
    auto: Mapping[str, str]
    incorrect: frozenset[str]
    names: tuple[str, ...]
    aliases: Mapping[str, str]
    by_name: Mapping[str, TokenizerClass]
    mistral: frozenset[str]
    """Types of model that have another tokenizer, made from tekken.json, where mistral-common is installed."""
    others: frozenset[str]
    """Names that transformers has and that are no class of these: parts, and what needs a library of its own."""

    def find(self, name: str) -> TokenizerClass | None:
        """The class that `tokenizer_class_from_name` finds; None for a name that it does not know."""
        if name in ("BloomTokenizer", "BloomTokenizerFast"):
            return self.by_name[GENERIC]
        for candidate in (name, name.removesuffix("Fast")):
            found = self.by_name.get(self.aliases.get(candidate, candidate))
            if found is not None:
                return found
            if candidate in self.others:
                return TokenizerClass(candidate, "python")
        return None


@cache
def classes() -> Classes:
    """The classes of the release that hfcheck knows."""
    data = json.loads(files("hfcheck_schemas").joinpath("tokenizers.json").read_bytes())
    by_name = {
        name: TokenizerClass(
            name,
            entry["backend"],
            entry["files"],
            entry.get("model"),
            builds=entry.get("init", False),
            special=entry.get("special", {}),
            extra=tuple(entry.get("extra", ())),
            parameters=frozenset(entry.get("parameters", ())),
            needs=frozenset(entry.get("needs", ())),
            converts=entry.get("converts", False),
            merges_extra=entry.get("merges_extra", False),
            marks_extra=entry.get("marks_extra", False),
            from_text=entry.get("from_text", False),
            known=entry.get("known", True),
        )
        for name, entry in data["classes"].items()
    }
    return Classes(
        data["transformers"],
        data["types"],
        data["auto"],
        frozenset(data["incorrect"]),
        tuple(data["names"]),
        data["aliases"],
        by_name,
        frozenset(data["mistral"]),
        frozenset(data["others"]),
    )
