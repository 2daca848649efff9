"""What `hfcheck explain` prints and `docs/rules/` holds: the documentation of a rule, from the rule itself."""

import inspect
import re
import sys
from collections.abc import Iterator
from textwrap import fill

from hfcheck.finding import visible
from hfcheck.reports.listing import listing
from hfcheck.rule import Rule

WIDTH = 80
"""Columns of the text: it is read in terminals."""

PAGES = "https://github.com/hfcheck/hfcheck/blob/main/docs/rules/"
"""Where the documentation of the built-in rules is published."""

FAMILIES = {
    "REP": "repository layout, LFS, names, links",
    "FMT": "file formats",
    "IDX": "index and shards",
    "CFG": "config",
    "WGT": "weights against config",
    "QNT": "quantisation",
    "TOK": "tokenizer and special tokens",
    "GEN": "generation config and chat template",
    "PKL": "pickle",
    "RMC": "remote code",
    "SEC": "other ways to harm the loader",
    "ADP": "adapters",
    "PIP": "pipelines",
    "DEV": "devices and memory",
    "HFC": "hfcheck's own limits and failures",
}

_MARKUP = re.compile(r" (?=(?:[-+*>|#]|#{2,6}|[0-9]+[.)])(?: |$))")
"""A space before what would be Markdown at the start of a line."""


def explain(rule: Rule) -> str:
    """Title, facts, text and an example of a rule in Markdown, in lines of 80 columns."""
    confidence = f", confidence: {rule.confidence}" if rule.confidence else ""
    facts = f"Severity: {rule.severity.value}{confidence}. Since hfcheck {rule.since}."
    blocks = [f"# {rule.id} {rule.name}", title(rule), facts, *_body(rule), *_examples(rule)]
    return "\n\n".join(map(_filled, blocks)) + "\n"


def documentation(rule: Rule) -> str:
    """The docstring of the rule's module, or of its class where the module holds other things as well."""
    own = inspect.cleandoc(type(rule).__doc__ or "")
    if "## What it finds" in own:
        return own
    return inspect.cleandoc(sys.modules[type(rule).__module__].__doc__ or "")


def title(rule: Rule) -> str:
    """The first sentence of the documentation; the name of the rule where a plugin has none."""
    return documentation(rule).partition("\n")[0].strip() or rule.name


def section(rule: Rule, heading: str) -> str:
    """The text under a heading of the documentation, as one paragraph; empty where there is none."""
    _, _, after = documentation(rule).partition(f"## {heading}\n")
    return " ".join(after.partition("\n## ")[0].split())


def page_name(rule: Rule) -> str:
    """The file in `docs/rules/` that documents a rule."""
    return f"{rule.id}-{rule.name}.md"


def web_page(rule: Rule) -> str | None:
    """The address of the documentation of a built-in rule; None for one of a plugin."""
    built_in = type(rule).__module__.split(".")[0] in {"hfcheck", "hfcheck_rules"}
    return f"{PAGES}{page_name(rule)}" if built_in else None


def _body(rule: Rule) -> list[str]:
    _, _, body = documentation(rule).partition("\n")
    return [block.strip("\n") for block in re.split(r"\n\s*\n", body) if block.strip()]


def _filled(block: str) -> str:
    """A paragraph in lines of 80 columns; a heading and its text, a list and code keep their lines."""
    if block.startswith("## "):
        heading, _, text = block.partition("\n")
        return f"{heading}\n\n{_filled(text)}" if text else heading
    if block.startswith(("#", "    ", "```", "|")):
        return block
    items = re.split(r"\n(?=- )", block)
    return "\n".join(_paragraph(item, "  " if item.startswith("- ") else "") for item in items)


def _paragraph(text: str, indent: str) -> str:
    # No line may begin with what Markdown takes for a list or a heading: such a word is tied to the one before.
    tied = _MARKUP.sub("\0", " ".join(text.split()))
    filled = fill(tied, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return filled.replace("\0", " ")


def _examples(rule: Rule) -> Iterator[str]:
    if rule.bad or rule.good:
        yield "## Examples"
    if rule.bad:
        first, *others = rule.bad
        yield f"Found: {visible(first.title)}."
        yield "\n".join(f"    {line}" for line in listing(first))
        if others:
            yield "Found as well:"
            yield "\n".join(f"- {visible(example.title)}" for example in others)
    if rule.good:
        yield "Not found:"
        yield "\n".join(f"- {visible(example.title)}" for example in rule.good)
