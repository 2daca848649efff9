"""Requirement 4: where two readers may disagree, hfcheck says so instead of choosing, and hides nothing behind it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Content, Example, Header
from hfcheck.finding import Severity
from hfcheck.report import RepositoryReport, Verdict

Checked = Callable[[Path], RepositoryReport]
CONFIG = '{"model_type": "llama"'
HEADER = '"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}'
INDEX = "model.safetensors.index.json"

DISAGREE: list[tuple[str, dict[str, Content], str]] = [
    ("code or none", {"config.json": CONFIG + ', "auto_map": {"AutoModel": "m.C"}, "auto_map": {}}'}, "FMT021"),
    ("none or code", {"config.json": CONFIG + ', "auto_map": null, "auto_map": {"AutoModel": "m.C"}}'}, "FMT021"),
    ("the same further in", {"config.json": CONFIG + ', "x": [{"auto_map": {"A": "m.C"}, "auto_map": {}}]}'}, "FMT021"),
    ("two maps", {INDEX: '{"weight_map": {"a": "../x"}, "weight_map": {"a": "x.safetensors"}}'}, "FMT021"),
    ("two shards of one tensor", {INDEX: '{"weight_map": {"a": "../x", "a": "x.safetensors"}}'}, "FMT021"),
    (
        "one key, spelt in two ways",
        {"config.json": CONFIG + ', "auto_map": {}, "\\u0061uto_map": {"A": "m.C"}}'},
        "FMT021",
    ),
    ("a mark in front", {"config.json": "\ufeff" + CONFIG + "}"}, "FMT022"),
    ("not a number", {"config.json": CONFIG + ', "x": NaN}'}, "FMT022"),
    ("too large for a float", {"config.json": CONFIG + ', "x": 1e999}'}, "FMT022"),
    ("half a character", {"config.json": CONFIG + ', "x": "\\ud800"}'}, "FMT022"),
    ("5,000 digits", {"config.json": CONFIG + f', "x": {"9" * 5000}}}'}, "HFC001"),
    ("two tensors of one name", {"model.safetensors": Header(f"{{{HEADER}, {HEADER}}}")}, "FMT010"),
    ("two bytes for each character", {"config.json": (CONFIG + "}").encode("utf-16")}, "FMT020"),
    ("a zero byte behind it", {"config.json": CONFIG + "}\0"}, "FMT020"),
    ("a second document behind it", {"config.json": CONFIG + "}\n" + CONFIG + "}"}, "FMT020"),
    ("a comment", {"config.json": CONFIG + "/* */}"}, "FMT020"),
    ("space that is none to JSON", {"config.json": "\xa0" + CONFIG + "}"}, "FMT020"),
    ("a pointer as the index", {INDEX: "version https://git-lfs.github.com/spec/v1\n"}, "REP001"),
    ("an almost pointer", {"model.safetensors": " version https://git-lfs.github.com/spec/v1\n"}, "FMT006"),
    ("names that differ by case", {"config.json": CONFIG + "}", "CONFIG.JSON": CONFIG + "}"}, "REP004"),
]


@pytest.mark.parametrize(("files", "rule"), [case[1:] for case in DISAGREE], ids=[case[0] for case in DISAGREE])
def test_readers_that_disagree(files: dict[str, Content], rule: str, tmp_path: Path, checked: Checked) -> None:
    testing.write(Example("", files), tmp_path)
    assert rule in {located.finding.id for located in checked(tmp_path).findings}


@pytest.mark.parametrize("shard", ["./x.safetensors", ".//x.safetensors", "./sub/x.safetensors"])
def test_one_file_by_many_names(shard: str, tmp_path: Path, checked: Checked) -> None:
    """What the index calls by another name than the listing is the same file, and its faults are found."""
    files: dict[str, Content] = {"config.json": CONFIG + "}", INDEX: {"metadata": {}, "weight_map": {"a": shard}}}
    testing.write(Example("", {**files, shard.replace("//", "/"): Header('{"b": ' + HEADER[5:] + "}")}), tmp_path)
    assert "IDX005" in {located.finding.id for located in checked(tmp_path).findings}


def test_code_under_an_escaped_key(tmp_path: Path, checked: Checked) -> None:
    (tmp_path / "config.json").write_text(CONFIG + ', "\\u0061uto_map": {"AutoModel": "absent.C"}}')
    report = checked(tmp_path)
    assert "RMC001" in {located.finding.id for located in report.findings}
    assert report.verdict(Severity.ERROR) is Verdict.FAIL
