"""Which files of a tokenizer lie in a folder, and which of them its class needs."""

from collections.abc import Set as AbstractSet
from posixpath import basename, dirname, join

from hfcheck.facts import Facts
from hfcheck.finding import At
from hfcheck.repository import Form
from hfcheck.tokens.classes import GENERIC, TokenizerClass, classes
from hfcheck.tokens.settings import ADDED, CONFIG, ROLES
from hfcheck.tokens.sources import FULL
from hfcheck.tokens.table import TokenTable

__all__ = [
    "ADDED",
    "CONFIG",
    "FULL",
    "PIECES",
    "ROLES",
    "absent",
    "class_of",
    "half",
    "is_from_code",
    "is_readable",
    "named_at",
    "names",
]

REQUIRED = frozenset({
    "vocab_file", "merges_file", "vocab", "spm_file", "source_spm", "target_spm", "src_vocab_file", "tgt_vocab_file",
    "emoji_file", "word_shape_file", "word_pronunciation_file", "monolingual_vocab_file",
})  # fmt: skip
"""Arguments of the classes made in Python whose file they open without a look whether it is there."""

ONE_OF = frozenset({"BertJapaneseTokenizer"})
"""Classes made in Python of which the settings say which one of their files they open."""

BY_HEART = frozenset({"EsmcTokenizer"})
"""Classes with a vocabulary of their own."""

ANY = ("tokenizer.model", "tekken.json", "tiktoken.model")
"""Names that are looked for whatever the class is; of the first also with more behind it."""


PIECES = frozenset({
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "spm.model",
})  # fmt: skip
"""Names that promise a model of SentencePiece."""


def names(facts: Facts, folder: str) -> frozenset[str]:
    """The names of the regular files in a folder of the unit."""
    return frozenset(
        basename(entry.path) for entry in facts.files if entry.form is Form.FILE and dirname(entry.path) == folder
    )


def class_of(table: TokenTable) -> TokenizerClass | None:
    """The class that is made; None for one that the release of transformers does not have."""
    return classes().find(table.class_name)


def absent(table: TokenTable, found: AbstractSet[str]) -> tuple[str, ...] | None:
    """The files of which the class needs one and none is there, for the message; None where one is."""
    kind = class_of(table)
    if kind is None or kind.name in BY_HEART or _has_full(kind, found):
        return None
    together = _together(kind)
    if kind.backend != "tokenizers":
        listed = together if kind.name in ONE_OF else (" and ".join(together),)
        return listed if together and found.isdisjoint(together) else None
    if together:
        return (FULL, " and ".join(together)) if found.isdisjoint(together) else None
    own = kind.files.get("vocab_file", "tokenizer.model" if kind.name == GENERIC else "")
    if own in found:
        return None
    return (FULL, own) if own else (FULL,)


def half(table: TokenTable, found: AbstractSet[str]) -> tuple[str, str] | None:
    """Of files that a class needs together one that is there, and one that is not."""
    kind = class_of(table)
    if kind is None or kind.name in ONE_OF or _has_full(kind, found):
        return None
    there = [name for name in _together(kind) if name in found]
    lacking = [name for name in _together(kind) if name not in found]
    return (there[0], lacking[0]) if there and lacking else None


def _together(kind: TokenizerClass) -> tuple[str, ...]:
    """The files that a class needs all of, where it has no tokenizer.json."""
    if kind.backend != "tokenizers":
        return tuple(file for argument, file in kind.files.items() if argument in REQUIRED)
    if kind.model == "BPE" and kind.from_text:
        return tuple(kind.files[argument] for argument in ("vocab_file", "merges_file") if argument in kind.files)
    return ()


def _has_full(kind: TokenizerClass, found: AbstractSet[str]) -> bool:
    return kind.backend == "tokenizers" and (FULL in found or any(name.startswith(ANY) for name in found))


def is_from_code(facts: Facts, folder: str) -> bool:
    """Whether code of the repository is what makes the tokenizer, or the files have names of their own."""
    for name in (CONFIG, "config.json"):
        document = facts.json(join(folder, name))
        value = document.value if document is not None else None
        if type(value) is not dict:
            continue
        mapped = value.get("auto_map")
        if "fast_tokenizer_files" in value or (name == CONFIG and mapped is not None):
            return True
        if isinstance(mapped, dict) and "AutoTokenizer" in mapped:
            return True
    return False


def is_readable(facts: Facts, folder: str) -> bool:
    """Whether the files that choose the class are JSON: where one is not, FMT020 says so and no class is known."""
    present = names(facts, folder)
    documents = (facts.json(join(folder, name)) for name in (CONFIG, "config.json") if name in present)
    return all(document is not None and type(document.value) is dict for document in documents)


def named_at(facts: Facts, folder: str) -> At:
    """Where the class of the tokenizer is given, or where else the folder says that it has one."""
    for name in (CONFIG, "config.json"):
        document = facts.json(join(folder, name))
        if document is not None and type(document.value) is dict and "tokenizer_class" in document.value:
            return At(join(folder, name), "/tokenizer_class")
    present = names(facts, folder)
    return At(join(folder, next((name for name in (CONFIG, ROLES, "config.json") if name in present), CONFIG)))
