"""The documentation of a rule: it is read in terminals, and it is Markdown."""

import re
from collections.abc import Iterator

import pytest

from hfcheck import engine, registry
from hfcheck.example import Append, Archive, Cut, Example, Header, Link, Pipe, Pointer, Sparse
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.reports.explanation import explain, page_name, section, title, web_page
from hfcheck.reports.listing import listing
from hfcheck.rule import Rule

RULES = (*registry.load(), *engine.OWN_RULES)


class Sample(Rule):
    """A sample of a rule.

    ## What it finds
    Words that go on for longer than a line of a terminal is wide, with some dashes - no list - and so on, up to one
    that a narrow line would begin with, as if it were some item of a list: behind - and number 12. is no item, nor
    is https://example.org/an/address/that/must/not/be/broken/anywhere .

    - an item that goes on for longer than a line of a terminal is wide, so that it has to be wrapped and indented
    - another

        code   stays    as it is, however long it may be: a line of code is no paragraph and must not be cut

    ## Why it matters
    It does not.

    ## How to put it right
    Do nothing.
    """

    id, name, severity, since, hint = "PKL990", "sample", Severity.WARNING, "0.1", "Do nothing."
    confidence = "high"
    bad = (
        Example(
            "first", {"a\x1b.json": {"k": "v"}, "b.safetensors": {"t": ("F16", [2])}}, at=(At("a\x1b.json", "/k"),)
        ),
        Example("second", {}),
    )
    good = (Example("third", {}),)

    def check(self, facts: Facts) -> Iterator[Finding]:
        yield self.finding(At("x"), f"{len(facts.files)}")


def test_a_rule() -> None:
    assert explain(Sample()) == (
        "# PKL990 sample\n\nA sample of a rule.\n\nSeverity: warning, confidence: high. Since hfcheck 0.1.\n\n"
        "## What it finds\n\n"
        "Words that go on for longer than a line of a terminal is wide, with some\n"
        "dashes - no list - and so on, up to one that a narrow line would begin with, as\n"
        "if it were some item of a list: behind - and number 12. is no item, nor is\n"
        "https://example.org/an/address/that/must/not/be/broken/anywhere .\n\n"
        "- an item that goes on for longer than a line of a terminal is wide, so that it\n"
        "  has to be wrapped and indented\n- another\n\n"
        "    code   stays    as it is, however long it may be: a line of code is no paragraph and must not be cut\n\n"
        "## Why it matters\n\nIt does not.\n\n## How to put it right\n\nDo nothing.\n\n"
        "## Examples\n\nFound: first.\n\n"
        '    a\\x1b.json\n        {"k": "v"}\n    b.safetensors\n        t: F16 [2]\n    found: a\\x1b.json, /k\n\n'
        "Found as well:\n\n- second\n\nNot found:\n\n- third\n"
    )


def test_its_parts() -> None:
    assert title(Sample()) == "A sample of a rule."
    assert section(Sample(), "Why it matters") == "It does not."
    assert section(Sample(), "Nothing of the kind") == ""
    assert page_name(Sample()) == "PKL990-sample.md"
    assert web_page(Sample()) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_reads_well(rule: Rule) -> None:
    text = explain(rule)
    headings = ["What it finds", "Why it matters", "How to put it right"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:3] == headings
    for line in text.splitlines():
        assert line.isprintable()
        assert len(line) <= 80 or line.startswith("    ") or " " not in line.strip("- "), line
    assert (web_page(rule) or "").endswith(page_name(rule))
    assert section(rule, "What it finds")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\n\x1b", ["a", "\\x1b"]),
        ("", ["(empty)"]),
        (b"abc", ["(3 bytes)"]),
        (Cut("abc", 1), ["abc", "(cut off by 1 bytes)"]),
        (Append("a", b"bc"), ["a", "(and 2 bytes more)"]),
        (Header('{"a"', 3), ['{"a"', "(as the header, and 3 bytes)"]),
        (Pointer(4096), ["(Git LFS pointer to 4096 bytes)"]),
        (Archive({"a/b": b""}), ["(zip archive of a/b)"]),
        (Link("../x"), ["(link to ../x)"]),
        (Pipe(), ["(named pipe)"]),
        (Sparse(10), ["(10 bytes)"]),
        ([1], ["[1]"]),
        ({"key": ["x" * 40, "y" * 40]}, ["{", '  "key": [', f'    "{"x" * 40}",', f'    "{"y" * 40}"', "  ]", "}"]),
        ("\n".join("abcdefghijklmnopqrst"), [*"abcdefghijklmnop", "..."]),
    ],
)
def test_the_content_of_an_example(content: object, said: list[str]) -> None:
    assert [line.strip("\n").removeprefix("    ") for line in listing(Example("x", {"name": content}))] == [
        "name",
        *said,
    ]
