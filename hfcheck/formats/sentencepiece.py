"""What the model of a SentencePiece tokenizer says: its pieces, their kinds, and its special ids.

https://github.com/google/sentencepiece/blob/v0.2.1/src/sentencepiece_model.proto . What is no message of protocol
buffers with pieces in it is `SentencePieceInvalid`; what the library refuses in a message that it can read is a fact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from io import SEEK_END
from struct import Struct
from typing import IO

from hfcheck.formats.invalid import Invalid
from hfcheck.formats.protobuf import ProtobufInvalid, message, signed

MAX_BYTES = 64 * 2**20
MAX_PIECES = 1_000_000
"""The largest have 256,000."""

MAX_SYMBOLS = 10_000
"""Control and user-defined symbols, of those that the settings of the trainer list, that are kept."""


class Kind(IntEnum):
    """What a piece is for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


MODELS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


class SentencePieceInvalid(Invalid):
    """No model of SentencePiece."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """Settings the model was trained with, with the defaults of the format; an id of -1 is none."""

    model: str = "unigram"
    vocab_size: int = 8000
    byte_fallback: bool = False
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    unk_piece: str = "<unk>"
    bos_piece: str = "<s>"
    eos_piece: str = "</s>"
    pad_piece: str = "<pad>"
    control_symbols: tuple[str, ...] = ()
    user_defined_symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SentencePieceFacts:
    """A model. The id of a piece is its index; `kinds` has one byte for each, of `Kind`.

    `duplicates` are pieces that come again, `byte_pieces` how many stand for a byte. `normalizer` is the name of its
    rule ("nmt_nfkc"), `charsmap` how many bytes of a compiled one there are.
    """

    pieces: tuple[str, ...]
    kinds: bytes
    trainer: Trainer
    normalizer: str = ""
    charsmap: int = 0
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    duplicates: tuple[str, ...] = ()

    def of_kind(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """The pieces of a kind with their ids."""
        return ((index, self.pieces[index]) for index, found in enumerate(self.kinds) if found == kind)


def read(stream: IO[bytes]) -> SentencePieceFacts:
    """The model in a file; raises SentencePieceInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise SentencePieceInvalid(0, f"at most {MAX_BYTES} bytes, not {size}", budget="sentencepiece.bytes")
    stream.seek(0)
    return parse(stream.read(size))


def parse(data: bytes) -> SentencePieceFacts:
    """The model in these bytes; raises SentencePieceInvalid."""
    try:
        return _model(data)
    except ProtobufInvalid as error:
        raise SentencePieceInvalid(error.offset, error.expected) from error


_SCORE = Struct("<f")
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXTS = {45: "unk_piece", 46: "bos_piece", 47: "eos_piece", 48: "pad_piece"}
_IDS = {40: "unk_id", 41: "bos_id", 42: "eos_id", 43: "pad_id"}
_LISTS = {30: "control_symbols", 31: "user_defined_symbols"}


def _model(data: bytes) -> SentencePieceFacts:
    pieces: list[str] = []
    kinds = bytearray()
    trainer: dict[str, object] = {}
    settings: dict[int, int | float | tuple[int, int]] = {}
    for number, value in message(data, 0, len(data)):
        if not isinstance(value, tuple):
            continue
        if number == _PIECES:
            if len(pieces) >= MAX_PIECES:
                raise SentencePieceInvalid(value[0], f"at most {MAX_PIECES} pieces", budget="sentencepiece.pieces")
            piece, kind = _piece(data, *value)
            pieces.append(piece)
            kinds.append(kind)
        elif number == _TRAINER:
            _trainer(data, *value, trainer)
        elif number == _NORMALIZER:
            settings.update(message(data, *value))
    if not pieces:
        raise SentencePieceInvalid(0, "a model with pieces")
    name, charsmap = settings.get(1), settings.get(2)
    return SentencePieceFacts(
        tuple(pieces),
        bytes(kinds),
        Trainer(**trainer),  # type: ignore[arg-type]
        normalizer=_text(data, *name) if isinstance(name, tuple) else "",
        charsmap=charsmap[1] - charsmap[0] if isinstance(charsmap, tuple) else 0,
        add_dummy_prefix=settings.get(3) != 0,
        remove_extra_whitespaces=settings.get(4) != 0,
        duplicates=_again(pieces),
    )


def _piece(data: bytes, at: int, end: int) -> tuple[str, int]:
    # As every writer has it: the text, a score, and the kind if it is not the usual one. Nothing else is as frequent.
    if end - at > 2 and data[at] == 0x0A and (length := data[at + 1]) < 0x80:
        stop = at + 2 + length
        if stop + 5 == end and data[stop] == 0x15:
            return data[at + 2 : stop].decode("utf-8", "surrogateescape"), Kind.NORMAL
    text, kind = "", int(Kind.NORMAL)
    for number, value in message(data, at, end):
        if number == 1 and isinstance(value, tuple):
            text = _text(data, *value)
        elif number == 3 and isinstance(value, int) and value in Kind._value2member_map_:
            kind = value
    return text, kind


def _trainer(data: bytes, at: int, end: int, into: dict[str, object]) -> None:
    lists: dict[str, list[str]] = {}
    for number, value in message(data, at, end):
        match value:
            case (int(), int()) if number in _TEXTS:
                into[_TEXTS[number]] = _text(data, *value)
            case (int(), int()) if number in _LISTS:
                symbols = lists.setdefault(_LISTS[number], [])
                if len(symbols) < MAX_SYMBOLS:  # these come again among the pieces, which have a limit of their own
                    symbols.append(_text(data, *value))
            case int() if number in _IDS:
                into[_IDS[number]] = signed(value)
            case int() if number == 3:
                into["model"] = MODELS.get(value, "unigram")
            case int() if number == 4:
                into["vocab_size"] = signed(value)
            case int() if number == 35:
                into["byte_fallback"] = value != 0
    into |= {name: tuple(symbols) for name, symbols in lists.items()}


def _text(data: bytes, at: int, end: int) -> str:
    return data[at:end].decode("utf-8", "surrogateescape")


def _again(pieces: list[str]) -> tuple[str, ...]:
    if len(set(pieces)) == len(pieces):
        return ()
    seen: set[str] = set()
    return tuple(piece for piece in pieces if piece in seen or seen.add(piece))  # type: ignore[func-returns-value]
