"""The reader of SentencePiece models, held against the library where it is installed."""

import io
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.formats import sentencepiece
from hfcheck.formats.sentencepiece import Kind, SentencePieceInvalid, Trainer, parse

TEXT = ["the quick brown fox", "naïve café", "日本語 中文", "pack my box with five dozen jugs"] * 5


def varint(number: int) -> bytes:
    out = bytearray()
    number &= 2**64 - 1
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def field(number: int, value: bytes | float) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def piece(text: str, kind: int | None = None, score: float = -1.0) -> bytes:
    return field(1, field(1, text.encode()) + field(2, score) + (field(3, kind) if kind is not None else b""))


def refused(data: bytes) -> SentencePieceInvalid:
    with pytest.raises(SentencePieceInvalid) as caught:
        parse(data)
    return caught.value


def test_what_is_in_a_model() -> None:
    trainer = b"".join(
        (field(3, 2), field(4, 5), field(35, 1), field(40, 0), field(41, 1), field(43, -1), field(45, b"[UNK]"))
    )
    normalizer = field(1, b"identity") + field(2, b"abc") + field(3, 0) + field(99, b"later")
    pieces = piece("[UNK]", 2), piece("<s>", 3), piece("a"), piece("<0x41>", 6), piece("<sep>", 4), piece("a")
    facts = parse(b"".join(pieces) + field(2, trainer) + field(3, normalizer))
    assert facts.pieces == ("[UNK]", "<s>", "a", "<0x41>", "<sep>", "a")
    assert list(facts.kinds) == [Kind.UNKNOWN, Kind.CONTROL, Kind.NORMAL, Kind.BYTE, Kind.USER_DEFINED, Kind.NORMAL]
    assert facts.duplicates == ("a",)
    assert list(facts.of_kind(Kind.CONTROL)) == [(1, "<s>")]
    assert facts.trainer == Trainer(
        "bpe", 5, byte_fallback=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, unk_piece="[UNK]"
    )
    assert (facts.normalizer, facts.charsmap, facts.add_dummy_prefix) == ("identity", 3, False)


def test_fields_in_another_order_and_unknown_ones() -> None:
    odd = field(
        1, field(3, 3) + field(7, 1) + varint(9 << 3 | 3) + field(1, b"x") + varint(9 << 3 | 4) + field(1, b"<s>")
    )
    facts = parse(field(50, 1) + varint(51 << 3 | 1) + bytes(8) + odd)
    assert (facts.pieces, list(facts.kinds)) == (("<s>",), [Kind.CONTROL])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "a model with pieces"),
        (field(2, b""), "a model with pieces"),
        (b"IQ== 0\nIg== 1\n", "a model with pieces"),
        (b"\x80\x04.", "a model with pieces"),
        (piece("abc")[:-1], "ends where its message does"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends where its message does"),
        (b"\x0b", "the end of a group"),
        (b"\x0c", "kind"),
        (b"\x02\x00", "the number of a field"),
        (b"\x0a" + b"\xff" * 20, "a number"),
        (b"\x0b" * 100, "kind"),
    ],
)
def test_what_is_no_model(data: bytes, expected: str) -> None:
    error = refused(data)
    assert expected in error.expected
    assert 0 <= error.offset <= len(data)
    assert error.budget is None


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentencepiece, "MAX_PIECES", 3)
    assert len(parse(piece("a") * 3).pieces) == 3
    assert refused(piece("a") * 4).budget == "sentencepiece.pieces"
    monkeypatch.setattr(sentencepiece, "MAX_BYTES", 10)
    with pytest.raises(SentencePieceInvalid) as caught:
        sentencepiece.read(io.BytesIO(bytes(11)))
    assert caught.value.budget == "sentencepiece.bytes"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=200), st.integers(1, 6)), min_size=1, max_size=20))
def test_any_pieces(pieces: list[tuple[str, int]]) -> None:
    encodable = [(text.encode("utf-8", "replace").decode(), kind) for text, kind in pieces]
    facts = parse(b"".join(piece(text, None if kind == 1 else kind) for text, kind in encodable))
    assert list(zip(facts.pieces, facts.kinds, strict=True)) == encodable


@pytest.mark.loader
@pytest.mark.parametrize("kind", ["unigram", "bpe", "char", "word"])
def test_the_library_says_the_same(kind: str) -> None:
    library: Any = pytest.importorskip("sentencepiece")
    out = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=out, vocab_size=60, model_type=kind, hard_vocab_limit=False,
        user_defined_symbols=["<sep>", "é"], control_symbols=["<mask>"], pad_id=3, unk_piece="[UNK]", bos_id=-1,
        use_all_vocab=kind in ("char", "word"), minloglevel=2,
    )  # fmt: skip
    facts, model = parse(out.getvalue()), library.SentencePieceProcessor(model_proto=out.getvalue())
    assert list(facts.pieces) == [model.id_to_piece(index) for index in range(model.get_piece_size())]
    for index, found in enumerate(facts.kinds):
        assert (found == Kind.CONTROL) == model.is_control(index)
        assert (found == Kind.UNKNOWN) == model.is_unknown(index)
        assert (found == Kind.BYTE) == model.is_byte(index)
        assert (found == Kind.UNUSED) == model.is_unused(index)
    trainer = facts.trainer
    assert (trainer.unk_id, trainer.bos_id, trainer.eos_id) == (model.unk_id(), model.bos_id(), model.eos_id())
    assert (trainer.pad_id, trainer.model, trainer.unk_piece) == (model.pad_id(), kind, "[UNK]")
