"""`hfcheck dry-run` as a user runs it: what it says, its exit codes, and the same findings in `check --device`."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema.validators import validator_for

from hfcheck import testing
from hfcheck.__main__ import main
from hfcheck.example import Example

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "dry-run.schema.json"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Invoke = Callable[..., Result]
Snapshot = Callable[[str, "subprocess.CompletedProcess[str]"], None]

ROOMY = "--device 0=8GiB:sm_80"
NARROW = "--device 0=64KiB:sm_80 --device cpu=8GiB --context 256 --batch 4"

CASES: dict[str, tuple[int, str]] = {
    "dry-run-fits": (0, f"dry-run models/whole {ROOMY}"),
    "dry-run-offloaded": (1, f"dry-run models/whole {NARROW}"),
    "dry-run-json": (0, f"dry-run models/whole {ROOMY} --device disk --format json"),
    "dry-run-explicit": (0, f"dry-run models/whole {ROOMY} --device-map map.json"),
    "dry-run-lost": (3, f"dry-run models/lost {ROOMY}"),
    "dry-run-pointers": (3, f"dry-run pointers {ROOMY}"),
    "dry-run-help": (0, "dry-run -h"),
}


@pytest.fixture(autouse=True)
def maps(work: Path) -> None:
    for name, text in {
        "map.json": '{"model": 0, "lm_head": 0}',
        "list.json": "[0]",
        "cut.json": '{"model": ',
        "twice.json": '{"model": 0, "lm_head": 0, "model": "cpu"}',
    }.items():
        (work / name).write_text(text)


@pytest.fixture
def invoke(work: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """As `run`, in this process: a start of the program takes longer than all that it does here."""
    monkeypatch.chdir(work)
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", CASES)
def test_says(name: str, run: Run, snapshot: Snapshot) -> None:
    code, command = CASES[name]
    result = run(*command.split())
    snapshot(name, result)
    assert result.returncode == code


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dry-run", "Missing argument 'PATH'"),
        (f"dry-run nowhere {ROOMY}", "'nowhere' does not exist"),
        ("dry-run models/whole", "Error: name the devices, for example --device 0=24GiB --device cpu=64GiB"),
        ("check models/whole --context 4096", "Error: name the devices, for example --device 0=24GiB"),
        ("dry-run models/whole --device 24GiB", 'Error: --device: "24GiB" names no device'),
        ("dry-run models/whole --device 0=24", 'Error: --device: "24" is no size'),
        (f"dry-run models/whole {ROOMY} --device 0=1GiB", "Error: --device: the device 0 is given twice"),
        (f"dry-run models/whole {ROOMY} --device-map fast", '"fast" is none of auto, balanced, balanced_low_0'),
        (f"dry-run models/whole {ROOMY} --device-map list.json", '"list.json" holds an array'),
        (f"dry-run models/whole {ROOMY} --device-map cut.json", '"cut.json" is no JSON at byte 10: expected'),
        (f"dry-run models/whole {ROOMY} --device-map twice.json", '"twice.json" has "/model" twice'),
        (f"dry-run models/whole {ROOMY} --context 0", "'0' is not a number from 1 to 1000000000"),
        (f"dry-run models/whole {ROOMY} --batch {'9' * 99}", "is not a number from 1 to 1000000000"),
        (f"dry-run models/whole {ROOMY} --format sarif", "'sarif' is not one of"),
        (f"dry-run models/whole {ROOMY} --output sarif:x", "'sarif:x' is not FORMAT:FILE with one of text, json"),
        (f"dry-run models/whole {ROOMY} --sha256", "Error: --sha256 is for --rehearse"),
        (f"dry-run models {ROOMY}", "Error: models holds more than one model repository: name one of models/lost, mod"),
        (f"dry-run notes/README.md {ROOMY}", "Error: notes/README.md belongs to no model repository"),
    ],
)
def test_faults_of_the_user(command: str, said: str, invoke: Invoke) -> None:
    result = invoke(*command.split())
    assert result.exit_code == 2
    assert said in result.output.splitlines()[-1]


def test_a_file_cannot_pose_as_an_option(work: Path, run: Run) -> None:
    (work / "--rehearse").write_text("")
    result = run("dry-run", "models/whole", "--device", "0=1GiB", "--rehearse")
    assert (result.returncode, result.stdout) == (2, "")
    assert "is also the name of a file" in result.stderr


def valid(written: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(written)
    schema = json.loads(SCHEMA.read_text())
    assert list(validator_for(schema)(schema).iter_errors(document)) == []
    return document


@pytest.mark.parametrize(
    "options",
    [
        ROOMY,
        NARROW,
        f"{ROOMY} --device disk --dialect accelerate",
        f"{ROOMY} --device-map map.json",
        "--device 0-1=8GiB --tp 2",
        "--device cpu=8GiB",
    ],
)
def test_the_json_is_as_its_schema_says(options: str, invoke: Invoke) -> None:
    result = invoke("dry-run", "models/whole", *options.split(), "--format", "json", "--output", "text:said.txt")
    document = valid(result.output)
    assert document["path"] == "models/whole"
    assert document["exact"]
    assert all(use["low"] == sum(term["low"] for term in use["terms"]) for use in document["devices"])
    assert result.stderr == ""


@pytest.mark.parametrize("path", ["models/lost", "pointers", "notes"])
def test_json_where_there_is_no_plan(path: str, invoke: Invoke) -> None:
    result = invoke("dry-run", path, *ROOMY.split(), "--format", "json")
    document = valid(result.output)
    assert (result.exit_code, document["verdict"], document["device_map"]) == (3, "incomplete", None)
    assert document["reason"]


def test_the_device_map_is_one_that_from_pretrained_takes(invoke: Invoke, work: Path) -> None:
    """It is given back as an explicit map, and comes out as it went in."""
    command = ["dry-run", "models/whole", *NARROW.split(), "--format", "json"]
    planned = valid(invoke(*command).output)["device_map"]
    (work / "again.json").write_text(json.dumps(planned))
    again = valid(invoke(*command, "--device-map", "again.json").output)
    assert (again["device_map"], again["asked"]["device_map"]) == (planned, "explicit")


def test_reports_in_files_say_the_same(invoke: Invoke, work: Path) -> None:
    command = ["dry-run", "models/whole", *ROOMY.split()]
    shown = invoke(*command, "--output", "json:a.json", "--output", "text:a.txt")
    assert shown.output == (work / "a.txt").read_text()
    assert invoke(*command, "--format", "json").output == (work / "a.json").read_text()


def test_the_one_model_of_a_repository_is_found(work: Path, invoke: Invoke) -> None:
    """A pipeline has no model at its root: its components are folders with configs of their own."""
    pipeline = work / "pipeline"
    pipeline.mkdir()
    (pipeline / "model_index.json").write_text('{"_class_name": "X"}')
    shutil.copytree(work / "models" / "whole", pipeline / "text_encoder")
    one = invoke("dry-run", "pipeline", *ROOMY.split())
    assert (one.exit_code, one.output.split()[2]) == (0, "./pipeline/text_encoder")
    shutil.copytree(work / "models" / "whole", pipeline / "text_encoder_2")
    two = invoke("dry-run", "pipeline", *ROOMY.split())
    assert two.exit_code == 2
    assert "name one of pipeline/text_encoder, pipeline/text_encoder_2" in two.output
    assert invoke("dry-run", "pipeline/text_encoder_2", *ROOMY.split()).exit_code == 0


def test_a_file_stands_for_its_repository(invoke: Invoke) -> None:
    result = invoke("dry-run", "models/whole/config.json", *ROOMY.split())
    assert (result.exit_code, result.output.split()[2]) == (0, "./models/whole")


def test_check_with_devices(invoke: Invoke) -> None:
    """The findings about devices come to those of the check, in every format, and no plain check has them."""
    plain = invoke("check", "models/whole", "--format", "json")
    assert not re.search("DEV[0-9]", plain.output)
    for format_ in ("text", "json", "sarif", "github"):
        result = invoke("check", "models/whole", "--format", format_, *NARROW.split())
        assert result.exit_code == 1
        assert re.search("DEV[0-9]{3}", result.output), format_


def test_settings_apply(invoke: Invoke, work: Path) -> None:
    (work / ".hfcheck.toml").write_text('ignore = { DEV = "the devices are on their way" }\nselect = ["IDX"]\n')
    result = invoke("dry-run", "models/whole", *NARROW.split())
    assert result.exit_code == 0
    assert " ignored finding" in result.output
    assert result.output.startswith("settings: .hfcheck.toml\n\ndoes not fit  ./models/whole")


def test_hostile_names_are_escaped(work: Path, invoke: Invoke) -> None:
    name = "a\x1b[31m\n::error::b"
    files = {
        "config.json": {"model_type": "own", "architectures": [name], "auto_map": {"AutoModel": "x.Y"}},
        "model.safetensors": {f"{name}.0.weight": ("F32", [4]), f"{name}.1.weight": ("F32", [4])},
    }
    (work / "hostile").mkdir()
    testing.write(Example("", files), work / "hostile")
    for options in ((), ("--format", "json")):
        result = invoke("dry-run", "hostile", "--device", "0=8GiB", *options)
        assert "\x1b" not in result.output
        assert not any(line.strip().startswith("::") for line in result.output.splitlines())
        if options:
            assert not valid(result.output)["exact"]


@pytest.mark.parametrize(
    ("environment", "filled"),
    [
        ({"LC_ALL": "C.UTF-8"}, "\x1b[34m█"),
        ({"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, "[█"),
        ({"PYTHONIOENCODING": "ascii"}, "#"),
    ],
)
def test_on_a_terminal(work: Path, environment: dict[str, str], filled: str) -> None:
    """Blocks where it can show them, colours where it may, no line that is too long."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "hfcheck", "dry-run", "models/whole", *ROOMY.split()]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment}
    subprocess.run(command, cwd=work, env=variables, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    said = os.read(ours, 100_000).decode().replace("\r\n", "\n")
    os.close(ours)
    assert filled in said
    assert ("█" in said) != ("[#" in re.sub(r"\x1b\[[0-9;]*m", "", said))
    assert ("\x1b" in said) == ("NO_COLOR" not in environment)
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines())) <= 80


def test_a_rehearsal(run: Run) -> None:
    result = run("dry-run", "models/whole", *ROOMY.split(), "--rehearse", "--format", "json")
    document = valid(result.stdout)
    assert document["rehearsal"]["bytes"] == sum(file["size"] for file in document["rehearsal"]["files"])
    assert {file["failed"] for file in document["rehearsal"]["files"]} == {""}


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in Path(__file__).with_name("snapshots").glob("dry-run*")} == {*CASES}
