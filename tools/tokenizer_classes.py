"""Writes `schemas/tokenizers.json`: which tokenizer transformers builds for what, and what its classes bring along.

    python tools/tokenizer_classes.py [--check]

`--check` writes nothing, and ends with 1 where the file would be another one. Needs transformers and sentencepiece.
Each class that is built on `tokenizers` is made once with a vocabulary of a few letters, and what is in it beyond them
is what the class adds by itself.
"""

import inspect
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import transformers
from tokenizers import AddedToken
from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS, SpmConverter
from transformers.models.auto import tokenization_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.tokenization_python import PythonBackend
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

TARGET = Path(__file__).resolve().parent.parent / "schemas" / "tokenizers.json"

LETTERS = ("a", "b", "c", "ab")
MORE: dict[str, Any] = {"MarkupLMTokenizer": {"tags_dict": {"html": 0}}}
"""Arguments without which a class cannot be made."""

PLAIN: Any = SpmConverter.convert_from_spm
"""What leaves the ids of a SentencePiece model as they are."""

KINDS: tuple[tuple[Any, str], ...] = (
    (transformers.TokenizersBackend, "tokenizers"),
    (SentencePieceBackend, "sentencepiece"),
    (PythonBackend, "python"),
)


def main() -> int:
    names = {name for name in auto.TOKENIZER_MAPPING_NAMES.values() if name}
    names |= {name for name in dir(transformers) if name.endswith(("Tokenizer", "TokenizerFast", "Backend"))}
    names |= SLOW_TO_FAST_CONVERTERS.keys()  # of these some have no module left, and are found nevertheless
    classes: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    others: list[str] = []
    for name in sorted(names):
        found = _class(name)
        if found is None:
            others.append(name)
            continue
        if found.__name__ != name:
            aliases[name] = found.__name__
        if found.__name__ not in classes:
            classes[found.__name__] = _described(found)
    data = {
        "transformers": transformers.__version__,
        "types": {kind: name for kind, name in sorted(auto.TOKENIZER_MAPPING_NAMES.items()) if name},
        "auto": _auto(),
        "incorrect": sorted(auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS),
        "names": auto.MODEL_IDS_TO_TOKENIZERS_BACKEND,
        "mistral": _mistral(),
        "aliases": aliases,
        "others": others,
        "classes": dict(sorted(classes.items())),
    }
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        is_same = TARGET.read_text(encoding="utf-8") == text
        print(f"{TARGET.name}: {'the same' if is_same else 'STALE'}")
        return int(not is_same)
    TARGET.write_text(text, encoding="utf-8")
    return 0


def _class(name: str) -> Any:  # noqa: ANN401 - classes of a library
    try:
        found: Any = auto.tokenizer_class_from_name(name)
        return found if any(issubclass(found, kind) for kind, _ in KINDS) else None
    except (ImportError, AttributeError, TypeError):  # a class for which a library is missing, or none at all
        return None


def _auto() -> dict[str, str]:
    """The class that each type of model has where nothing else names one."""
    found = {}
    for kind in CONFIG_MAPPING:
        tokenizer: Any = auto.TOKENIZER_MAPPING.get(CONFIG_MAPPING[kind], None)
        if tokenizer is not None:
            found[kind] = tokenizer.__name__
    return dict(sorted(found.items()))


def _mistral() -> list[str]:
    """The types of model whose tokenizer depends on mistral-common: the source says it, what is imported does not."""
    source = Path(auto.__file__).read_text(encoding="utf-8")
    return re.findall(r'\(\s*"([^"]+)",\s*"MistralCommonBackend"', source)


def _described(found: Any) -> dict[str, Any]:  # noqa: ANN401 - classes of a library
    backend = next(name for kind, name in KINDS if issubclass(found, kind))
    model = getattr(found, "model", None)
    described: dict[str, Any] = {"backend": backend, "files": dict(found.vocab_files_names)}
    if backend != "tokenizers":
        return described
    converter = SLOW_TO_FAST_CONVERTERS.get(found.__name__)
    described["init"] = "__init__" in found.__dict__ and found is not transformers.TokenizersBackend
    described["model"] = model.__name__ if model else None
    convert = getattr(converter, "convert_from_spm", PLAIN)
    if convert.__func__ is not PLAIN.__func__ or hasattr(found, "convert_from_spm_model"):
        described["converts"] = True
    if found.__init__ is not transformers.TokenizersBackend.__init__:
        described |= _made(found, described["model"])
    return described


