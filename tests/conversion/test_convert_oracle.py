"""A conversion beside the way through torch, safetensors and transformers: a sample of `benchmarks.conversion`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loader

ROOT = Path(__file__).resolve().parents[2]
TYPES = (
    "albert", "bart", "bert", "bloom", "clip", "electra", "gemma2", "gpt2", "llama", "mamba", "mixtral", "mpnet",
    "opt", "qwen2", "roberta", "swin", "t5", "vit", "wav2vec2", "whisper", "xglm", "xlm-roberta",
)  # fmt: skip


def test_the_same_files_and_the_same_loads() -> None:
    pytest.importorskip("transformers")
    command = [sys.executable, "-m", "benchmarks.conversion", "--types", *TYPES]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z ]+)", done.stdout.splitlines()[-1])}
    assert counts["models"] >= 20, done.stdout
    assert counts["tied tensors"] > 0, "nothing was left out, and so nothing tried"
