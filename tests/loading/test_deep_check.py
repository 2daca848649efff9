"""`hfcheck check --deep`: the installed transformers judges what the atlas does not, and is asked nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry, testing
from hfcheck.budget import Clock
from hfcheck.company import Company
from hfcheck.config import Settings
from hfcheck.example import Content, Example
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.loading.answer import Answer, Denied, Unanswered
from hfcheck.loading.choose import Choice
from hfcheck.report import RepositoryReport

ROOT = Path(__file__).resolve().parents[2]

XMOD: dict[str, Any] = {
    "model_type": "xmod", "architectures": ["XmodForMaskedLM"], "vocab_size": 32, "hidden_size": 8,
    "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 16,
    "languages": ["en_XX", "de_DE"], "pad_token_id": 1,
}  # fmt: skip
"""A class that the atlas has no certain data for: its parameters have names made of strings in the config."""

OWN_CODE: dict[str, Any] = {
    "model_type": "my_net", "architectures": ["MyNet"], "auto_map": {"AutoConfig": "net.C", "AutoModel": "net.N"},
}  # fmt: skip


def check(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the only repository of the report; answers are cached beside the folder."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "hfcheck", "check", folder.name, "--format", "json", "--ignore", "TOK", *options],
        cwd=folder.parent,
        env={**kept, "XDG_CACHE_HOME": str(folder.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    (found,) = json.loads(done.stdout)["repositories"]
    return done.returncode, found


@pytest.fixture
def xmod(tmp_path: Path) -> Path:
    """What the real class saves."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "model"
    transformers.XmodForMaskedLM(transformers.XmodConfig(**XMOD)).save_pretrained(folder)
    return folder


def write(folder: Path, files: Mapping[str, Content]) -> Path:
    folder.mkdir(exist_ok=True)
    testing.write(Example("", files), folder)
    return folder


def without_a_tensor(folder: Path) -> str:
    """Take the last tensor that is no bias out of the file, and say which."""
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = safetensors.load_file(folder / "model.safetensors")
    name = [name for name in sorted(tensors) if name.endswith("dense1.weight")][-1]
    del tensors[name]
    safetensors.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return str(name)


@pytest.mark.loader
def test_the_installed_transformers_judges(xmod: Path) -> None:
    code, plain = check(xmod)
    assert (code, plain["load"]["engine"], plain["load"]["outcome"]) == (0, "transformers 5.23.0", "not-checked")
    code, deep = check(xmod, "--deep")
    assert (code, deep["load"]["outcome"], deep["load"]["architecture"]) == (0, "loads", "XmodForMaskedLM")
    assert deep["load"]["engine"].endswith(" (installed)")
    assert deep["findings"] == []
    lost = without_a_tensor(xmod)
    code, deep = check(xmod, "--deep")
    assert (code, deep["load"]["outcome"], deep["load"]["missing"]) == (1, "loads-reinitialised", [lost])
    assert [(found["id"], found["tensor"]) for found in deep["findings"]] == [("WGT019", lost)]
    assert len(list((xmod.parent / "cache" / "hfcheck" / "deep").iterdir())) == 1, "one question, asked once"


@pytest.mark.loader
def test_what_it_refuses_is_an_error(xmod: Path) -> None:
    config = json.loads((xmod / "config.json").read_text())
    (xmod / "config.json").write_text(json.dumps(config | {"pad_token_id": 32}))
    code, found = check(xmod, "--deep")
    assert (code, found["load"]["outcome"]) == (1, "raises")
    assert "AssertionError" in found["load"]["reason"]
    assert [finding["severity"] for finding in found["findings"]] == ["error"]


