"""The vocabulary that a class is made with, as transformers 5.23 finds it.

`tokenization_utils_tokenizers.py:convert_to_native_format`: tokenizer.json is taken where there is one, whatever else
lies beside it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfcheck.finding import At, quote
from hfcheck.formats.sentencepiece import Kind, SentencePieceFacts, Trainer
from hfcheck.formats.tiktoken import TiktokenFacts
from hfcheck.formats.tokenizer_json import TokenizerFacts
from hfcheck.formats.vocabulary import MergesFacts
from hfcheck.tokens import sources
from hfcheck.tokens.classes import GENERIC, TokenizerClass
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.settings import Settings, of_tokenizer
from hfcheck.tokens.sources import FULL, of_file
from hfcheck.tokens.stop import Stop, Unknown, Without
from hfcheck.tokens.table import AddedToken, Vocabulary

_OTHER = re.compile(r"tekken\.json|tokenizer\.model\.*|tiktoken\.model")
"""Names that are looked for where there is no tokenizer.json."""

_ASKS = {"AlbertTokenizer": ("[CLS]", "[SEP]"), "FNetTokenizer": ("[CLS]", "[SEP]")}
"""Tokens of a vocabulary without which the constructor of a class raises an error of its own."""

_FAR = 1_000_000
"""Ids between the end of a vocabulary and an added token, each of which transformers fills with a token."""


@dataclass(slots=True)
class Native:
    """The vocabulary that a class is made with, and what came along with it.

    `first` are added tokens that are there before all others, `extra` special tokens of a SentencePiece model.
    """

    source: Vocabulary | None = None
    base: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    first: list[AddedToken] = field(default_factory=list)
    extra: tuple[AddedToken, ...] | None = None
    roles: dict[str, AddedToken | None] = field(default_factory=dict)
    pad: AddedToken | None = None


def native(folder: Folder, found: TokenizerClass, given: Settings) -> Native:
    """The vocabulary for this class out of these files; raises Stop, Unknown or Without."""
    if FULL in folder.names:
        return _of_full(folder, found)
    file = _vocab_file(folder, found)
    if file is None:
        if found.name == GENERIC or not found.special:
            raise Stop(f"there is no file from which {found.name} could be made")
        raise Without(f"without a vocabulary {found.name} is made of its special tokens alone")
    if file.endswith(".json") and "tekken" in file:
        raise Unknown("the tokenizer is made from tekken.json")
    if file.endswith(".model"):
        return _of_model(folder, file, found, given)
    return _of_text(folder, file, found)


def _of_full(folder: Folder, found: TokenizerClass) -> Native:
    facts = folder.of(FULL, TokenizerFacts)
    document = folder.table(FULL)
    if facts is None or not document:
        raise Unknown(f"{folder.at(FULL)} cannot be read")
    model = document.get("model")
    source = sources.of_tokenizer(folder.at(FULL), document)
    if type(model) is not dict or source is None:
        raise Stop(f"{folder.at(FULL)} has no model with a vocabulary")
    if any(name not in source.ids for name in _ASKS.get(found.name, ())):
        raise Unknown(f"{found.name} asks its vocabulary for special tokens that are not in it")
    if source.unusual:
        raise Stop(f"{folder.at(FULL)} has an entry that is none ({quote(source.unusual[0].pointer or '')})")
    pad = _padding(folder, document)
    reads_merges = source.kind == "BPE" and (not found.builds or found.model == "BPE" or "type" not in model)
    if facts.merges is not None and reads_merges and (facts.merges.odd_count or facts.merges.unknown_count):
        if "type" not in model:
            raise Unknown(f"{folder.at(FULL)} does not say which model it has, and its merges are none of BPE")
        raise Stop(f"{folder.at(FULL)} has merges that are no pair of tokens of the vocabulary")
    if not found.builds:
        return Native(source, source.ids, source.count, of_tokenizer(folder), pad=pad)
    model_kind = found.model or "Unigram"  # Barthez, Camembert and mLUKE name none, and take a list
    if model_kind == "Unigram" and source.kind != "Unigram":
        raise Stop(f"{found.name} needs a Unigram model, and {folder.at(FULL)} has one of type {source.kind}")
    if found.name == "PegasusTokenizer" and ["<unk>", 0.0] not in model["vocab"][1:1000]:
        raise Unknown(f"{found.name} asks its vocabulary for an unk_token with the score 0")
    size = source.count if model_kind == "Unigram" else len(source.ids)
    return Native(source, source.ids, size, pad=pad)


def _padding(folder: Folder, document: Mapping[str, Any]) -> AddedToken | None:
    padding = document.get("padding")
    token = padding.get("pad_token") if type(padding) is dict else None
    if type(token) is not str:
        return None
    return AddedToken(token, None, At(folder.at(FULL), "/padding/pad_token"), special=True)


def _vocab_file(folder: Folder, found: TokenizerClass) -> str | None:
    """The file that the argument `vocab_file` names."""
    others = sorted({match.group() for name in folder.names if "/" not in name and (match := _OTHER.match(name))})
    if len(others) > 1:
        raise Unknown(f"which of {quote(others[0])} and {quote(others[1])} is read depends on the file system")
    if others and others[0] in folder.names:
        return others[0]
    name = found.files.get("vocab_file")
    return name if name in folder.names else None


def _of_model(folder: Folder, file: str, found: TokenizerClass, given: Settings) -> Native:
    facts, source = folder.read(folder.at(file)), of_file(folder, file)
    if isinstance(facts, TiktokenFacts) and source is not None:
        return _of_ranks(source, found, given)
    if not isinstance(facts, SentencePieceFacts) or source is None:
        if folder.refused(folder.at(file)):
            raise Stop(f"{folder.at(file)} is neither a model of SentencePiece nor ranks of tiktoken")
        raise Unknown(f"{folder.at(file)} cannot be read")
    _check_pieces(folder.at(file), found)
    kind = found.model or ("Unigram" if facts.trainer.model == "unigram" else "BPE")
    at = At(source.path)
    extra = tuple(
        AddedToken(piece, None, at, special=facts.kinds[index] == Kind.CONTROL, normalized=False)
        for index, piece in enumerate(facts.pieces)
        if facts.kinds[index] in (Kind.CONTROL, Kind.USER_DEFINED)
    )
    made = Native(source, source.ids, source.count if kind == "Unigram" else len(source.ids), extra=extra)
    if not found.builds:
        if given.added:
            raise Unknown("added tokens replace pieces of the SentencePiece model")
        made.roles |= _roles_of(facts.trainer, at)
    return made


def _check_pieces(path: str, found: TokenizerClass) -> None:
    """Whether the class takes the pieces of a SentencePiece model with their ids; raises Stop or Unknown."""
    if found.converts:
        raise Unknown(f"{found.name} gives the pieces of a SentencePiece model other ids")
    if found.builds and found.model is None:
        raise Unknown(f"{found.name} makes its model from what it is given")
    if found.model not in (None, "BPE", "Unigram"):
        if found.builds:
            raise Stop(f"{found.name} cannot be made from the pieces of {path}")
        raise Unknown(f"{found.name} is made of the pieces, whatever its model is")
    if found.extra:
        raise Unknown(f"{found.name} has special tokens of its own beside those of the SentencePiece model")


def _roles_of(trainer: Trainer, at: At) -> dict[str, AddedToken | None]:
    """The special tokens that the generic class takes from the model."""
    given = (
        ("bos_token", trainer.bos_id, trainer.bos_piece),
        ("eos_token", trainer.eos_id, trainer.eos_piece),
        ("unk_token", trainer.unk_id, trainer.unk_piece),
    )
    return {name: AddedToken(piece, None, at, special=True) for name, index, piece in given if index >= 0}


def _of_ranks(source: Vocabulary, found: TokenizerClass, given: Settings) -> Native:
    """The tokenizer that is made of ranks of tiktoken: the special tokens follow behind the last of them."""
    if found.builds:
        raise Unknown(f"{found.name} is made of a vocabulary, and of a tokenizer of ranks besides")
    extra = [token.content for token in given.extra or ()]
    by_id = {token.id: token.content for token in given.added if token.id is not None}
    highest, size = max(by_id, default=0), len(source.ids)
    if highest >= size + _FAR:
        raise Unknown("an added token has an id far beyond the vocabulary")
    if highest >= size:
        made = [by_id.get(index, f"<|reserved_token_{index}|>") for index in range(size, highest + 1)]
        extra = [*made, *(text for text in extra if text not in by_id.values())]
    at = At(source.path)
    first = [AddedToken(text, None, at, special=True, normalized=False) for text in extra]
    return Native(source, source.ids, size, first)


def _of_text(folder: Folder, file: str, found: TokenizerClass) -> Native:
    source = of_file(folder, file)
    if source is None:
        raise Unknown(f"{folder.at(file)} cannot be read")
    if not found.from_text or found.model not in ("BPE", "WordPiece", "WordLevel"):
        raise Stop(f"{found.name} cannot be made from {folder.at(file)}")
    if found.model == "BPE":
        if not file.endswith(".json"):
            raise Stop(f"{found.name} is made from vocab.json and merges.txt, not from {folder.at(file)}")
        if source.unusual:
            raise Stop(
                f"{folder.at(file)} has an id that is no number from 0 on ({quote(source.unusual[0].pointer or '')})"
            )
        merges = folder.of(found.files.get("merges_file", ""), MergesFacts)
        if merges is None:
            raise Unknown(f"without merges {found.name} derives them from the vocabulary")
        if _unknown_merge(merges, source.ids):
            raise Stop(f"{folder.at('merges.txt')} has a merge that is no pair of tokens of {folder.at(file)}")
    return Native(source, source.ids, len(source.ids))


def _unknown_merge(merges: MergesFacts, ids: Mapping[str, int]) -> bool:
    if merges.odd:
        return True
    for line in merges.merges:
        left, _, right = line.partition(" ")
        if left not in ids or right not in ids or left + right not in ids:
            return True
    return False
