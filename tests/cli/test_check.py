"""The program as a user runs it: what it says, word for word, and its exit codes."""

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema.validators import validator_for

from hfcheck import engine, registry, reports

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "report.schema.json"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Snapshot = Callable[[str, "subprocess.CompletedProcess[str]"], None]

CASES: dict[str, tuple[int, str]] = {
    "whole": (0, "check models/whole"),
    "missing-shard": (1, "check models/lost"),
    "several": (1, "check ."),
    "the-same-thrice": (1, "check models/lost models/lost/config.json ./models/lost"),
    "one-file": (1, "check models/lost/config.json"),
    "file-of-no-repository": (0, "check notes/README.md"),
    "folder-without-a-model": (0, "check notes"),
    "unwritable-output": (2, "check models/whole --output json:nowhere/x"),
    "unknown-rule": (2, "check --select IDX999 models/whole"),
    "selected": (0, "check --select FMT,not-safetensors models/lost"),
    "ignored": (0, "check --ignore IDX001 models/lost"),
    "pointers": (3, "check pointers"),
    "fail-on-warning": (1, "check --fail-on warning pointers"),
    "as-json": (1, "check models/lost --format json"),
    "as-github": (1, "check . --format github"),
    "version": (0, "--version"),
    "help": (0, "-h"),
    "help-check": (0, "check -h"),
    "explain": (0, "explain HFC004"),
    "explain-unknown": (2, "explain IDX999"),
}


@pytest.mark.parametrize("name", CASES)
def test_says(name: str, run: Run, snapshot: Snapshot) -> None:
    code, command = CASES[name]
    result = run(*command.split())
    snapshot(name, result)
    assert result.returncode == code


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("check nowhere", "'nowhere' does not exist"),
        ("check --frobnicate", "--frobnicate"),
        ("check --format xml", "'xml' is not one of"),
        ("check --fail-on never", "'never' is not one of"),
        ("check --output report.json", "'report.json' is not FORMAT:FILE with one of text, json, sarif, github"),
        ("check --output json:x --output sarif:x", "'x' is named twice"),
        ("check --config nowhere.toml", "'nowhere.toml' does not exist"),
        ("explain", "Missing argument 'ID'"),
        ("chekc", "'chekc'"),
    ],
)
def test_faults_of_the_user(command: str, said: str, run: Run) -> None:
    """The rest of these words is click's, and other in its next version."""
    result = run(*command.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["--output=text:written.json", "--config=x.json", "--isolated", "-x.json"])
def test_a_file_cannot_pose_as_an_option(name: str, work: Path, run: Run) -> None:
    """What `hfcheck check *` makes of it, or a hook that is handed the names of files."""
    (work / name).write_text("ignore = { IDX = 'hidden' }")
    (work / "x.json").write_text("ignore = { IDX = 'hidden' }")
    result = run("check", name, "models/lost")
    assert (result.returncode, result.stdout) == (2, "")
    assert "is also the name of a file" in result.stderr
    assert not (work / "written.json").exists()
    assert run("check", "--fail-on=error", "--", name, "models/lost").returncode == 1


def test_no_snapshot_is_left_over() -> None:
    others = {"settings", "fail-on-note", "crash", "as-sarif"}
    found = {path.stem for path in Path(__file__).with_name("snapshots").iterdir()}
    assert {name for name in found if not name.startswith("dry-run")} == {*CASES, *others}


def test_settings_with_reasons(work: Path, run: Run, snapshot: Snapshot) -> None:
    (work / ".hfcheck.toml").write_text('ignore = { IDX001 = "the mirror is still copying" }\nfail-on = "warning"\n')
    result = run("check", "models/lost", "pointers")
    snapshot("settings", result)
    assert result.returncode == 1, "a warning fails under these settings"


@pytest.mark.parametrize(
    "text", ["][", "ignore = 3", "surprise = 1", 'ignore = ["PKL"]', 'fail-on = "never"', 'select = ["IDX999"]']
)
def test_broken_settings(text: str, work: Path, run: Run) -> None:
    (work / ".hfcheck.toml").write_text(text)
    result = run("check", "models/whole")
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"Error: .+\n", result.stderr), "one line"
    assert run("check", "models/whole", "--isolated").returncode == 0


def test_a_note_fails_where_it_is_asked_for(run: Run, remarks: str, snapshot: Snapshot) -> None:
    assert run("check", "models/whole", PYTHONPATH=remarks).returncode == 0
    result = run("check", "--fail-on", "note", "models/whole", PYTHONPATH=remarks)
    snapshot("fail-on-note", result)
    assert result.returncode == 1