@pytest.mark.loader
@pytest.mark.parametrize(
    "files",
    [
        repository(LLAMA, llama_tensors()),
        repository(OWN_CODE, {"net.weight": ("F32", [2, 2])}),
        repository({**LLAMA, "architectures": ["MyNet"], "auto_map": OWN_CODE["auto_map"]}, llama_tensors()),
        {"config.json": XMOD},
    ],
    ids=["known", "code of its own", "code of its own for a known type", "no weights"],
)
def test_it_is_not_asked_without_need(files: Mapping[str, Content], tmp_path: Path) -> None:
    folder = write(tmp_path / "model", files)
    plain, deep = check(folder), check(folder, "--deep")
    assert plain == deep
    assert not (tmp_path / "cache").exists()


def test_no_settings_and_no_hook_ask(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", repository(LLAMA, llama_tensors()))
    for name, text in ((".hfcheck.toml", "deep = true\n"), ("pyproject.toml", "[tool.hfcheck]\ndeep = true\n")):
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "hfcheck", "check", folder.name],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert "unknown setting 'deep'" in done.stderr
        (tmp_path / name).unlink()
    assert "--deep" not in (ROOT / ".pre-commit-hooks.yaml").read_text()


class Oracle:
    """Gives the same answer to every question, and remembers for which class it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, config: Mapping[str, Any], choice: Choice) -> Answer:
        self.asked.append(choice.class_name)
        assert config["model_type"] == choice.model_type
        return self.answer


def report(folder: Path, oracle: Any) -> RepositoryReport:  # noqa: ANN401 - one of them is broken
    """The check of a model without a tokenizer, which is no matter here."""
    rules = tuple(rule for rule in registry.load() if not rule.id.startswith("TOK"))
    return engine.check(".", str(folder), rules, Settings(), Company(ask=oracle))


def test_an_answer_that_does_not_come_changes_nothing_else(tmp_path: Path) -> None:
    """Five layers, of which one lacks what the others have: that is still remarked."""
    layers = {f"roberta.encoder.layer.{n}.{part}.weight": ("F32", [8, 8]) for n in range(5) for part in "abc"}
    del layers["roberta.encoder.layer.2.b.weight"]
    oracle = Oracle(Unanswered("transformers is not installed beside hfcheck"))
    found = report(write(tmp_path / "model", repository(XMOD, layers, num_hidden_layers=5)), oracle)
    assert (found.load.outcome, found.load.reason) == ("not-checked", "transformers is not installed beside hfcheck")
    assert oracle.asked == ["XmodForMaskedLM"]
    assert [located.finding.id for located in found.findings] == ["WGT028"]


def test_a_refusal_has_one_finding_whatever_it_says(tmp_path: Path) -> None:
    denied = Denied("transformers 5.99.0 (installed)", 'at its constructor it raises ValueError: "no"')
    found = report(write(tmp_path / "model", repository(XMOD, {"a": ("F32", [2])})), Oracle(denied))
    assert (found.load.engine, found.load.outcome) == (denied.engine, "raises")
    ((finding, at),) = [(located.finding, located.finding.at) for located in found.findings]
    assert (finding.message, at.path) == (denied.reason, "config.json")


def test_a_fault_of_the_question_is_reported(tmp_path: Path) -> None:
    def broken(_config: Mapping[str, Any], _choice: Choice) -> Answer:
        raise LookupError

    found = report(write(tmp_path / "model", repository(XMOD, {"a": ("F32", [2])})), broken)
    assert found.crashed
    assert "HFC003" in {located.finding.id for located in found.findings}


def test_many_models_of_one_repository(tmp_path: Path) -> None:
    oracle = Oracle(Unanswered("not now"))
    files = {f"{number}/{name}": content for number in range(engine.MAX_ASKED + 2)
             for name, content in repository(XMOD, {"a": ("F32", [2])}).items()}  # fmt: skip
    assert report(write(tmp_path / "models", files), oracle).load.outcome == "not-checked"
    assert len(oracle.asked) == engine.MAX_ASKED


def test_the_time_of_an_answer_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((100.0, 190.0))
    monkeypatch.setattr("hfcheck.budget.monotonic", lambda: next(now))
    clock = Clock(end=130.0)
    with clock.stopped():
        pass
    assert clock.end == 220.0
