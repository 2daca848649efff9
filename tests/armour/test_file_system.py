"""Requirement 7: nothing outside the root is read, nothing makes the reader wait, and what changes is noticed."""

import os
import socket
import stat
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from hfcheck import formats, repository
from hfcheck.finding import Severity
from hfcheck.formats import json_
from hfcheck.report import Reason, RepositoryReport, Verdict
from hfcheck.repository import Changed, Form, Unreadable, look_up, scan

Checked = Callable[[Path], RepositoryReport]


def form(root: Path, path: str) -> Form:
    (entry,) = [entry for entry in scan(str(root)).entries if entry.path == path]
    return entry.form


def test_special_files_are_not_opened(tmp_path: Path, checked: Checked) -> None:
    os.mkfifo(tmp_path / "model.safetensors")  # opened by a loader, it would wait for ever
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "pytorch_model.bin"))
        assert form(tmp_path, "model.safetensors") is Form.FIFO
        assert form(tmp_path, "pytorch_model.bin") is Form.SOCKET
        report = checked(tmp_path)
    assert {skipped.reason for skipped in report.skipped} == {Reason.SPECIAL}
    assert report.verdict(Severity.ERROR) is not Verdict.PASS


def test_an_endless_device_is_not_opened(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "config.json", 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes devices")
    assert form(tmp_path, "config.json") is Form.DEVICE


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("../outside.json", Form.LINK_OUTSIDE),
        ("/etc/hostname", Form.LINK_OUTSIDE),
        ("/dev/zero", Form.LINK_OUTSIDE),
        ("sub/../../outside.json", Form.LINK_OUTSIDE),
        ("..", Form.LINK_OUTSIDE),
        (".", Form.LINK_FOLDER),
        ("sub", Form.LINK_FOLDER),
        ("config.json", Form.LINK_LOOP),
        ("nowhere.json", Form.LINK_BROKEN),
        ("up/outside.json", Form.LINK_OUTSIDE),
        ("sub/real.json", Form.FILE),
        ("./sub/../sub/real.json", Form.FILE),
        ("../../blobs/" + "0" * 40, Form.LINK_OUTSIDE),
        ("x" * 300, Form.LINK_BROKEN),
    ],
)
def test_links(tmp_path: Path, target: str, expected: Form) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "real.json").write_text("{}")
    (root / "up").symlink_to("..")
    (tmp_path / "outside.json").write_text('{"secret": 1}')
    (root / "config.json").symlink_to(target)
    assert form(root, "config.json") is expected


def test_a_chain_through_a_folder_link_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "real.json").write_text("{}")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "config.json").symlink_to("b/real.json")
    repository = scan(str(tmp_path))
    (entry,) = [entry for entry in repository.entries if entry.path == "config.json"]
    assert (entry.form, entry.real) == (Form.FILE, "a/real.json")
    with repository.open(entry) as stream:
        assert stream.read() == b"{}"


def test_the_download_cache_is_one_repository(tmp_path: Path, checked: Checked) -> None:
    blob = "a" * 64
    (tmp_path / "models--org--name" / "blobs").mkdir(parents=True)
    (tmp_path / "models--org--name" / "blobs" / blob).write_text('{"model_type": "llama"}')
    snapshot = tmp_path / "models--org--name" / "snapshots" / ("c" * 40)
    (snapshot / "sub").mkdir(parents=True)
    (snapshot / "config.json").symlink_to(f"../../blobs/{blob}")
    (snapshot / "sub" / "config.json").symlink_to(f"../../../blobs/{blob}")
    (snapshot / "model.safetensors").symlink_to("../../../other/blobs/" + blob)
    (snapshot / "tokenizer.json").symlink_to(f"../../../blobs/{blob}")  # one level too many: another model's cache
    assert form(snapshot, "config.json") is Form.FILE
    assert form(snapshot, "sub/config.json") is Form.FILE
    assert form(snapshot, "model.safetensors") is Form.LINK_OUTSIDE
    assert form(snapshot, "tokenizer.json") is Form.LINK_OUTSIDE
    assert checked(snapshot).kind.value == "transformers"


def test_a_folder_that_may_be_listed_and_not_entered(tmp_path: Path, checked: Checked) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        pytest.skip("root enters every folder")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "weights.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{]")
    (tmp_path / "sub").chmod(0o444)
    try:
        report = checked(tmp_path)
    finally:
        (tmp_path / "sub").chmod(0o755)
    assert {(skipped.path, skipped.reason) for skipped in report.skipped} == {("sub/weights.pkl", Reason.UNREADABLE)}
    assert {"HFC002"} < {located.finding.id for located in report.findings}, "and the others are checked"


