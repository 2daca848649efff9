"""Requirement 5: no string of a repository reaches a sink raw. The oracle is a parser of each format.

Where a string can lie on a disk the repository is written there and goes through the real engine; anything else is put
into a `Report` by hand.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unicodedata import category
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Archive, Content, Cut, Example, Header, Link
from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity, pointer, printable, visible
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.loading.judge import ENGINE, Load
from hfcheck.locate import Located
from hfcheck.report import Ignored, Reason, Report, RepositoryReport, Skipped
from hfcheck.reports import FORMATS, sink, text
from hfcheck.rule import Rule

PIECES = (
    "\x00", "\x07", "\x1b[31m", "\x1b]8;;http://evil\x1b\\x", "\x1b]52;c;eA==\x07", "\x1b[2J", "\x9b31m", "\x7f",
    "\x85", "\r", "\n", "\r\n", "\t", "\x0b", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff",
    "\u00ad", "\U000e0041", "\ue000", "\u0378", "\udc80", "\udcff", "\ud800", "\udfff", "</script>", "<!--", "&lt;",
    "%0A", "%0D", "%25", "::error file=x::forged", " ::stop-commands::x", "\n::error::forged", "##[error]x", "###[",
    "##vso[task]", "##teamcity[x]", "|", "`", "```", "=cmd|' /C calc'!A0", "+1", "@here", "[x](http://evil)", "](",
    "{0}", "}}", "{", "\\", "\\n", "\\x1b", '"', "'", ",", ":", ";", "/", "//evil/", "../", " ", "  ", "\u00a0",
    "\u3000", "é", "漢", "a",
)  # fmt: skip
ANY_CHARACTER = st.integers(0, 0x10FFFF).map(chr)
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), ANY_CHARACTER), min_size=1, max_size=6).map("".join)


def file_name(string: str) -> str:
    """The string as far as it can be the name of a file, with bytes that are not UTF-8 where it holds surrogates."""
    name = os.fsdecode(string.replace("/", "").replace("\0", "").encode("utf-8", "surrogatepass")[:120])
    return f"n{name}" if name in {"", ".", ".."} else name


class Tells(Rule):
    """A rule of somebody who never heard of `quote`: it says raw whatever the repository says."""

    id, name, severity, since = "REP990", "tells", Severity.WARNING, "0.1"
    hint = "Nothing."
    bad = good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            yield self.finding(At(reading.path), reading.path, hint=reading.path)
            if isinstance(reading.facts, SafetensorsFacts):
                for tensor in reading.facts.tensors:
                    yield self.finding(At(reading.path, tensor=tensor), tensor, hint=f"{reading.facts.metadata}")
            if isinstance(reading.facts, JsonFacts) and isinstance(reading.facts.value, dict):
                for key, value in reading.facts.value.items():
                    yield self.finding(At(reading.path, pointer(key)), str(value), severity=Severity.NOTE)


class Fails(Rule):
    """A rule that fails, with what it read in the text of the exception."""

    id, name, severity, since = "REP991", "fails", Severity.ERROR, "0.1"
    hint = "Nothing."
    bad = good = ()

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield from ()
        raise ValueError("".join(reading.path for reading in facts.readings()) + str(facts.config))


RULES = (*registry.load(), Tells(), Fails())


def repository(name: str, other: str) -> dict[str, Content]:
    """Files that say `name` and `other` wherever a file can say something."""
    file, folder = file_name(name), file_name(other)
    index = {"metadata": {name: other}, "weight_map": {name: other, other: f"{file}.safetensors", "b": "../" + name}}
    return {
        "config.json": {
            "architectures": [name],
            "model_type": other,
            name: other,
            "auto_map": {other: f"{name}--{other}"},
        },
        "model.safetensors.index.json": index,
        "tokenizer_config.json": f'{{"a": 1, {json.dumps(name)}: NaN, {json.dumps(name)}: 2}}',
        f"{file}.safetensors": {name: ("F16", [2]), other: ("F16", [1]), "__metadata__": {name: other}},
        f"1{file}.safetensors": Cut({name: ("F16", [2])}, 1),
        f"2{file}.safetensors": Header(json.dumps({name: {"dtype": other, "shape": [], "data_offsets": [0, 0]}})),
        f"{folder}/config.json": f"<<<<<<< {name}\n".encode("utf-8", "surrogatepass"),
        f"{folder}/{file}": name.encode("utf-8", "surrogatepass"),
        f"{folder}/{file}.bin": Archive({name.encode("utf-8", "replace").decode(): b"x"}),
        "link.json": Link(f"../{file}"),
    }


@given(HOSTILE, HOSTILE)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_from_the_disk(name: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        testing.write(Example("hostile", repository(name, other)), Path(work))
        checked = engine.check("models/" + file_name(name), work, RULES, Settings())
        assert {located.finding.id for located in checked.findings} >= {"REP990", "HFC003"}
        check_all(Report((checked,), (), settings=name, version="0.1.0"), work)


PLACES = st.builds(At, HOSTILE, st.none() | HOSTILE.map(pointer), st.none() | HOSTILE, st.none() | HOSTILE)
FINDINGS = st.builds(Finding, st.just("REP990"), st.just("tells"), st.sampled_from(Severity), PLACES, HOSTILE, HOSTILE)
NUMBERS = st.sampled_from([(None, None, None), (3, 5, None), (None, None, 8)])
LOCATED = st.builds(lambda finding, numbers: Located(finding, *numbers), FINDINGS, NUMBERS)
NAMES = st.lists(HOSTILE, max_size=2).map(tuple)
LOADS = st.builds(
    Load,
    architecture=st.none() | HOSTILE,
    outcome=st.sampled_from(["loads", "loads-reinitialised", "raises", "not-checked"]),
    reason=st.just("") | HOSTILE,
    engine=st.just(ENGINE),
    missing=NAMES,
    unexpected=NAMES,
    mismatched=NAMES,
    spec=st.none(),
    causes=st.just(()),
    is_refused=st.booleans(),
    gap=st.none(),
    open_question=st.none(),
)
REPOSITORIES = st.builds(
    RepositoryReport,
    path=HOSTILE,
    kind=st.sampled_from(Kind),
    architecture=st.none() | HOSTILE,
    load=LOADS,
    checked=st.integers(0, 9),
    skipped=st.lists(st.builds(Skipped, HOSTILE, st.sampled_from(Reason), HOSTILE), max_size=3).map(tuple),
    findings=st.lists(LOCATED, max_size=3).map(tuple),
    ignored=st.lists(st.builds(Ignored, LOCATED, HOSTILE), max_size=2).map(tuple),
)


@given(st.lists(REPOSITORIES, min_size=1, max_size=2), HOSTILE)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_by_hand(repositories: list[RepositoryReport], settings_file: str) -> None:
    check_all(Report(tuple(repositories), (), settings=settings_file, version="0.1.0"))


def check_all(report: Report, folder: str | None = None) -> None:
    """Every format of a report, against what the report holds; `folder` is the path that none of them may name."""
    check_json(report)
    check_sarif(report, folder)
    check_github(report)
    for width in (text.WIDTH, 50):
        check_text_lines(text.render(report, width))
    check_text(report)


def check_json(report: Report) -> None:
    written = FORMATS["json"](report)
    assert written.isascii()
    assert not re.search(r"[<>&]|##", written)
    document = json.loads(written)
    assert all(map(one_line, strings(document)))
    assert list(schema("schemas/report.schema.json").iter_errors(document)) == []
    assert document["settings"] == visible(report.settings or "")
    for told, meant in zip(document["repositories"], report.repositories, strict=True):
        assert told["path"] == visible(meant.path)
        assert told["load"]["architecture"] == shown(meant.load.architecture or meant.architecture)
        assert told["load"]["reason"] == printable(meant.load.reason)
        for kind in ("missing", "unexpected", "mismatched"):
            assert told["load"][kind] == list(map(visible, getattr(meant.load, kind)))
            assert told["load"]["counts"][kind] == len(told["load"][kind])
        assert [entry["path"] for entry in told["files"]["skipped"]] == [visible(entry.path) for entry in meant.skipped]
        assert [entry["reason"] for entry in told["ignored"]] == [visible(entry.reason) for entry in meant.ignored]
        for entry, located in zip(told["findings"], meant.findings, strict=True):
            at = located.finding.at
            assert entry["path"] == visible(at.path)
            assert [entry[key] for key in ("pointer", "tensor", "member")] == list(
                map(shown, (at.pointer, at.tensor, at.member))
            )
            assert (entry["message"], entry["hint"]) == (
                printable(located.finding.message),
                printable(located.finding.hint),
            )


SEGMENTS = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+(?:/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+)*")
"""A relative reference (RFC 3986, 4.2) without scheme, host, query or fragment: no character of them is left."""


def check_sarif(report: Report, folder: str | None) -> None:
    written = FORMATS["sarif"](report)
    assert written.isascii()
    assert not re.search(r"[<>&]|##", written)
    assert folder is None or folder not in written
    document = json.loads(written)
    assert all(map(one_line, strings(document)))
    assert list(schema("tests/reports/sarif-2.1.0-rtm.5.json").iter_errors(document)) == []
    for run, meant in zip(document["runs"], report.repositories, strict=True):
        found = {sarif_key(located): located for located in (*meant.findings, *(e.located for e in meant.ignored))}
        for result in run["results"]:
            message = result["message"]["text"]
            assert "](" not in message, "no link that could be clicked"
            assert not re.search(r"(?<!\{)\{(?:\{\{)*[0-9]", message), "no placeholder"
            (place,) = result["locations"]
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert SEGMENTS.fullmatch(uri)
            assert ".." not in uri.split("/")
            located = found[result["partialFingerprints"]["hfcheck/v1"], message]
            if folder is not None:
                assert unquote_to_bytes(uri) == os.fsencode(
                    (meant.prefix or "") + located.finding.at.path
                ).removesuffix(b"/.")


def sarif_key(located: Located) -> tuple[str, str]:
    """Fingerprint and text, the latter as 3.11.5 says and without links."""
    said = f"{printable(located.finding.message).rstrip('.')}. {printable(located.finding.hint)}"
    return located.finding.fingerprint, said.replace("{", "{{").replace("}", "}}").replace("](", "]\\x28")


def check_github(report: Report) -> None:
    written = FORMATS["github"](report)
    check_text_lines(written, commands=True)
    told = [entry for entry in map(command, written.splitlines()) if entry[1]["title"] != "hfcheck"]
    every = [(repo, located) for repo in report.repositories for located in repo.findings]
    meant = sorted(every, key=lambda entry: entry[1].finding.severity.rank)
    assert len(told) == len(meant)
    for (name, properties, data), (repo, located) in zip(told, meant, strict=True):
        finding = located.finding
        assert name == {"error": "error", "warning": "warning", "note": "notice"}[finding.severity.value]
        assert properties["title"] == "REP990 tells" or finding.id != "REP990"
        place = sink.unforged(visible(repo.place(finding.at.path)))
        assert properties.get("file", ".") == place
        said = sink.unforged(f"{printable(finding.message)}\n{printable(finding.hint)}")
        assert data.endswith(said)
        assert place in data.removesuffix(said)


def command(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: name, properties, data."""
    head, _, data = line[2:].partition("::")
    name, _, properties = head.partition(" ")
    pairs = (pair.partition("=") for pair in properties.split(","))
    return name, {key: unescaped(value) for key, _, value in pairs}, unescaped(data)


