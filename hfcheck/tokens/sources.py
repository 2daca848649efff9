"""The vocabulary in each of the files that may have one."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from hfcheck.finding import At, pointer
from hfcheck.formats.gguf import GgufFacts
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.sentencepiece import SentencePieceFacts
from hfcheck.formats.tekken import TekkenFacts
from hfcheck.formats.tiktoken import TiktokenFacts
from hfcheck.formats.vocabulary import VocabularyFacts
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.table import Vocabulary

FULL = "tokenizer.json"
SHOWN = 100
MOST = 2**32

NAMES = (
    FULL, "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "spm.model",
    "tiktoken.model", "vocab.json", "vocab.txt", "tekken.json",
)  # fmt: skip
"""Files with a vocabulary, beside those that end in `SUFFIXES`."""

SUFFIXES = (".model", ".tiktoken", ".gguf", ".spm")


def vocabularies(folder: Folder) -> Iterator[Vocabulary]:
    """The vocabulary of each file in a folder that has one, tokenizer.json first."""
    others = sorted(name for name in folder.names if name.endswith(SUFFIXES) and "/" not in name and name not in NAMES)
    for name in (*NAMES, *others):
        found = of_file(folder, name)
        if found is not None:
            yield found


def of_file(folder: Folder, name: str) -> Vocabulary | None:
    """The vocabulary in a file; None where it has none."""
    if name not in folder.names:
        return None
    facts, path = folder.read(folder.at(name)), folder.at(name)
    match facts:
        case JsonFacts() if name == FULL:
            return of_tokenizer(path, facts.value)
        case TekkenFacts():
            return _of_tekken(path, facts)
        case JsonFacts() if name.startswith("vocab") and type(facts.value) is dict:
            return _of_object(path, "BPE", facts.value, "")
        case SentencePieceFacts():
            ids = {piece: index for index, piece in enumerate(facts.pieces)}
            return Vocabulary(path, "sentencepiece", ids, len(facts.pieces))
        case TiktokenFacts():
            ids = {byte_text(token): rank for token, rank in facts.ids().items()}
            return Vocabulary(path, "tiktoken", ids, len(facts.tokens))
        case VocabularyFacts():
            return Vocabulary(path, "WordPiece", facts.ids(), len(facts.lines), starts=facts.starts)
        case GgufFacts() if facts.tokens is not None:
            ids = {token: index for index, token in enumerate(facts.tokens)}
            return Vocabulary(path, "gguf", ids, len(facts.tokens))
    return None


def of_tokenizer(path: str, document: object) -> Vocabulary | None:
    """The vocabulary of the model in a tokenizer.json."""
    model = document.get("model") if type(document) is dict else None
    if type(model) is not dict:
        return None
    tokens, kind = model.get("vocab"), kind_of(model)
    if type(tokens) is dict:
        return _of_object(path, kind, tokens, "/model/vocab")
    if type(tokens) is not list:
        return None
    ids: dict[str, int] = {}
    unusual: list[At] = []
    for index, row in enumerate(tokens):
        if type(row) is list and len(row) == 2 and type(row[0]) is str and type(row[1]) in (int, float):  # noqa: PLR2004
            ids[row[0]] = index
        elif len(unusual) < SHOWN:
            unusual.append(At(path, pointer("model", "vocab", index)))
    return Vocabulary(path, kind, ids, len(tokens), tuple(unusual), "/model/vocab")


def _of_tekken(path: str, facts: TekkenFacts) -> Vocabulary:
    kept = facts.tokens[: max(facts.vocab_size - facts.places, 0)]
    ids = {name: rank for rank, name in facts.specials}
    ids |= {byte_text(token): facts.places + rank for rank, token in enumerate(kept) if token is not None}
    return Vocabulary(path, "tekken", ids, facts.vocab_size)


def kind_of(model: Mapping[str, Any]) -> str:
    """The type of a model, guessed as tokenizers does where an old file does not give it."""
    named = model.get("type")
    if isinstance(named, str):
        return named
    if type(model.get("vocab")) is list:
        return "Unigram"
    if "merges" in model:
        return "BPE"
    return "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"


def _of_object(path: str, kind: str, tokens: dict[str, Any], base: str) -> Vocabulary:
    indexes = tokens.values()
    # Without a loop over each: almost always all of them are numbers from 0 on.
    if set(map(type, indexes)) <= {int} and min(indexes, default=0) >= 0 and max(indexes, default=0) < MOST:
        return Vocabulary(path, kind, tokens, len(tokens), base=base)
    ids = {token: index for token, index in tokens.items() if type(index) is int and 0 <= index < MOST}
    odd = (At(path, base + pointer(token)) for token in tokens if token not in ids)
    return Vocabulary(path, kind, ids, len(tokens), tuple(islice(odd, SHOWN)), base)


def _byte_alphabet() -> str:
    """The characters that stand for the bytes 0 to 255 in a byte-level vocabulary (`bytes_to_unicode` of GPT-2)."""
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return "".join(chr(byte) if byte in plain else chr(next(others)) for byte in range(256))


_ALPHABET = _byte_alphabet()


def byte_text(token: bytes) -> str:
    """How a byte-level vocabulary writes these bytes."""
    return token.decode("latin-1").translate(_ALPHABET)
