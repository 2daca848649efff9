"""The look at bits, beside what torch makes of them: every pattern of small types, and any bytes in any pieces."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.rehearsal.read_worker import FORMS, Eye, Scan, Tally, numpy_eye, plain_eye

numpy: Any = pytest.importorskip("numpy")
torch: Any = pytest.importorskip("torch")

EYES = {eye.name: eye for eye in (numpy_eye(numpy), plain_eye()) if eye is not None}
TYPES = {
    "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "C64": "complex64", "C128": "complex128",
    "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip

pytestmark = pytest.mark.loader


def said(dtype: str, data: bytes) -> tuple[int, int, int, str, int, bool]:
    """What torch says of values: how many are NaN, inf and -inf, what and where the first is, and if all are zero."""
    values = torch.frombuffer(bytearray(data), dtype=getattr(torch, TYPES[dtype]))
    values = torch.view_as_real(values).flatten() if values.is_complex() else values
    values = values.to(torch.float64)  # the scan counts the halves of a complex number, as this does
    finite = torch.isfinite(values)
    zero = not values.any().item()
    nan, inf, negative = (
        int(found.sum()) for found in (values.isnan(), values == float("inf"), values == -float("inf"))
    )
    if finite.all():
        return 0, 0, 0, "", -1, zero
    first = int((~finite).to(torch.uint8).argmax())
    word = "NaN" if values[first].isnan() else "inf" if values[first] > 0 else "-inf"
    return nan, inf, negative, word, first * FORMS[dtype].width, zero


def seen(dtype: str, data: bytes, eye: Eye, shift: int = 0) -> tuple[int, int, int, str, int, bool]:
    tally = Tally(0, 0, FORMS[dtype])
    moved = memoryview(bytearray(shift) + data)[shift:]
    tally.look(moved, 0, eye)
    return tally.nan, tally.inf, tally.negative_inf, tally.word, tally.first, tally.is_zero


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@pytest.mark.parametrize("dtype", [dtype for dtype in FORMS if FORMS[dtype].width < 4 and dtype != "C32"])
def test_every_pattern(dtype: str, eye: Eye) -> None:
    width = FORMS[dtype].width
    patterns = [number.to_bytes(width, "little") for number in range(256**width)]
    together = b"".join(patterns)
    assert seen(dtype, together, eye) == said(dtype, together)
    finite = numpy.isfinite(torch.frombuffer(bytearray(together), dtype=getattr(torch, TYPES[dtype])).double().numpy())
    for number in (*range(0, 256**width, 251), *numpy.flatnonzero(~finite)[:300].tolist()):
        assert seen(dtype, patterns[number], eye) == said(dtype, patterns[number]), hex(number)


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes(eye: Eye, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(sorted(TYPES)))
    size = FORMS[dtype].width * FORMS[dtype].parts
    drawn = data.draw(st.binary(min_size=size, max_size=40 * size))
    pieces = [drawn[at : at + size] for at in range(0, len(drawn) - size + 1, size)]
    special = data.draw(
        st.lists(st.sampled_from([bytes(size), b"\xff" * size, b"\0" * (size - 2) + b"\x80\x7f"[-size:]]))
    )
    text = b"".join(pieces + [piece for piece in special if len(piece) == size])
    assert seen(dtype, text, eye, data.draw(st.integers(0, 7))) == said(dtype, text)


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@pytest.mark.parametrize("value", [0, 0x8000])
def test_zero_of_either_sign(value: int, eye: Eye) -> None:
    data = value.to_bytes(2, "little") * 1000
    assert seen("F16", data, eye)[5]
    assert not seen("F16", data + b"\1\0", eye)[5]
    assert not seen("F16", data + b"\x80\0", eye)[5], "0x80 is no sign where it is the first byte"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_windows_do_not_cut_an_element(data: st.DataObject) -> None:
    """Tensors of odd sizes at odd offsets, read in windows of any size: each is seen as if it were read alone."""
    eye = data.draw(st.sampled_from(sorted(EYES.items())))[1]
    tensors: list[list[Any]] = []
    text, end = b"", 0
    for _ in range(data.draw(st.integers(0, 5))):
        dtype = data.draw(st.sampled_from([*sorted(TYPES), "I32"]))
        size = FORMS[dtype].width * FORMS[dtype].parts if dtype in FORMS else 4
        begin = end + data.draw(st.integers(0, 3))
        end = begin + size * data.draw(st.integers(0, 9))
        text += bytes(begin - len(text)) + data.draw(st.binary(min_size=end - begin, max_size=end - begin))
        tensors.append([begin, end, dtype])
    text += bytes(data.draw(st.integers(0, 3)))
    found, position, looked = Scan(tensors, eye), 0, list[Any]()
    while position < len(text):
        until = found.cut(min(position + data.draw(st.integers(16, 40)), len(text)))
        assert until > position
        found.look(memoryview(text)[position:until], position, until)
        looked += found.taken()["found"]
        position = until
    alone = []
    for number, (begin, end, dtype) in enumerate(tensors):
        if dtype in TYPES and begin < end:
            nan, inf, negative, word, first, _ = said(dtype, text[begin:end])
            if first >= 0:
                alone.append([number, nan, inf, negative, word, first])
    assert looked == alone
