"""A sample of the benchmark of twins: hfcheck says the same of weights as safetensors and as `.bin`.

The whole of it takes minutes: `python -m benchmarks.pickle_twins`. This seed is not the one of the published figures.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loader

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("bart", "bert", "gemma2", "gpt2", "llama", "qwen3_moe", "t5", "vit")


def test_twins_are_told_alike() -> None:
    pytest.importorskip("transformers")
    command = [sys.executable, "-m", "benchmarks.pickle_twins", "--seed", "3000", "--each", "6", "--types", *TYPES]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{len(TYPES)} classes, {6 * len(TYPES)} cases"), done.stdout
