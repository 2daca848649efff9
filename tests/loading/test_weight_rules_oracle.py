"""The examples of the rules about weights against transformers itself: what it reports of each is what is judged."""

from pathlib import Path
from typing import Any

import pytest

from hfcheck import testing
from hfcheck.facts import Facts, units
from hfcheck.registry import load
from hfcheck.repository import scan

transformers = pytest.importorskip("transformers")
pytestmark = [pytest.mark.loader, pytest.mark.filterwarnings("ignore")]

BY_TEXT = {"WGT001", "WGT002", "WGT003", "WGT004", "WGT028"}
"""Rules that speak of names and shapes alone: their examples are no whole models."""

CASES = [
    case
    for rule in load()
    if rule.id.startswith("WGT") and rule.id not in BY_TEXT
    for case in testing.cases(type(rule))
    if "quantization_config" not in case.example.files["config.json"]  # its packages are not installed
]


def facts(case: testing.Case, folder: Path) -> Facts:
    testing.write(case.example, folder)
    return units(scan(str(folder)))[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_loader_reports_what_is_judged(case: testing.Case, tmp_path: Path) -> None:
    judged = facts(case, tmp_path).load
    assert judged.architecture is not None
    model_class = getattr(transformers, judged.architecture)
    try:
        found: dict[str, Any] = model_class.from_pretrained(tmp_path, output_loading_info=True)[1]
    except RuntimeError:
        assert judged.outcome == "raises"
        return
    assert judged.outcome == ("loads-reinitialised" if found["missing_keys"] else "loads")
    assert set(judged.missing) == set(found["missing_keys"])
    assert set(judged.unexpected) == set(found["unexpected_keys"])
