"""SARIF against the schema of OASIS, and what the schema lets pass: fingerprints, indexes, lines, links, paths."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.judge import not_checked
from hfcheck.locate import Located
from hfcheck.report import Ignored, Reason, Report, RepositoryReport, Skipped
from hfcheck.reports import sarif
from hfcheck.rule import Rule

SCHEMA = Path(__file__).with_name("sarif-2.1.0-rtm.5.json")
RULES = tuple(sorted((*registry.load(), *engine.OWN_RULES), key=lambda rule: rule.id))
LOAD = not_checked("nothing was read")
SHARD = next(rule for rule in RULES if rule.id == "IDX001")


@cache
def schema() -> Validator:
    content = json.loads(SCHEMA.read_text())
    return validator_for(content)(content)


def complaints(document: dict[str, Any]) -> list[str]:
    """What the schema says, and what it does not see."""
    found = [f"{error.json_path}: {error.message}" for error in schema().iter_errors(document)]
    if has_null(document):
        found.append("a null")
    ids = [run["automationDetails"]["id"] for run in document["runs"]]
    if len(set(ids)) != len(ids):
        found.append(f"runs that GitHub cannot tell apart: {ids}")
    return [*found, *(complaint for run in document["runs"] for complaint in by_hand(run))]


def by_hand(run: dict[str, Any]) -> list[str]:
    found = []
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        properties = rule["properties"]
        if ("security-severity" in properties) != ("security" in properties["tags"]):
            found.append(f"{rule['id']}: security-severity is for security rules")
        if not 0 <= float(properties.get("security-severity", "0.0")) <= 10:
            found.append(f"{rule['id']}: security-severity out of range")
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    if len(set(prints)) != len(prints):
        found.append("a fingerprint twice")
    for result in run["results"]:
        if rules[result["ruleIndex"]]["id"] != result["ruleId"]:
            found.append(f"ruleIndex of another rule: {result}")
        region = result["locations"][0]["physicalLocation"]["region"]
        if region.get("startLine", 0) < 1 or ("byteOffset" in region) != ("byteLength" in region):
            found.append(f"no line, or bytes without length: {region}")
    return found


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    return any(map(has_null, value)) if isinstance(value, list) else value is None


def repository(
    path: str = "models/a",
    *findings: Located,
    skipped: tuple[Skipped, ...] = (),
    ignored: tuple[Ignored, ...] = (),
    crashed: bool = False,
) -> RepositoryReport:
    return RepositoryReport(path, Kind.TRANSFORMERS, "X", LOAD, 1, skipped, findings, ignored, crashed)


def located(at: At, message: str = "something is wrong", **numbers: int) -> Located:
    return Located(SHARD.finding(at, message), **numbers)


def document(*repositories: RepositoryReport) -> dict[str, Any]:
    return sarif.document(Report(repositories, RULES, version="0.1.0"))


def only_result(*repositories: RepositoryReport) -> dict[str, Any]:
    ((result,),) = (run["results"] for run in document(*repositories)["runs"])
    return dict(result)


def test_the_complaints_are_heard() -> None:
    broken = document(repository("a", located(At("x")), located(At("x"))), repository("a/"))
    for run in broken["runs"]:
        run["automationDetails"]["id"] = "hfcheck/"
    first, second = broken["runs"][0]["results"]
    second["partialFingerprints"] = first["partialFingerprints"]
    second["ruleIndex"] = 0
    first["locations"][0]["physicalLocation"]["region"] = {"byteOffset": 3}
    second["level"] = None
    said = "\n".join(complaints(broken))
    for word in ("None is not one of", "a null", "cannot tell apart", "fingerprint twice", "another rule", "no line"):
        assert word in said


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.bad], ids=lambda rule: rule.name)
def test_the_examples_of_a_rule(rule: Rule, tmp_path: Path) -> None:
    repositories = []
    for number, example in enumerate(rule.bad):
        folder = tmp_path / str(number)
        folder.mkdir()
        testing.write(example, folder)
        repositories.append(engine.check(f"models/{number}", str(folder), (rule,), Settings()))
    report = Report(tuple(repositories), (rule, *engine.OWN_RULES), version="0.1.0")
    assert complaints(json.loads(sarif.render(report))) == []
    assert str(tmp_path) not in sarif.render(report)


def test_all_rules_are_described() -> None:
    described = document(repository())
    assert complaints(described) == []
    rules = described["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(rule.id for rule in RULES)
    for rule in rules:
        assert rule["helpUri"].endswith(f"/docs/rules/{rule['id']}-{rule['name']}.md")
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]


def test_a_rule_of_a_plugin_has_no_page_of_ours() -> None:
    class Foreign(Rule):
        id, name, severity, since, hint = "REP990", "foreign", Severity.NOTE, "1.0", "Nothing."
        bad = good = ()

        def check(self, facts: Facts) -> Iterator[Finding]:
            yield self.finding(At("x"), f"{len(facts.files)} files")

    described = sarif.document(Report((repository(),), (Foreign(),), version="0.1.0"))
    assert complaints(described) == []
    assert "helpUri" not in described["runs"][0]["tool"]["driver"]["rules"][0]


@pytest.mark.parametrize(
    ("path", "uri", "id_"),
    [
        (".", "config.json", "hfcheck/"),
        ("models/a", "models/a/config.json", "hfcheck/models/a/"),
        ("./models//a/", "models/a/config.json", "hfcheck/models/a/"),
        ("models/a b%", "models/a%20b%25/config.json", "hfcheck/models/a%20b%25/"),
        ("/home/me/models/a", "config.json", "hfcheck/a/"),
        ("../a", "config.json", "hfcheck/a/"),
        ("a/../b", "config.json", "hfcheck/b/"),
        ("..", "config.json", "hfcheck/"),
        ("/", "config.json", "hfcheck/"),
    ],
)
def test_addresses_are_relative(path: str, uri: str, id_: str) -> None:
    described = document(repository(path, located(At("config.json"))))
    assert complaints(described) == []
    (run,) = described["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": uri,
        "uriBaseId": "ROOT",
    }
    assert run["automationDetails"]["id"] == id_
    assert list(run["originalUriBaseIds"]["ROOT"]) == ["description"]


def test_runs_of_one_name_are_told_apart() -> None:
    described = document(*(repository(path) for path in ("/x/a", "/y/a", "a", "a~2", "../a")))
    assert complaints(described) == []


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a b", "a%20b"),
        ("a:b", "a%3Ab"),
        ("//host/x", "host/x"),
        ("http://host/x", "http%3A/host/x"),
        ("/etc/passwd", "etc/passwd"),
        ("../x", "%5Cx2e%5Cx2e/x"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("é", "%C3%A9"),
        ("\udcff", "%FF"),
        ("\ud800", "%5Cud800"),
        ("A-Z_a.z~9", "A-Z_a.z~9"),
    ],
)
def test_uri(path: str, uri: str) -> None:
    assert sarif.uri(path) == uri


def test_a_place_in_text_and_one_in_bytes() -> None:
    region = only_result(repository("a", located(At("config.json", "/x"), line=3, column=5)))["locations"][0]
    assert region["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 6}
    region = only_result(repository("a", located(At("m.safetensors", tensor="x"), offset=8)))["locations"][0]
    assert region["physicalLocation"]["region"] == {
        "startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2, "byteOffset": 8, "byteLength": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at", "name", "qualified", "kind"),
    [
        (At("i.json", "/weight_map/a~1b"), "a/b", "/weight_map/a~1b", "property"),
        (At("m.safetensors", tensor="lm_head.weight"), "lm_head.weight", "m.safetensors#lm_head.weight", "tensor"),
        (At("m.bin", member="archive/data.pkl"), "archive/data.pkl", "m.bin!/archive/data.pkl", "resource"),
        (At("m.bin", member="a.pkl", tensor="x"), "x", "m.bin!/a.pkl#x", "tensor"),
    ],
)
def test_a_place_inside_a_file(at: At, name: str, qualified: str, kind: str) -> None:
    (place,) = only_result(repository("a", located(at)))["locations"]
    assert place["logicalLocations"] == [{"name": name, "fullyQualifiedName": qualified, "kind": kind}]
    assert "logicalLocations" not in only_result(repository("a", located(At("x"))))["locations"][0]


def test_the_same_fault_twice_in_one_place() -> None:
    described = document(repository("a", located(At("x"), offset=1), located(At("x"), offset=9)))
    assert complaints(described) == []
    first, second = (result["partialFingerprints"] for result in described["runs"][0]["results"])
    assert first["hfcheck/v1"] == second["hfcheck/v1"]
    assert [first["primaryLocationLineHash"][-2:], second["primaryLocationLineHash"][-2:]] == [":1", ":2"]


def test_ignored_results_stay_and_are_marked() -> None:
    described = document(repository("a", located(At("x")), ignored=(Ignored(located(At("y")), "known since May"),)))
    assert complaints(described) == []
    shown, ignored = described["runs"][0]["results"]
    assert shown["suppressions"] == []
    assert ignored["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "known since May"}]


def test_a_run_that_saw_everything_is_successful() -> None:
    (run,) = document(repository("a", located(At("x")), skipped=(Skipped("README.md", Reason.UNKNOWN),)))["runs"]
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 1, "toolExecutionNotifications": []}]


def test_what_was_not_checked_is_said() -> None:
    skipped = (
        Skipped("README.md", Reason.UNKNOWN),
        Skipped("m.bin", Reason.PICKLE),
        Skipped(".", Reason.LIMIT, "deep"),
    )
    described = document(repository("a", skipped=skipped))
    assert complaints(described) == []
    (invocation,) = described["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["exitCode"] == 3
    notes = invocation["toolExecutionNotifications"]
    uris = [note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for note in notes]
    assert uris == ["a/m.bin", "a"]
    assert notes[1]["message"]["text"] == "Not checked: limit reached (deep)."


def test_more_files_than_anybody_reads_are_counted() -> None:
    skipped = tuple(Skipped(f"{number}.bin", Reason.PICKLE) for number in range(sarif.NOTIFICATIONS + 7))
    notes = document(repository("a", skipped=skipped))["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == sarif.NOTIFICATIONS + 1
    assert notes[-1]["message"]["text"] == "7 more files were not checked."


def test_a_crash_is_no_success() -> None:
    (run,) = document(repository("a", crashed=True))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["exitCode"] == 4


def test_a_message_holds_no_link_and_no_placeholder() -> None:
    result = only_result(repository("a", located(At("x"), 'the key "[here](http://evil) {0}" is odd')))
    assert result["message"]["text"].startswith('the key "[here]\\x28http://evil) {{0}}" is odd. ')


def test_the_severity_of_the_case_counts() -> None:
    finding = Finding("IDX001", "index-shard-missing", Severity.NOTE, At("x"), "m", "H.")
    assert only_result(repository("a", Located(finding)))["level"] == "note"


def test_a_finding_of_an_unknown_rule_has_no_index() -> None:
    finding = Finding("REP999", "unheard-of", Severity.NOTE, At("x"), "m", "H.")
    assert "ruleIndex" not in only_result(repository("a", Located(finding)))
