"""Real failures and attacks of the class `pickle`, rebuilt in small and harmless: each is found at its place.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Append, Content, Cut, Example, TorchZip
from hfcheck.example_models import LLAMA, llama_tensors
from hfcheck.example_pickles import call, torch_zip
from hfcheck.finding import At, Severity
from hfcheck.rule import Rule

BIN = "pytorch_model.bin"
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c" + bytes(26)
MARKER = call("posix", "system", "echo hfcheck-marker")

Files = dict[str, Content]


def weights(content: Content) -> Files:
    return {"config.json": LLAMA, BIN: content}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that was reported, how to build it, and what hfcheck has to say about it."""

    number: str
    build: Callable[[], Files]
    rule: str
    at: At
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.number}-{self.rule}"


FAILURES = (
    Failure("F244", lambda: weights(SEVEN_ZIP), "FMT014", At(BIN)),
    Failure("F244", lambda: weights(Append(Cut(MARKER, 1), b"\xff broken")), "PKL002", At(BIN)),
    Failure(
        "F247",
        lambda: weights(torch_zip(call("torch.utils.collect_env", "run", "echo hfcheck-marker"))),
        "PKL002",
        At(BIN, member="archive/data.pkl"),
    ),
    Failure(
        "F247",
        lambda: {"model.pkl": call("multiprocessing.util", "spawnv_passfds", "echo")},
        "PKL002",
        At("model.pkl"),
    ),
    Failure(
        "F247",
        lambda: {"model.pkl": call("mlflow.projects.backend.local", "_run_entry_point", "echo")},
        "PKL001",
        At("model.pkl"),
    ),
    Failure("F249", lambda: weights(TorchZip(llama_tensors())), "PKL032", At(BIN), Severity.NOTE),
    Failure("F250", lambda: weights(TorchZip(llama_tensors())), "PKL032", At(BIN), Severity.NOTE),
    Failure("F251", lambda: {"G_0.pth": torch_zip(MARKER)}, "PKL002", At("G_0.pth", member="archive/data.pkl")),
)


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    testing.write(Example("", failure.build()), tmp_path)
    report = engine.check(".", str(tmp_path), rules, Settings())
    found = [located.finding for located in report.findings]
    expected = (failure.rule, failure.at, failure.severity)
    assert expected in [(finding.id, finding.at, finding.severity) for finding in found]
    if failure.severity is Severity.NOTE:
        assert [finding for finding in found if finding.severity is Severity.ERROR] == []
