"""Line, column and offset of symbolic places."""

from pathlib import Path

from hfcheck.finding import At, Finding, Severity
from hfcheck.locate import locate
from hfcheck.repository import scan
from hfcheck.testing import to_bytes


def numbers(folder: Path, *places: At) -> list[tuple[int | None, int | None, int | None]]:
    findings = [Finding("IDX001", "n", Severity.ERROR, at, "m", "h") for at in places]
    return [(located.line, located.column, located.offset) for located in locate(scan(str(folder)), findings)]


def test_a_pointer_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n  "é": 1, "map": {\n    "x/y": [1,\n 2]}}')
    assert numbers(tmp_path, At("a.json", "/map/x~1y"), At("a.json", "/map"), At("a.json", "/map/x~1y/1")) == [
        (3, 5, None),
        (2, 11, None),
        (4, 2, None),
    ]


def test_an_offset_in_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes("é\nü{".encode())
    assert numbers(tmp_path, At("a.json", offset=5), At("a.json", offset=5, tensor=None)) == [(2, 2, None)] * 2


def test_behind_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert numbers(tmp_path, At("a.json", "/a")) == [(1, 2, None)]


def test_a_tensor(tmp_path: Path) -> None:
    data = to_bytes("m.safetensors", {"a": ("U8", [1]), "b/c": ("U8", [1])})
    (tmp_path / "m.safetensors").write_bytes(data)
    assert numbers(tmp_path, At("m.safetensors", tensor="b/c")) == [(None, None, data.index(b'"b/c"'))]


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    places = At("gone.json", "/a"), At("a.json", "/nothing"), At("a.json"), At("x.bin", offset=7)
    assert numbers(tmp_path, *places) == [(None, None, None)] * 3 + [(None, None, 7)]


def test_a_broken_document_has_no_places(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('}}]"\\q" {"a": ')
    assert numbers(tmp_path, At("a.json", "/a"))
