"""A sample of the benchmark of agreement: what the real loader does with damaged models, hfcheck says beforehand.

The whole of it takes hours: `python -m benchmarks.agreement`. This seed is not one that the published figures are from.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loader

ROOT = Path(__file__).resolve().parents[2]
TYPES = (
    "albert", "bart", "bert", "blip-2", "bloom", "clip", "convnext", "deberta-v2", "deepseek_v3", "detr", "distilbert",
    "falcon", "gemma2", "gemma3", "gpt2", "gpt_neox", "gpt_oss", "granitemoe", "jamba", "llama", "llava", "mamba",
    "mistral", "mixtral", "modernbert", "mt5", "olmo2", "opt", "paligemma", "phi3", "qwen2", "qwen2_5_vl", "qwen3_moe",
    "resnet", "roberta", "siglip", "stablelm", "swin", "t5", "vit", "wav2vec2", "whisper",
)  # fmt: skip
CASES = 550
BAR = 0.99
"""Of the outcomes that hfcheck gives. The published bar is higher; of so few cases one may be unlucky."""


def test_hfcheck_says_what_the_loader_does(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    out = tmp_path / "agreement.jsonl"
    options = ["--seed", "3000", "--cases", str(CASES), "--types", *TYPES, "--misses", "--bar", str(BAR)]
    command = [sys.executable, "-m", "benchmarks.agreement", "--out", str(out), *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    judged = [line for line in lines if "said" in line and line["said"]["outcome"] != "not-checked"]
    assert done.returncode == 0, f"less agreement than {BAR}, or an error about an undamaged model:\n{done.stdout}"
    assert len(judged) > CASES / 2, "agreement is no merit of who says nothing"
