"""`hfcheck check --second-opinion`: notes beside the verdict, which stays what it is."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import validator_for

from hfcheck import engine
from hfcheck.company import Company
from hfcheck.config import Settings
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.opinion import gather
from hfcheck.opinion.answer import Judged, Opinion, Silent
from hfcheck.report import Report, RepositoryReport
from hfcheck.rule import Rule

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "report.schema.json").read_text())
MALICIOUS = "LIKELY_OVERTLY_MALICIOUS"
SYSTEM = b"cos\nsystem\n(S'echo hfcheck-marker'\ntR."


def check(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "hfcheck", "check", folder.name, "--format", "json", *options],
        cwd=folder.parent,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1, 3}, done.stderr
    assert "hfcheck-marker" not in done.stderr
    report = json.loads(done.stdout)
    validator_for(SCHEMA)(SCHEMA).validate(report)
    (found,) = report["repositories"]
    return done.returncode, found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "harmful.pkl").write_bytes(SYSTEM)
    (folder / "harmless.pkl").write_bytes(pickle.dumps({"a": [1, 2]}))
    (folder / "unsupported.pkl").write_bytes(pickle.dumps(1.5, 0))
    (folder / "two.pkl").write_bytes(pickle.dumps("one") + pickle.dumps("two"))
    return folder


def test_it_stands_beside_the_verdict(model: Path) -> None:
    plain_code, plain = check(model)
    code, found = check(model, "--second-opinion")
    assert plain["second_opinion"] is None
    said = [(one["path"], one["offset"], one["opinion"]) for one in found["second_opinion"]]
    assert said == [
        ("harmful.pkl", 0, MALICIOUS),
        ("harmless.pkl", 0, "LIKELY_SAFE"),
        ("two.pkl", 0, "LIKELY_SAFE"),
        ("two.pkl", len(pickle.dumps("one")), "LIKELY_SAFE"),
        ("unsupported.pkl", 0, None),
    ]
    assert all(one["engine"].startswith("fickling ") for one in found["second_opinion"] if one["opinion"])
    assert "failed on it with NotImplementedError" in found["second_opinion"][-1]["reason"]
    notes = [finding for finding in found["findings"] if finding["id"].startswith("HFC")]
    assert {(finding["id"], finding["severity"]) for finding in notes} == {("HFC005", "note")}, "they agree"
    rest = {key: value for key, value in found.items() if key not in {"findings", "second_opinion"}}
    assert code == plain_code
    assert rest == {key: value for key, value in plain.items() if key in rest}
    assert [finding for finding in found["findings"] if finding not in notes] == plain["findings"]


def test_no_settings_and_no_hook_ask(model: Path) -> None:
    (model.parent / ".hfcheck.toml").write_text("second-opinion = true\n")
    done = subprocess.run(
        [sys.executable, "-m", "hfcheck", "check", model.name],
        cwd=model.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "unknown setting 'second-opinion'" in done.stderr
    assert "--second-opinion" not in (ROOT / ".pre-commit-hooks.yaml").read_text()


class Error(Rule):
    """An error in every file with a pickle in it."""

    id, name, severity, since, hint = "PKL990", "error", Severity.ERROR, "1.0", "Take it away."
    bad = good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, _ in facts.pickled():
            yield self.finding(At(path), "an error")


class Quiet(Error):
    """The same, and nothing is found."""

    def check(self, facts: Facts) -> Iterator[Finding]:  # noqa: ARG002 - nothing to look at
        return iter(())


class Crash(Error):
    id = "PKL991"

    def check(self, facts: Facts) -> Iterator[Finding]:
        raise ValueError(facts.folder)


class Voice:
    """Gives the same answer to every question, and keeps what it was asked."""

    def __init__(self, answer: Opinion) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    def __call__(self, pickled: bytes) -> Opinion:
        self.asked.append(pickled)
        return self.answer


def judged(word: str) -> Voice:
    return Voice(Judged("fickling 0", word, ""))


def report(folder: Path, voice: Any, *rules: Rule) -> RepositoryReport:  # noqa: ANN401 - one of them is broken
    return engine.check(".", str(folder), rules, Settings(), Company(voice=voice))


def ids(found: RepositoryReport, path: str) -> list[str]:
    return sorted(located.finding.id for located in found.findings if located.finding.at.path == path)


def test_they_differ(model: Path) -> None:
    assert ids(report(model, judged(MALICIOUS), Quiet()), "harmless.pkl") == ["HFC005", "HFC006"]
    assert ids(report(model, judged("LIKELY_SAFE"), Error()), "harmful.pkl") == ["HFC005", "HFC006", "PKL990"]
    assert ids(report(model, judged("LIKELY_SAFE"), Quiet()), "harmless.pkl") == ["HFC005"]
    assert ids(report(model, judged(MALICIOUS), Error()), "harmful.pkl") == ["HFC005", "PKL990"]


def test_they_do_not_differ_where_ours_is_not_known(model: Path) -> None:
    assert ids(report(model, judged(MALICIOUS)), "harmless.pkl") == ["HFC005"], "no rule on pickles was run"
    assert ids(report(model, judged(MALICIOUS), Quiet(), Crash()), "harmless.pkl") == ["HFC005"], "one of them failed"


@pytest.mark.parametrize("fail_on", Severity)
def test_no_verdict_depends_on_it(model: Path, fail_on: Severity) -> None:
    for rule in (Quiet(), Error()):
        alone = engine.check(".", str(model), (rule,), Settings())
        for voice in (judged(MALICIOUS), judged("LIKELY_SAFE"), Voice(Silent("it failed"))):
            found = report(model, voice, rule)
            assert found.verdict(fail_on) is alone.verdict(fail_on)
            assert found.skipped == alone.skipped
            codes = [Report((one,), (rule,), fail_on).exit_code for one in (found, alone)]
            assert codes[0] == codes[1]


def test_many_notes_do_not_fail_either(tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"{number}.pkl").write_bytes(b"N.")
    voice = judged(MALICIOUS)
    found = report(tmp_path, voice, Quiet())
    assert len(voice.asked) == gather.MAX_ASKED
    assert found.heard is not None
    assert len(found.heard) == 150
    assert found.verdict(Severity.NOTE) is engine.check(".", str(tmp_path), (Quiet(),), Settings()).verdict(
        Severity.NOTE
    )


def test_what_is_handed_on(model: Path) -> None:
    voice = judged("LIKELY_SAFE")
    report(model, voice)
    two = [pickle.dumps("one"), pickle.dumps("two")]
    assert voice.asked == [SYSTEM, pickle.dumps({"a": [1, 2]}), *two, pickle.dumps(1.5, 0)]


def test_what_is_too_large_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MAX_OPCODES", 100)
    monkeypatch.setattr("hfcheck.formats.pickle_bytes.MAX_BYTES", 5000)
    (tmp_path / "opcodes.pkl").write_bytes(pickle.dumps(list(range(300))))
    (tmp_path / "text.pkl").write_bytes(pickle.dumps("a" * 6000))
    voice = judged(MALICIOUS)
    heard = report(tmp_path, voice).heard
    assert voice.asked == []
    assert heard is not None
    assert [isinstance(one.opinion, Silent) for one in heard] == [True, True]
    reasons = [one.opinion.reason for one in heard if isinstance(one.opinion, Silent)]
    assert "opcodes, and at most 100 are handed on" in reasons[0]
    assert "at most 5000 bytes" in reasons[1]


def test_a_voice_that_takes_too_long_is_heard_no_more(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MAX_SECONDS", -1.0)
    voice = judged("LIKELY_SAFE")
    heard = report(model, voice).heard
    assert voice.asked == []
    assert heard
    assert all("took more than" in one.opinion.reason for one in heard if isinstance(one.opinion, Silent))


def test_a_fault_of_ours_is_reported(model: Path) -> None:
    def broken(_: bytes) -> Opinion:
        raise ZeroDivisionError

    found = report(model, broken, Quiet())
    assert found.crashed
    assert ids(found, ".") == ["HFC003"]
