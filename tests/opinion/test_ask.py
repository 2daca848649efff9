"""fickling in a process of its own: its word, its faults, and what it must never do."""

import json
import os
import pickle
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import pytest

from hfcheck.opinion import ask as asking
from hfcheck.opinion.answer import LEANINGS, Judged, Leaning, Opinion, Silent
from hfcheck.opinion.ask import ask

SYSTEM = b"cos\nsystem\n(S'echo hfcheck-marker'\ntR."

KILLED = "memory or processor time, or by somebody"
IMPROPER = "its process gave no proper answer"

CRASHES = {
    "PERSID": (b"Pabc\n.", "PERSID"),
    "FLOAT": (pickle.dumps(1.5, 0), "FLOAT"),
    "BYTEARRAY8": (pickle.dumps(bytearray(b"x"), 5), "BYTEARRAY8"),
}
"""Pickles as good as others, on which fickling 0.1.12 fails."""


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (pickle.dumps([1, 2]), "LIKELY_SAFE"),
        (pickle.dumps(OrderedDict(a=1)), "SUSPICIOUS"),
        (b"cfoo.bar\nbaz\n.", "LIKELY_UNSAFE"),
        (SYSTEM, "LIKELY_OVERTLY_MALICIOUS"),
        (SYSTEM[:-1], "LIKELY_OVERTLY_MALICIOUS"),
    ],
)
def test_words(content: bytes, word: str) -> None:
    found = ask(content)
    assert isinstance(found, Judged)
    assert (found.engine.split()[0], found.word) == ("fickling", word)
    assert bool(found.reasons) == (word != "LIKELY_SAFE")


@pytest.mark.parametrize("name", CRASHES)
def test_its_crash_is_its_crash(name: str) -> None:
    content, opcode = CRASHES[name]
    found = ask(content)
    assert isinstance(found, Silent)
    assert "fickling" in found.reason
    assert "NotImplementedError" in found.reason
    assert opcode in found.reason


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 10, b"\x80\x04\x96" + (2**60).to_bytes(8, "little") + b"x.", b"\x80\x04]" + b"2\x86" * 5000 + b"."],
    ids=["empty", "no opcode", "a length beyond all memory", "nested"],
)
def test_any_bytes_have_an_answer(content: bytes) -> None:
    assert isinstance(ask(content), (Judged, Silent))


def test_more_opcodes_than_ours_are_counted_too() -> None:
    """It reads by other rules than hfcheck, and may see more in the same bytes."""
    found = ask(b"\x80\x04" + b"K\x010" * 60_000 + b"N.")
    assert isinstance(found, Silent)
    assert "opcodes" in found.reason


def test_the_clock_ends_it() -> None:
    before = time.monotonic()
    assert ask(pickle.dumps(list(range(30_000))), seconds=0.05) == Silent("it took more than 0.05 seconds")
    assert time.monotonic() - before < 5


def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> Opinion:
    """What is made of another program in the place of the worker."""
    worker = tmp_path / "worker.py"
    worker.write_text(f"import json, os, resource, sys\n{source}\n")
    monkeypatch.setattr(asking, "WORKER", str(worker))
    return ask(b"N.", seconds=2)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("sys.exit(3)", "its process ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", f"its process was ended by SIGKILL: a limit on {KILLED}"),
        ("print('no JSON')", "its process gave no answer"),
        ("print('[' * 10_000)", "its process gave no answer"),
        ("print('[1]')", IMPROPER),
        ("print(json.dumps({'fickling': '1', 'severity': 'a\\x1b', 'message': ''}))", IMPROPER),
        ("print('x' * 10**6)", "it took more than 2 seconds"),
    ],
)  # fmt: skip
def test_no_answer_is_no_opinion(source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stub(tmp_path, monkeypatch, source) == Silent(said)


def test_it_is_given_nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source = "print(json.dumps({'unavailable': ' '.join([*sorted(os.environ), *os.listdir()])}))"
    found = stub(tmp_path, monkeypatch, source)
    assert isinstance(found, Silent)
    assert set(found.reason.split()) <= {"PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_CTYPE"}


def worker(program: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run Python after `main` of the worker, in the same process."""
    text = f"import runpy; main = runpy.run_path({asking.WORKER!r})['main']; main()\n{program}"
    command = [sys.executable, "-I", "-c", text]
    return subprocess.run(command, input=b"N.", cwd=folder, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("open('written', 'wb', buffering=0).write(b'x')", "File too large"),
        ("bytearray(3 * 2**30)", "MemoryError"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "never allowed"),
        ("import subprocess; subprocess.run(['true'])", "never allowed"),
        ("import os; os.system('true')", "never allowed"),
        (f"import pickle; pickle.loads({SYSTEM!r})", "never allowed"),
    ],
)
def test_what_the_worker_cannot_do(program: str, error: str, tmp_path: Path) -> None:
    done = worker(program, tmp_path)
    assert json.loads(done.stdout)["severity"] == "LIKELY_SAFE", "it has answered before"
    assert done.returncode
    assert error in done.stderr.decode()


def test_the_worker_says_so_where_there_is_no_fickling() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", asking.WORKER], input=b"N.", capture_output=True, timeout=60, check=False
    )
    assert "fickling" in json.loads(done.stdout)["unavailable"]


def test_hfcheck_itself_never_imports_it() -> None:
    program = "import sys; from hfcheck.opinion.ask import ask; ask(b'N.'); print('fickling' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"


def test_an_interrupt_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if self not in started:
                started.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr("hfcheck.opinion.ask.subprocess.Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(b"N.")
    assert started[0].returncode == -9


def test_the_words_are_those_of_the_installed_fickling() -> None:
    """Run beside it: a new word would be taken for one that says nothing either way."""
    program = "from fickling.analysis import Severity; print(*(severity.name for severity in Severity))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == list(LEANINGS)
    assert Judged("fickling 2", "CERTAINLY_FINE", "").leaning is Leaning.UNSURE
