"""The ends of turns in published chat templates: as written down by hand. None is rendered."""

from pathlib import Path
from typing import Any

import pytest

from hfcheck import testing
from hfcheck.chat.parse import TemplateFault
from hfcheck.chat.template import analysed
from hfcheck.example_chats import chat
from hfcheck.example_tokenizers import SPECIALS, TOKENS, added, tokenizer_json
from hfcheck.facts import units
from hfcheck.finding import Finding
from hfcheck.registry import load
from hfcheck.repository import scan
from hfcheck.rule import Example, Rule
from hfcheck.turn_ends import turn_ends
from tests.chat.published import PUBLISHED, Published

RULE: type[Rule] = next(type(rule) for rule in load() if rule.id == "GEN001")
"""The rule is found as the program finds it."""


def repository(published: Published, stops: list[int]) -> dict[str, Any]:
    """A tiny model with the template, its tokens, and these ids as stops."""
    files = chat(published.text, {"eos_token_id": stops}, eos=published.eos, vocab_size=64)
    del files["model.safetensors"]  # which has fewer rows
    entries = [added(token, index) for token, index in ids(published).items()]
    return {**files, "tokenizer.json": tokenizer_json(added_tokens=entries)}


def ids(published: Published) -> dict[str, int]:
    new = sorted(published.tokens - set(SPECIALS))
    known = {token: index for index, token in enumerate(SPECIALS)}
    return known | {token: len(TOKENS) + number for number, token in enumerate(new)}


def found(published: Published, stops: list[int], folder: Path) -> list[Finding]:
    testing.write(Example("", repository(published, stops)), folder)
    return testing.findings(RULE, folder)


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_alarm_on_the_published_stops(name: str, tmp_path: Path) -> None:
    published = PUBLISHED[name]
    assert not found(published, [ids(published)[stop] for stop in sorted(published.stops)], tmp_path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_found_where_the_stop_is_taken_away(name: str, tmp_path: Path) -> None:
    published = PUBLISHED[name]
    left = [ids(published)[stop] for stop in sorted(published.stops - published.ends)]
    result = found(published, left, tmp_path)
    assert len(result) == bool(published.ends)
    assert not result or any(f'"{end}"' in result[0].message for end in published.ends)


@pytest.mark.parametrize("name", PUBLISHED)
def test_ends_are_those_written_down(name: str, tmp_path: Path) -> None:
    published = PUBLISHED[name]
    testing.write(Example("", repository(published, [1])), tmp_path)
    table = units(scan(str(tmp_path)))[0].tokens
    assert table is not None
    ends = turn_ends(table)
    assert ends is not None
    assert published.ends <= set(ends.ids), "each that a renderer would write"
    others = set(ends.ids) - published.ends
    assert all("outputs" in end for end in others), "what follows an answer that came after a tool"


@pytest.mark.loader
def test_faults_are_those_of_the_compiler() -> None:
    """Templates with a piece taken out: what jinja2 does not compile is a fault, and nothing else is."""
    pytest.importorskip("transformers")
    from random import Random  # noqa: PLC0415

    from jinja2 import TemplateError  # noqa: PLC0415
    from transformers.utils.chat_template_utils import _compile_jinja_template  # noqa: PLC0415

    dice = Random(0)
    faults = 0
    for published in PUBLISHED.values():
        for _ in range(4):
            start, length = dice.randrange(len(published.text)), dice.choice((1, 2, 5, 20))
            text = published.text[:start] + published.text[start + length :]
            try:
                _compile_jinja_template(text)
                refused = False
            except (TemplateError, SyntaxError):
                refused = True
            fault = analysed(text)
            faults += refused
            assert isinstance(fault, TemplateFault) == refused, text
    assert faults > 50, "the comparison says something"
