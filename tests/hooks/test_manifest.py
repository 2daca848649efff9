"""The hook manifest: pre-commit takes it, and every file that hfcheck reads passes its `files`."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hfcheck.formats import BY_SUFFIX
from hfcheck.layout import MODEL_SUFFIXES, READ_BY_LOADERS

MANIFEST = Path(__file__).resolve().parents[2] / ".pre-commit-hooks.yaml"
HOOKS: dict[str, dict[str, Any]] = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text())}

INSIDE = (
    "model.safetensors",
    "models/llama/model-00001-of-00002.safetensors",
    "pytorch_model.bin",
    "WEIGHTS.PT",
    "consolidated.00.pth",
    "tokenizer.model",
    "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
    "modeling_x.py",
    "chat_template.jinja",
    "models/README.md",
    ".gitattributes",
    "models/.gitattributes",
    "a name with blanks.onnx",
    *READ_BY_LOADERS,
)
OUTSIDE = (
    "LICENSE",
    "docs/guide.md",
    "NOTREADME.md",
    "my.gitattributes",
    "notes.txt",
    "assets/figure.png",
    "safetensors",
    "data.json.orig",
    "model.safetensors.sha256",
    "train.pyc",
    "src/main.rs",
)


def matches(name: str) -> bool:
    return re.search(HOOKS["hfcheck"]["files"], name) is not None  # `search`, as pre-commit does


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_files_takes(name: str) -> None:
    assert matches(name)


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_files_leaves(name: str) -> None:
    assert not matches(name)


@pytest.mark.parametrize("suffix", sorted({*MODEL_SUFFIXES, *BY_SUFFIX}))
def test_files_takes_what_hfcheck_knows(suffix: str) -> None:
    assert matches(f"x{suffix}" if suffix != ".gitattributes" else suffix)


def test_one_process_sees_all_files() -> None:
    assert HOOKS["hfcheck"]["require_serial"], "or a long list is split, and a repository checked more than once"
    assert not HOOKS["hfcheck-repo"]["pass_filenames"]


def test_pre_commit_takes_the_manifest() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_own_hooks_run_the_ruff_of_the_constraints() -> None:
    (pinned,) = re.findall(r"^ruff==.*$", (MANIFEST.parent / "constraints.txt").read_text(), re.MULTILINE)
    settings = yaml.safe_load((MANIFEST.parent / ".pre-commit-config.yaml").read_text())
    used = [hook["additional_dependencies"] for repository in settings["repos"] for hook in repository["hooks"]]
    assert used == [[pinned]] * len(used)