def test_links_on_long_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: Checked) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "near.json").symlink_to("d/../" * 100 + "x.json")
    (tmp_path / "far.json").symlink_to("d/../" * 200 + "x.json")
    assert form(tmp_path, "near.json") is Form.FILE
    assert form(tmp_path, "far.json") is Form.LINK_LONG
    assert checked(tmp_path).verdict(Severity.ERROR) is Verdict.INCOMPLETE
    monkeypatch.setattr(repository, "MAX_STEPS", 50)
    assert form(tmp_path, "near.json") is Form.LINK_LONG
    assert any("50 folders" in skipped.detail for skipped in checked(tmp_path).skipped)


def test_a_folder_where_a_file_belongs(tmp_path: Path, checked: Checked) -> None:
    (tmp_path / "config.json").mkdir()
    (tmp_path / "model.safetensors").mkdir()
    assert not checked(tmp_path).crashed


def test_a_virtual_environment_is_named_and_not_searched(tmp_path: Path, checked: Checked) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    (tmp_path / ".venv" / "lib" / "weights.pkl").write_bytes(b"\x80\x04.")
    report = checked(tmp_path)
    assert [(skipped.path, skipped.reason) for skipped in report.skipped] == [(".venv", Reason.ENVIRONMENT)]
    assert report.verdict(Severity.ERROR) is Verdict.PASS


def test_deep_and_wide(tmp_path: Path, checked: Checked) -> None:
    deep = tmp_path.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (deep / "config.json").write_text("{}")
    for number in range(2000):
        (tmp_path / f"{number}.txt").touch()
    report = checked(tmp_path)
    assert any(skipped.reason is Reason.LIMIT and "64 folders" in skipped.detail for skipped in report.skipped)
    assert "HFC001" in {located.finding.id for located in report.findings}


@pytest.mark.parametrize(
    "name",
    [
        b"x" * 255,
        b"not utf-8 \xff\xfe.json",
        b"CON.json",
        b"a:b.json",
        b"-rf",
        b" leading",
        b"new\nline.json",
        b"\x1b[2J.py",
    ],
)
def test_names(tmp_path: Path, checked: Checked, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"{}")
    report = checked(tmp_path)
    assert not report.crashed
    assert report.checked + len(report.skipped) == 1


def test_twins_by_case_and_by_normal_form(tmp_path: Path, checked: Checked) -> None:
    for name in ("Config.json", "config.json", "é.json", unicodedata.normalize("NFD", "é.json")):
        (tmp_path / name).write_text("{}")
    report = checked(tmp_path)
    assert report.checked == 4


def replaced(path: Path) -> None:
    path.unlink()
    path.write_text("{}   ")


def grown(path: Path) -> None:
    with path.open("a") as stream:
        stream.write(" " * 100)


def truncated(path: Path) -> None:
    os.truncate(path, 1)


@pytest.mark.parametrize("change", [replaced, grown, truncated])
def test_a_file_that_changes_between_listing_and_reading(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "config.json").write_text('{"a": 1}')
    repository = scan(str(tmp_path))
    change(tmp_path / "config.json")
    with pytest.raises(Changed, match="not the file that was listed"), repository.open(repository.entries[0]):
        pytest.fail("opened")


@pytest.mark.parametrize("change", [grown, truncated])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')

    def read(stream: IO[bytes]) -> json_.JsonFacts:
        facts = json_.read(stream)
        change(tmp_path / "config.json")
        return facts

    monkeypatch.setitem(formats.BY_SUFFIX, ".json", read)
    report = checked(tmp_path)
    (finding,) = [located.finding for located in report.findings if located.finding.id == "HFC002"]
    assert "changed while it was read" in finding.message
    assert report.verdict(Severity.ERROR) is not Verdict.PASS


@pytest.mark.parametrize("kind", ["pipe", "link", "gone"])
def test_what_takes_the_place_of_a_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    repository = scan(str(tmp_path))
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    with pytest.raises(Unreadable), repository.open(repository.entries[0]):
        pytest.fail("opened")


def test_looking_up_is_a_scan_of_some_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.bin").write_bytes(b"a")
    (tmp_path / "link.bin").symlink_to("a.bin")
    (tmp_path / "away.bin").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe.bin")
    names = ["a.bin", "link.bin", "away.bin", "pipe.bin", "gone.bin", "sub", "a.bin/b", "a.bin", "x" * 300]
    found = look_up(str(tmp_path), names)
    assert found.entries[:-1] == scan(str(tmp_path)).entries
    assert found.entries[-1].form is Form.UNKNOWN, "a name that no file can have"
    assert [entry.stamp for entry in found.entries[:-1]] == [entry.stamp for entry in scan(str(tmp_path)).entries]
