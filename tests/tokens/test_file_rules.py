"""What the rules on the files of a tokenizer say about their examples, against AutoTokenizer on the same files."""

import json
from pathlib import Path
from typing import Any

import pytest

from hfcheck import testing
from hfcheck.finding import Severity
from hfcheck.registry import load

transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.loader, pytest.mark.filterwarnings("default")]

IDS = ("TOK010", "TOK012", "TOK013", "TOK014", "TOK016", "TOK018")
NEEDS_MORE = (".model", ".tiktoken", "tekken.json", ".gguf", ".py", "model_index.json")
"""Files that need a library or code that is not there, or that lie in folders of their own."""

WRONG = ("into letters", "cut otherwise", "becomes a token")
"""What errors say of tokenizers that are made all the same."""


def is_about_files(case: testing.Case) -> bool:
    """Whether the files of an example are a tokenizer that the library in these tests reads, or is to read."""
    files = case.example.files
    settings = files.get("tokenizer_config.json", {})
    return (
        not any(name.endswith(NEEDS_MORE) for name in files)
        and any("tokenizer" in name or name.startswith(("vocab", "special")) for name in files)
        and isinstance(settings, dict)
        and "auto_map" not in settings
    )


CASES = [case for rule in load() if rule.id in IDS for case in testing.cases(type(rule)) if is_about_files(case)]


def loaded(folder: Path) -> Any:  # noqa: ANN401 - a tokenizer, or the error in its place
    try:
        return transformers.AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - what it raises is the answer
        return error


def is_usable(folder: Path) -> bool:
    """Whether there is a tokenizer that knows more than its special tokens."""
    made = loaded(folder)
    return not isinstance(made, Exception) and bool(made.get_vocab().keys() - set(made.all_special_tokens))


@pytest.mark.parametrize("case", [case for case in CASES if case.bad], ids=str)
def test_an_error_is_one(case: testing.Case, tmp_path: Path) -> None:
    testing.write(case.example, tmp_path)
    found = testing.findings(case.rule, tmp_path)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    is_note = case.rule.id == "TOK010" and not errors  # that there is no tokenizer is none where nothing claims one
    if not is_note and not any(words in finding.message for finding in errors for words in WRONG):
        assert is_usable(tmp_path) is not bool(errors), [finding.message for finding in found]


@pytest.mark.parametrize("case", [case for case in CASES if case.example.near_miss], ids=str)
def test_a_near_miss_loads(case: testing.Case, tmp_path: Path) -> None:
    testing.write(case.example, tmp_path)
    made = {path.name for path in tmp_path.iterdir()} & {"tokenizer.json", "tokenizer_config.json"}
    assert is_usable(tmp_path) or not made


@pytest.mark.parametrize("case", [case for case in CASES if case.bad and case.rule.id == "TOK012"], ids=str)
def test_a_token_that_loses_has_another_id(case: testing.Case, tmp_path: Path) -> None:
    testing.write(case.example, tmp_path)
    made = loaded(tmp_path)
    for finding in testing.findings(case.rule, tmp_path):
        if finding.severity is not Severity.WARNING:
            continue
        value = json.loads((tmp_path / finding.at.path).read_text())
        *keys, last = (finding.at.pointer or "").split("/")[1:]
        for key in keys:
            value = value[key]
        content, index = (value[int(last)]["content"], value[int(last)]["id"]) if keys else (last, value[last])
        assert made.get_vocab().get(content) != index


@pytest.mark.parametrize("case", [case for case in CASES if case.bad and case.rule.id == "TOK013"], ids=str)
def test_the_file_that_loses_does_not_give_the_role(case: testing.Case, tmp_path: Path) -> None:
    testing.write(case.example, tmp_path)
    made = loaded(tmp_path)
    for finding in testing.findings(case.rule, tmp_path):
        role = (finding.at.pointer or "").removeprefix("/")
        value = json.loads((tmp_path / finding.at.path).read_text())[role]
        assert getattr(made, role) != (value["content"] if isinstance(value, dict) else value)
