"""What the armour tests share: the program as a user runs it, and a repository with every kind of fault."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Cut, Example, Link, Pipe, Pointer
from hfcheck.report import RepositoryReport

F16 = ("F16", [2, 3])
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
INDEX = "model.safetensors.index.json"
ONE, TWO, THREE = (f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))

FAULTY = Example(
    "one of each",
    {
        "config.json": CONFIG,
        INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO, "c": THREE, "d": "../outside.safetensors"}},
        ONE: {"a": F16},
        TWO: Cut({"b": F16}, 5),
        "generation_config.json": "<<<<<<< HEAD\n{}\n",
        "tokenizer.model": Pointer(500_000),
        "sub/adapter_config.json": {"peft_type": "LORA"},
        "sub/adapter_model.safetensors": {"x": F16, "y": F16},
        "leaves.json": Link("../../etc/hostname"),
        "pipe.bin": Pipe(),
    },
)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A repository with faults of many kinds."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    testing.write(FAULTY, folder)
    return folder


@pytest.fixture
def checked() -> Callable[[Path], RepositoryReport]:
    """The report of a repository, by the engine with all rules."""
    rules = registry.load()
    return lambda folder: engine.check(".", str(folder), rules, Settings())


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program() -> Program:
    """The program in a process of its own: `program("check", ".", cwd=folder, TZ="UTC")`."""

    def run(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        keep = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "PYTHONPATH", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        command = [sys.executable, "-m", "hfcheck", *arguments]
        return subprocess.run(
            command, cwd=cwd, env={**keep, **environment}, capture_output=True, text=True, timeout=120, check=False
        )

    return run
