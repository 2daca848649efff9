"""The program in a process of its own, in a folder with a few repositories, and its words compared with a file."""

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import __version__, testing
from hfcheck.example import Example, Pointer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SNAPSHOTS = Path(__file__).with_name("snapshots")

POINTERS = Example(
    "a clone without git-lfs",
    {
        "config.json": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        "model.safetensors": Pointer(4096),
        "tokenizer.model": Pointer(500_000),
    },
)

PLUGIN = '''\
"""Rules of another distribution."""

from hfcheck.finding import At, Severity
from hfcheck.rule import Rule


class Remark(Rule):
    """A remark on every repository.

    ## What it finds
    Everything.

    ## Why it matters
    It does not.

    ## How to put it right
    Take the plugin away.
    """

    id, name, severity, since, hint = "REP990", "remark", Severity.NOTE, "1.0", "Take the plugin away."
    bad = good = ()

    def check(self, facts):
        yield self.finding(At(facts.folder or "."), "this is a repository")
'''

CRASH = """

class Crash(Rule):
    id, name, severity, since, hint = "REP991", "crash", Severity.NOTE, "1.0", "Report it."
    bad = good = ()

    def check(self, facts):
        yield from ()
        raise ValueError("no \\x1b[31m such\\n::error::thing ##[error]x")
"""


Run = Callable[..., "subprocess.CompletedProcess[str]"]
Snapshot = Callable[[str, "subprocess.CompletedProcess[str]"], None]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder to run in: `models/whole`, `models/lost` without a shard, `pointers`, and a text of no repository."""
    folder = tmp_path / "work"
    (folder / "notes").mkdir(parents=True)
    shutil.copytree(EXAMPLES / "tiny-llama", folder / "models" / "whole")
    shutil.copytree(EXAMPLES / "tiny-llama", folder / "models" / "lost")
    (folder / "models" / "lost" / "model-00002-of-00003.safetensors").unlink()
    (folder / "pointers").mkdir()
    testing.write(POINTERS, folder / "pointers")
    (folder / "notes" / "README.md").write_text("# Notes\n")
    return folder


@pytest.fixture
def run(work: Path) -> Run:
    """`run("check", ".", LANG="C")`: arguments of the program, and variables of an environment that has few others."""

    def program(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "hfcheck", *arguments],
            cwd=work,
            env={**kept, "HOME": str(work), **environment},
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=60,
            check=False,
        )

    return program


@pytest.fixture
def remarks(tmp_path: Path) -> str:
    """A `PYTHONPATH` with a distribution whose one rule remarks on every repository."""
    return install(tmp_path / "site", PLUGIN)


@pytest.fixture
def crashes(tmp_path: Path) -> str:
    """The same with a second rule, which fails."""
    return install(tmp_path / "site", PLUGIN + CRASH)


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """One whose rule lacks its severity, which nobody asks for until it is shown."""
    return install(tmp_path / "site", PLUGIN.replace(", severity, since", ", since").replace("Severity.NOTE, ", ""))


def install(site: Path, source: str) -> str:
    info = site / "remarks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: remarks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hfcheck.rules]\nremarks = remarks\n")
    (site / "remarks.py").write_text(source)
    return os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))


@pytest.fixture
def snapshot(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshot:
    """Compares what was said with `snapshots/NAME.txt`; `--update-snapshots` writes the file instead."""

    def compare(name: str, result: "subprocess.CompletedProcess[str]") -> None:
        command = " ".join(["hfcheck", *result.args[3:]])
        said = f"$ {command}\n{result.stdout}--- stderr\n{result.stderr}--- exit code {result.returncode}\n"
        said = said.replace(str(tmp_path), "<tmp>").replace(__version__, "<version>")
        path = SNAPSHOTS / f"{name}.txt"
        if request.config.getoption("--update-snapshots"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(said)
        before = path.read_text() if path.exists() else ""
        lines = difflib.unified_diff(before.splitlines(), said.splitlines(), "expected", "said", lineterm="")
        difference = "\n".join(lines)
        assert not difference, f"{difference}\n\nIf this is right: pytest tests/cli --update-snapshots"

    return compare
