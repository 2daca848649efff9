"""Requirement 2: just under a limit passes, just over it is said, and everything else is still checked."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from hfcheck import engine, repository, testing
from hfcheck.example import Example, Sparse
from hfcheck.finding import Severity
from hfcheck.formats import gitattributes, json_, lfs, python_, safetensors
from hfcheck.report import Reason, RepositoryReport, Verdict

Checked = Callable[[Path], RepositoryReport]
BROKEN = {"model.safetensors": b"\x02\0\0\0\0\0\0\0{]"}
"""Another file, whose fault must be found all the same."""

OVER: list[tuple[str, str, object]] = [
    ("json.bytes", "config.json", Sparse(json_.MAX_BYTES + 1, b"{}")),
    ("json.depth", "config.json", "[" * (json_.MAX_DEPTH + 1) + "]" * (json_.MAX_DEPTH + 1)),
    ("json.depth", "config.json", "[" * 100_000),
    ("json.nodes", "tokenizer.json", "[" + "[]," * (json_.MAX_NODES // 2) + "[]]"),
    ("json.digits", "config.json", '{"vocab_size": ' + "9" * 4301 + "}"),
    ("python.bytes", "modeling.py", Sparse(python_.MAX_BYTES + 1, b"#")),
    ("gitattributes.bytes", ".gitattributes", Sparse(gitattributes.MAX_BYTES + 1, b"#")),
]
UNDER: list[tuple[str, object]] = [
    ("config.json", "[" * json_.MAX_DEPTH + "]" * json_.MAX_DEPTH),
    ("config.json", '{"vocab_size": ' + "9" * 4300 + "}"),
    ("modeling.py", "#" + "a" * (python_.MAX_BYTES - 1)),
    (".gitattributes", "#" * gitattributes.MAX_BYTES),
]


@pytest.mark.parametrize(
    ("budget", "name", "content"), OVER, ids=[f"{case[0]} {number}" for number, case in enumerate(OVER)]
)
def test_over(tmp_path: Path, checked: Checked, budget: str, name: str, content: object) -> None:
    testing.write(Example(budget, {name: content, **BROKEN}), tmp_path)
    report = checked(tmp_path)
    (finding,) = [located.finding for located in report.findings if located.finding.id == "HFC001"]
    assert budget in finding.message
    assert finding.at.path == name
    assert (name, Reason.LIMIT) in {(skipped.path, skipped.reason) for skipped in report.skipped}
    assert "model.safetensors" in {located.finding.at.path for located in report.findings}, "the others are checked"
    assert report.verdict(Severity.ERROR) is Verdict.FAIL


@pytest.mark.parametrize(("name", "content"), UNDER, ids=[f"{case[0]} {number}" for number, case in enumerate(UNDER)])
def test_under(tmp_path: Path, checked: Checked, name: str, content: object) -> None:
    testing.write(Example("under", {name: content}), tmp_path)
    report = checked(tmp_path)
    assert "HFC001" not in {located.finding.id for located in report.findings}
    assert not any(skipped.reason is Reason.LIMIT for skipped in report.skipped)


def test_a_limit_alone_is_incomplete(tmp_path: Path, checked: Checked) -> None:
    testing.write(Example("deep", {"notes.json": "[" * 200 + "]" * 200}), tmp_path)
    assert checked(tmp_path).verdict(Severity.ERROR) is Verdict.INCOMPLETE


def test_tensors_of_a_header(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    testing.write(Example("three", {"model.safetensors": {name: ("U8", [1]) for name in "abc"}}), tmp_path)
    monkeypatch.setattr(safetensors, "MAX_TENSORS", 3)
    assert not any(skipped.reason is Reason.LIMIT for skipped in checked(tmp_path).skipped)
    monkeypatch.setattr(safetensors, "MAX_TENSORS", 2)
    assert any(skipped.detail == "safetensors.tensors" for skipped in checked(tmp_path).skipped)


def test_files_of_a_repository(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_FILES", 20)
    for number in range(20):
        (tmp_path / f"{number:02}.txt").touch()
    assert not checked(tmp_path).skipped or all(
        skipped.reason is Reason.UNKNOWN for skipped in checked(tmp_path).skipped
    )
    (tmp_path / "one more.txt").touch()
    report = checked(tmp_path)
    assert any("more than 20 files" in skipped.detail for skipped in report.skipped)
    assert "HFC001" in {located.finding.id for located in report.findings}


def test_units_of_a_repository(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_UNITS", 3)
    testing.write(Example("units", {f"{name}/config.json": "[" for name in "abc"} | {"config.json": {}}), tmp_path)
    report = checked(tmp_path)
    assert [(skipped.path, skipped.detail) for skipped in report.skipped if skipped.reason is Reason.LIMIT] == [
        (".", "more than 3 folders that a loader can be pointed at"),
        ("c/config.json", "repository.units"),
    ]
    assert "HFC001" in {located.finding.id for located in report.findings}


def test_a_path_that_is_too_long(tmp_path: Path, checked: Checked) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(20):  # relative to its parent, or the kernel refuses the path as we do
            os.mkdir("d" * 250, dir_fd=here)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    report = checked(tmp_path)
    assert any("4096 bytes" in skipped.detail for skipped in report.skipped)


def test_findings_of_a_repository(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PER_REPOSITORY", 1)
    testing.write(Example("two", {**BROKEN, "config.json": "[", "tokenizer_config.json": "["}), tmp_path)
    found = [located.finding.id for located in checked(tmp_path).findings]
    assert len(found) == 2
    assert "HFC004" in found


def test_a_pointer_is_short(tmp_path: Path, checked: Checked) -> None:
    text = lfs.MAGIC + b"\noid sha256:" + b"0" * 64 + b"\nsize 1\n"
    (tmp_path / "model.safetensors").write_bytes(text + b"x" * lfs.MAX_BYTES)
    assert checked(tmp_path).verdict(Severity.ERROR) is not Verdict.PASS


def test_folders_count_as_names(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_FILES", 20)
    for number in range(21):
        (tmp_path / f"{number:02}").mkdir()
    assert any("more than 20 files" in skipped.detail for skipped in checked(tmp_path).skipped)


def test_memory_of_all_files_together(tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is below the limits of its reader: what comes after the limit of the unit is not kept, and said."""
    for number in range(4):
        (tmp_path / f"{number}.json").write_text(json.dumps(list(range(1000))))
    testing.write(Example("", BROKEN), tmp_path)
    monkeypatch.setattr(engine, "MAX_KEPT", 2_500 * 120)
    report = checked(tmp_path)
    over = [skipped.path for skipped in report.skipped if skipped.detail == "repository.memory"]
    assert over == ["2.json", "3.json"]
    assert {"2.json", "3.json", "model.safetensors"} == {located.finding.at.path for located in report.findings}


def test_memory_of_one_unit_is_free_for_the_next(
    tmp_path: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        (tmp_path / f"checkpoint-{number}").mkdir()
        (tmp_path / f"checkpoint-{number}" / "config.json").write_text("{}")
        (tmp_path / f"checkpoint-{number}" / "tokenizer.json").write_text(json.dumps({"model": list(range(1000))}))
    monkeypatch.setattr(engine, "MAX_KEPT", 1_500 * 120)
    assert not checked(tmp_path).skipped


def test_patterns_of_attributes_against_names(tmp_path: Path, checked: Checked) -> None:
    """A thousand patterns of stars against a thousand names of one letter: minutes, if each were held against each."""
    (tmp_path / ".gitattributes").write_text(("*a" * 400 + "b filter=lfs\n") * 1000)
    for number in range(300):
        testing.write(Example("", {"a" * 200 + f"{number}.bin": Sparse(11 * 2**20)}), tmp_path)
    start = process_time()
    report = checked(tmp_path)
    assert process_time() - start < 10
    assert not report.crashed
    assert "REP002" in {located.finding.id for located in report.findings}
