"""The models in `examples`: what hfcheck and the loader say of them, and that the README shows it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.finding import Severity
from hfcheck.report import RepositoryReport, Verdict

ROOT = Path(__file__).resolve().parents[2]
WHOLE, BROKEN = (ROOT / "examples" / name for name in ("tiny-llama", "tiny-llama-broken"))


def checked(folder: Path) -> RepositoryReport:
    return engine.check(folder.name, str(folder), registry.load(), Settings())


def test_nothing_is_wrong_with_the_whole_one() -> None:
    report = checked(WHOLE)
    assert (report.findings, report.verdict(Severity.NOTE)) == ((), Verdict.PASS)


def test_each_accident_is_found_once() -> None:
    found = [(located.finding.at.path, located.finding.name) for located in checked(BROKEN).findings]
    assert found == [
        ("config.json", "remote-code"),
        ("config.json", "remote-code-elsewhere"),
        ("generation_config.json", "json-invalid"),
        ("model.safetensors.index.json", "index-tensor-absent"),
        ("tokenizer.json", "lfs-pointer"),
    ]


def test_readme_shows_what_a_newcomer_sees() -> None:
    shown = re.search(r"<!-- output: examples -->\n```text\n(.*?)```\n", (ROOT / "README.md").read_text(), re.DOTALL)
    command = [sys.executable, "-m", "hfcheck", "check", "examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert shown is not None
    assert shown[1] == done.stdout


@pytest.mark.loader
def test_loader_takes_the_whole_one_and_is_silent_on_most_of_the_broken_one() -> None:
    transformers = pytest.importorskip("transformers")
    load = transformers.AutoModelForCausalLM.from_pretrained
    _, info = load(WHOLE, output_loading_info=True)
    assert not any(info.values())
    assert transformers.AutoTokenizer.from_pretrained(WHOLE).decode(300)

    model, info = load(BROKEN, output_loading_info=True)
    assert info.pop("missing_keys") == {"model.layers.0.mlp.gate_proj.weight"}
    assert not any(info.values())
    assert model.generation_config.temperature is None, "the settings of the file are not there"
    with pytest.raises(ValueError, match="Expecting value: line 1 column 1"):
        transformers.AutoTokenizer.from_pretrained(BROKEN)
