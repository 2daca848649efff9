"""`hfcheck convert` as a user runs it: its exit codes, its words, its bar and Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SAFE = "model.safetensors"


@pytest.fixture
def model(work: Path) -> Path:
    folder = work / "pickled"
    folder.mkdir()
    torch.save({"a": torch.arange(4.0)}, folder / "pytorch_model.bin")
    return folder


def test_it_converts(model: Path, run: Run) -> None:
    result = run("convert", "pickled")
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        result.stdout
        == f"written: {SAFE} (1 tensors, {(model / SAFE).stat().st_size} bytes, compared with the source)\n"
    )
    again = run("convert", "pickled")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"hfcheck: not converted: {SAFE} exists: --force writes over it\n"
    assert run("convert", "pickled", "--force").returncode == 0
    assert run("convert", "pickled/pytorch_model.bin", "--output", "new/folder").returncode == 0
    assert (model.parent / "new" / "folder" / SAFE).read_bytes() == (model / SAFE).read_bytes()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("convert", "Missing argument 'PATH'"),
        ("convert nowhere", "'nowhere' does not exist"),
        ("convert notes", "notes has no pytorch_model.bin"),
        ("convert pickled --max-shard-size 5", "'5' is not a number with one of KB, MB, GB, TB"),
        ("convert pickled --max-shard-size 0GB", "'0GB' is not a number"),
        ("convert pickled --output notes/README.md", "is a file"),
    ],
)
@pytest.mark.usefixtures("model")
def test_faults_of_the_user(command: str, said: str, run: Run) -> None:
    result = run(*command.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[-1]


def test_a_folder_that_takes_nothing(model: Path, run: Run) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    model.chmod(0o500)
    try:
        result = run("convert", "pickled")
    finally:
        model.chmod(0o700)
    assert (result.returncode, result.stdout) == (2, "")
    assert "the folder cannot be written to" in result.stderr


def test_names_are_escaped(work: Path, run: Run) -> None:
    torch.save([1], work / "a\x1b[31m.bin")
    result = run("convert", "a\x1b[31m.bin")
    assert result.returncode == 1
    assert "\x1b" not in result.stderr
    assert "a\\x1b[31m.bin: " in result.stderr


def test_a_bar_on_a_terminal(model: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "hfcheck", "convert", str(model)], stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"converting" in shown
    assert b"100%" in shown


def test_an_interrupt(model: Path) -> None:
    torch.save({"a": torch.zeros(16 * 2**20)}, model / "pytorch_model.bin")
    with subprocess.Popen(
        [sys.executable, "-m", "hfcheck", "convert", str(model)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        end = time.monotonic() + 30
        while not list(model.glob(".hfcheck-*.part")) and time.monotonic() < end:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert errors.splitlines()[-1] == "hfcheck: interrupted: nothing was converted"
    assert [path.name for path in model.iterdir()] == ["pytorch_model.bin"]