def _made(found: Any, model: str | None) -> dict[str, Any]:  # noqa: ANN401 - classes of a library
    pieces = [(letter, -1.0) for letter in LETTERS]
    words = {letter: index for index, letter in enumerate(LETTERS)}
    longer = [
        *pieces,
        ("<unk>", 0.0),
        ("[CLS]", 0.0),
        ("[SEP]", 0.0),
        *((letter, -1.0) for letter in "defghijklmnopqrstuvwxyz"),
    ]
    for attempt in ([*pieces, ("<unk>", 0.0)], longer, [*longer, *((f"{n}", -1.0) for n in range(200))], pieces, words):
        if (model == "Unigram") != isinstance(attempt, list) and model is not None:
            continue
        try:
            made = found(
                vocab=attempt, **({"merges": [("a", "b")]} if model == "BPE" else {}), **MORE.get(found.__name__, {})
            )
            break
        except Exception as error:  # noqa: BLE001 - whatever stands in the way, the class is not known
            print(found.__name__, type(error).__name__, str(error)[:100], file=sys.stderr)
    else:
        return {"known": False}
    base = made.backend_tokenizer.get_vocab(with_added_tokens=False)
    given = {row[0]: index for index, row in enumerate(attempt)} if isinstance(attempt, list) else attempt
    added = made.added_tokens_decoder
    special = {name: str(token) for name, token in made._special_tokens_map.items() if token is not None}  # noqa: SLF001
    return {
        "known": base == given and found.__name__ not in MORE and not found.__name__.endswith("Fast"),
        "parameters": _parameters(found),
        "needs": [name for name in special if not _is_made(found, attempt, **{name: None})],
        "merges_extra": not _replaces(found, attempt),
        "marks_extra": _marks(found, attempt),
        "from_text": _from_text(found),
        "special": special,
        "extra": [str(token) for token in made._extra_special_tokens],  # noqa: SLF001
        "added": [token.content for _, token in sorted(added.items())],
        "plain": [token.content for _, token in sorted(added.items()) if not token.special],
    }


def _parameters(found: Any) -> list[str]:  # noqa: ANN401 - classes of a library
    """The roles that are arguments of their own, which a padding in tokenizer.json does not reach."""
    taken: set[str] = set()
    for kind in found.__mro__:
        if kind is transformers.TokenizersBackend:
            break
        if "__init__" in kind.__dict__:
            taken |= inspect.signature(kind.__init__).parameters.keys()
    return sorted(name for name in transformers.PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES if name in taken)


def _is_made(found: Any, vocabulary: Any, **more: Any) -> bool:  # noqa: ANN401 - classes of a library
    try:
        found(vocab=vocabulary, **MORE.get(found.__name__, {}), **more)
    except Exception:  # noqa: BLE001 - whatever stands in the way
        return False
    return True


def _replaces(found: Any, vocabulary: Any) -> bool:  # noqa: ANN401 - classes of a library
    """Whether special tokens that are given take the place of those of the class."""
    try:
        made = found(vocab=vocabulary, extra_special_tokens=["<z>"], **MORE.get(found.__name__, {}))
    except Exception:  # noqa: BLE001 - then it does not, at any rate
        return False
    return [str(token) for token in made._extra_special_tokens] == ["<z>"]  # noqa: SLF001


def _marks(found: Any, vocabulary: Any) -> bool:  # noqa: ANN401 - classes of a library
    """Whether a special token that is given as none is made one."""
    token = AddedToken("<z>", special=False)
    try:
        made = found(vocab=vocabulary, extra_special_tokens=[token], **MORE.get(found.__name__, {}))
    except Exception:  # noqa: BLE001 - then nothing is known of it
        return False
    return any(one.content == "<z>" and one.special for one in made.added_tokens_decoder.values())


def _from_text(found: Any) -> bool:  # noqa: ANN401 - classes of a library
    """Whether the class is made from `vocab.txt`, or from `vocab.json` and `merges.txt`."""
    words = {letter: index for index, letter in enumerate((*LETTERS, "[CLS]", "[SEP]", "[UNK]", "<unk>"))}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        Path(folder, "vocab.json").write_text(json.dumps(words), encoding="utf-8")
        Path(folder, "merges.txt").write_text("a b\n", encoding="utf-8")
        try:
            made = found.from_pretrained(folder)
        except Exception:  # noqa: BLE001 - whatever stands in the way
            return False
        return bool(made.backend_tokenizer.get_vocab(with_added_tokens=False) == words)


if __name__ == "__main__":
    sys.exit(main())
