"""Which class `AutoTokenizer.from_pretrained` makes: `models/auto/tokenization_auto.py` of transformers 5.23.

Code of the repository is never trusted here, and mistral-common is not installed: where either would change the
outcome, it is not certain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hfcheck.finding import quote
from hfcheck.tokens.classes import GENERIC, Classes, TokenizerClass

_UNSPECIAL = frozenset({"TokenizersBackend", "PythonBackend", "PreTrainedTokenizerFast", "MistralCommonBackend"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The class and a phrase on what chose it. `why` is a sentence where the outcome is not certain, else empty.

    `named` is the class that the files name, None where none does, `raises` why no class is made.
    """

    found: TokenizerClass
    chosen: str
    named: str | None = None
    why: str = ""
    raises: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What `AutoTokenizer` asks the files for."""

    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    has_byte_level: bool
    """Whether the text of tokenizer.json has "ByteLevel" in it."""
    has_tekken: bool


def choose(asked: Question, known: Classes) -> Choice:
    """The class that is made for these files."""
    kind = asked.config.get("model_type")
    kind = kind if isinstance(kind, str) else ""
    named = asked.settings.get("tokenizer_class")
    name = named or asked.config.get("tokenizer_class")
    if not isinstance(named, str | None) or not isinstance(name, str | None):
        return _raises(known, "tokenizer_class is no string")
    mapped = asked.settings.get("auto_map")
    if mapped is not None and not isinstance(mapped, (list, dict)):
        return _raises(known, "auto_map is no object")
    reference = mapped.get("AutoTokenizer") if isinstance(mapped, dict) else mapped
    if reference is not None:
        is_ours = kind in known.auto or kind in known.incorrect or (named is not None and known.find(named) is not None)
        if not is_ours:
            return _raises(known, "auto_map names code of the repository, which has to be trusted first", named)
        return _plain(kind, named, name, known, "auto_map names code of the repository, which may be trusted")
    why = ""
    if asked.has_tekken and kind in known.mistral:
        why = "with mistral-common installed the tokenizer is made from tekken.json"
    if (forced := _forced(asked, kind, name, known)) is not None:
        return Choice(known.by_name[GENERIC], forced, name, why)
    ours = known.types.get(kind, "").removesuffix("Fast")
    if name is not None and ours and ours != name.removesuffix("Fast"):
        return _disagreeing(kind, ours, name, known, why)
    return _plain(kind, named, name, known, why)


def _plain(kind: str, named: str | None, name: str | None, known: Classes, why: str) -> Choice:
    """The class that is named, by tokenizer_config.json (`named`) or config.json, or the one of the type of model."""
    if named is not None:
        found = known.find(named.removesuffix("Fast"))
        return Choice(_generic_if_python(found, known), f"tokenizer_class is {quote(named)}", named, why)
    if name is not None:
        found = known.find(name if "PreTrainedTokenizerFast" in name else name.removesuffix("Fast"))
        if found is None:
            return _raises(known, f"config.json names the class {quote(name)}, which transformers does not have", name)
        return Choice(found, f"tokenizer_class in config.json is {quote(name)}", name, why)
    chosen = f"model_type is {quote(kind)}" if kind in known.auto else "nothing names a class"
    return Choice(known.find(known.auto.get(kind, GENERIC)) or known.by_name[GENERIC], chosen, None, why)


def _forced(asked: Question, kind: str, name: str | None, known: Classes) -> str | None:
    """What makes `AutoTokenizer` take the generic class, whatever is named."""
    path = asked.config.get("_name_or_path")
    if isinstance(path, str) and any(fnmatchcase(path.lower(), pattern) for pattern in known.names):
        return f"_name_or_path in config.json is {quote(path)}"
    if (
        name is not None
        and name.removesuffix("Fast") == "LlamaTokenizer"
        and kind not in known.incorrect
        and asked.has_byte_level
    ):
        return "tokenizer.json is byte-level, and LlamaTokenizer is not"
    return None


def _disagreeing(kind: str, ours: str, name: str, known: Classes, why: str) -> Choice:
    """The class where the files name another one than the type of the model has."""
    if ours not in _UNSPECIAL:
        taken = ours if kind in known.incorrect else name
        found = known.find(taken)
        if found is not None and found.name not in _UNSPECIAL:
            reason = f"model_type is {quote(kind)}" if taken == ours else f"tokenizer_class is {quote(name)}"
            return Choice(found, reason, name, why)
    return Choice(
        known.by_name[GENERIC], f"tokenizer_class is {quote(name)} and model_type is {quote(kind)}", name, why
    )


def _generic_if_python(found: TokenizerClass | None, known: Classes) -> TokenizerClass:
    return known.by_name[GENERIC] if found is None or found.name == "PythonBackend" else found


def _raises(known: Classes, why: str, name: str | None = None) -> Choice:
    return Choice(known.by_name[GENERIC], "nothing", name, raises=why)