def test_a_plugin_that_fails(run: Run, crashes: str, snapshot: Snapshot) -> None:
    result = run("check", "models/whole", PYTHONPATH=crashes)
    snapshot("crash", result)
    assert result.returncode == 4


def test_a_traceback_is_shown_where_it_is_asked_for(run: Run, crashes: str) -> None:
    result = run("check", "models/whole", "--debug", PYTHONPATH=crashes)
    assert result.returncode == 4
    assert "hfcheck: | Traceback (most recent call last):" in result.stderr
    assert "##[" not in result.stderr
    assert all(line.startswith("hfcheck: ") for line in result.stderr.splitlines())
    assert re.sub(r"[\x20-\x7e\n]", "", result.stderr) == "", "no control character of the exception"


def test_a_fault_of_hfcheck_itself(run: Run, broken: str) -> None:
    """Python's own exit code for it is 1, and would say that there are findings."""
    result = run("rules", PYTHONPATH=broken)
    assert result.returncode == 4
    said = result.stderr.splitlines()
    assert said[0] == "hfcheck: hfcheck itself failed, please report this: AttributeError"
    assert said[1] == "hfcheck: | Traceback (most recent call last):"
    assert all(line.startswith("hfcheck: ") for line in said)


def test_sarif(run: Run, snapshot: Snapshot) -> None:
    """Without the descriptions of the rules, which change with them."""
    result = run("check", "models/lost", "--format", "sarif", "--select", "IDX001")
    document = json.loads(result.stdout)
    del document["runs"][0]["tool"]["driver"]["rules"]
    result.stdout = json.dumps(document, indent=2) + "\n"
    snapshot("as-sarif", result)
    assert result.returncode == 1


@pytest.mark.parametrize("format_", list(reports.FORMATS))
def test_exit_codes_are_the_same_in_every_format(format_: str, run: Run, crashes: str) -> None:
    codes = [run("check", path, "--format", format_).returncode for path in ("models/whole", "models/lost", "pointers")]
    assert codes == [0, 1, 3]
    assert run("check", "models/whole", "--format", format_, PYTHONPATH=crashes).returncode == 4


def test_reports_in_files_are_those_on_stdout(work: Path, run: Run) -> None:
    outputs = [f"--output={format_}:{format_}.out" for format_ in reports.FORMATS]
    shown = run("check", ".", *outputs)
    assert shown.returncode == 1
    for format_ in reports.FORMATS:
        assert (work / f"{format_}.out").read_text() == run("check", ".", "--format", format_).stdout


@pytest.mark.parametrize("arguments", ["models/whole", ".", "pointers", "notes", "models/lost --ignore IDX001"])
def test_json_is_as_its_schema_says(arguments: str, run: Run) -> None:
    schema = json.loads(SCHEMA.read_text())
    validator = validator_for(schema)
    validator.check_schema(schema)
    document = json.loads(run("check", *arguments.split(), "--format", "json").stdout)
    assert [error.message for error in validator(schema).iter_errors(document)] == []
    (broken, *_) = document["repositories"]
    broken["verdict"] = broken["surprise"] = "fine"
    assert len(list(validator(schema).iter_errors(document))) == 2


def test_the_list_of_rules(run: Run) -> None:
    result = run("rules")
    rules = sorted((*registry.load(), *engine.OWN_RULES), key=lambda rule: rule.id)
    assert [line.split() for line in result.stdout.splitlines()] == [
        [rule.id, rule.severity.value, rule.name] for rule in rules
    ]


def test_a_rule_by_its_name(run: Run) -> None:
    assert run("explain", "lfs-pointer").stdout == run("explain", "REP001").stdout


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_and_width_on_a_terminal(work: Path, environment: dict[str, str], *, coloured: bool) -> None:
    primary, secondary = os.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    command = [sys.executable, "-m", "hfcheck", "check", "models/lost"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment}
    subprocess.run(command, cwd=work, env=variables, stdout=secondary, check=False, timeout=60)
    os.close(secondary)
    said = os.read(primary, 100_000).decode().replace("\r\n", "\n")
    os.close(primary)
    assert ("\x1b[1;31merror\x1b[0m" in said) == coloured
    assert ("\x1b" in said) == coloured
    wrapped = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines() if "|" in line]
    assert len(wrapped) > 3
    assert max(map(len, wrapped)) <= 60
