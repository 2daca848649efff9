"""Every example of every rule, and what every rule must have. No rule is named here."""

import re
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.engine import OWN_RULES
from hfcheck.registry import load
from hfcheck.reports.explanation import documentation
from hfcheck.rule import Rule

RULES = load()
CASES = [case for rule in RULES for case in testing.cases(type(rule))]
FAMILIES = {
    "REP", "FMT", "IDX", "CFG", "WGT", "QNT", "TOK", "GEN", "PKL", "RMC", "SEC", "ADP", "PIP", "DEV", "HFC",
}  # fmt: skip
SECURITY = {"RMC", "SEC", "PKL"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_example(case: testing.Case, tmp_path: Path) -> None:
    testing.check(case, tmp_path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_examples_are_enough(rule: Rule) -> None:
    assert rule.bad or rule.id.startswith("HFC"), "each rule shows what it finds"
    assert sum(example.near_miss for example in rule.good) >= 2, "two near misses: what looks wrong and is legal"
    titles = [example.title for example in (*rule.bad, *rule.good)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("rule", [*RULES, *OWN_RULES], ids=lambda rule: rule.name)
def test_metadata(rule: Rule) -> None:
    family = rule.id[:3]
    assert family in FAMILIES
    assert (rule.confidence is not None) == (family in SECURITY), (
        "security rules say how sure they are, others are facts"
    )
    assert rule.confidence in {None, "high", "medium", "low"}
    assert rule.hint.endswith("."), "a hint is a sentence"
    assert re.fullmatch(r"[0-9]+\.[0-9]+", rule.since)
    headings = re.findall(r"^## (.*)$", documentation(rule), re.MULTILINE)
    assert headings == ["What it finds", "Why it matters", "How to put it right"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_names_agree(rule: Rule) -> None:
    module = type(rule).__module__.rsplit(".", 1)[-1]
    assert module == rule.name.replace("-", "_")
    assert type(rule).__name__ == "".join(word.capitalize() for word in rule.name.split("-"))


def test_ids_and_names_are_unique() -> None:
    words = [word for rule in (*RULES, *OWN_RULES) for word in (rule.id, rule.name)]
    assert len(words) == len(set(words))