def unescaped(value: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        value = value.replace(code, char)
    return value


def check_text_lines(written: str, *, commands: bool = False) -> None:
    """What a terminal and the runners of CI see: no control but the end of a line, and no command that is not ours."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", written)
    assert not any(mark in written for mark in ("##[", "##vso[", "##teamcity["))
    for line in written.split("\n"):
        assert one_line(line)
        assert line.strip().startswith("::") == (commands and line != "")
        assert not commands or line == "" or re.match(r"::(error|warning|notice) [a-z]+=", line)


def check_text(report: Report) -> None:
    """At a width at which nothing wraps, each finding is its place, its title, its message and its hint."""
    plain = text.render(report, 10**6)
    coloured = text.render(report, 10**6, text.coloured)
    assert re.sub(r"\x1b\[(?:0|1|2|3[0-9]|1;3[0-9])m", "", coloured) == plain
    check_text_lines(plain)
    lines = plain.split("\n")
    told = [(lines[index + 1], lines[index + 2]) for index, line in enumerate(lines) if TITLE.match(line)]
    meant = [located.finding for repo in report.repositories for located in repo.findings]
    assert [squeezed(message) for message, _ in told] == [squeezed(f"| {printable(f.message)}") for f in meant]
    assert [squeezed(hint) for _, hint in told] == [squeezed(f"| hint: {printable(f.hint)}") for f in meant]
    for repo in report.repositories:
        for path in {located.finding.at.path for located in repo.findings}:
            place = sink.unforged(visible(repo.place(path)))
            assert any(place in line for line in lines)


TITLE = re.compile(r"    (?:error|warning|note) [A-Z]{3}[0-9]{3} [a-z-]+(?:, byte [0-9]+)?$")


def squeezed(line: str) -> str:
    """Without the spaces, of which a wrapped text loses some."""
    return "".join(sink.unforged(line).split())


def shown(string: str | None) -> str | None:
    return None if string is None else visible(string)


def one_line(string: str) -> bool:
    return all(char.isprintable() or category(char) == "Zs" for char in string)


def strings(value: object) -> Iterator[str]:
    """Every string of a document, keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings(child)


@cache
def schema(name: str) -> Validator:
    content = json.loads((Path(__file__).parents[2] / name).read_text())
    return validator_for(content)(content)


@pytest.mark.parametrize("mark", ["##[", "###[", "####[", "##vso[", "##teamcity["])
def test_no_command_is_left(mark: str) -> None:
    assert "##[" not in sink.unforged(f"{mark}{mark}")
    assert mark not in sink.unforged(f"a{mark}b")
