"""Any text gives facts or one typed error, and soon: the parser recurses, and nothing may follow it down."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.chat.parse import TemplateFault
from hfcheck.chat.template import ChatTemplate, analysed
from tests.chat.published import PUBLISHED

WORDS = (
    *[
        "{%",
        "%}",
        "{{",
        "}}",
        "{%-",
        "-%}",
        "{#",
        "#}",
        "for",
        "endfor",
        "if",
        "elif",
        "else",
        "endif",
        "in",
        "is",
        "not",
        "and",
        "or",
        "set",
        "endset",
        "macro",
        "endmacro",
        "call",
    ],
    *[
        "endcall",
        "filter",
        "endfilter",
        "generation",
        "endgeneration",
        "break",
        "continue",
        "raw",
        "endraw",
        "include",
        "messages",
        "message",
    ],
    *[
        "message.role",
        "message['content']",
        "content",
        "eos_token",
        "'assistant'",
        "'</s>'",
        "loop.last",
        "ns.x",
        "namespace(x=1)",
    ],
    *[
        "m(content)",
        "(",
        ")",
        "[",
        "]",
        "+",
        "~",
        "-",
        "==",
        "!=",
        "=",
        "|trim",
        "|x",
        "none",
        "defined",
        "raise_exception('a')",
        "text",
        "'x'",
        "{%if",
        "x%}",
    ],
    "\n",
    " ",
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)))
def test_any_text(text: str) -> None:
    found = analysed(text)
    assert isinstance(found, ChatTemplate | TemplateFault)
    assert repr(found)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(PUBLISHED)), st.data())
def test_almost_a_template(name: str, data: st.DataObject) -> None:
    text = PUBLISHED[name].text
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    assert isinstance(
        analysed(text[:start] + data.draw(st.sampled_from(WORDS)) + text[end:]), ChatTemplate | TemplateFault
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "[" * 5000,
        "{{ " + "-" * 5000 + "1 }}",
        "{{ " + "not " * 5000 + "1 }}",
        "{{ " + "1 if 1 else " * 5000 + "1 }}",
        "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
        "{% for a in b %}" * 5000,
        "{% set a %}" * 5000 + "{% endset %}" * 5000,
        "{{ " + "a" + ".b" * 9000 + " }}",
        "{{ " + "a" + "|trim" * 9000 + " }}",
        "{{ " + "a" + "()" * 9000 + " }}",
        "{{ " + "'a' + " * 9000 + "messages }}",
        "{{ " + "a and " * 9000 + "messages }}",
        "{{ " + "a ~ " * 9000 + "messages }}",
        "{{ " + "2 ** " * 9000 + "2 }}",
        "{{ 9" + "9" * 5000 + " }}",
        "{% if a %}b{% endif %}" * 5000,
        "{% for m in messages %}{{ m.content }}" + "{% if a %}b{% else %}c{% endif %}" * 500 + "{% endfor %}",
        "{% set a = a ~ a %}" * 3000 + "{{ a }}",
        "".join(f"{{% set a{n} = a{n + 1} ~ a{n + 1} %}}" for n in range(60)) + "{{ a0 }}",
        "".join(f"{{% macro a{n}() %}}{{{{ a{n + 1}() ~ a{n + 1}() }}}}{{% endmacro %}}" for n in range(60))
        + "{{ a0() }}",
        "{% for m in messages %}" + "{% for a in b %}" * 30 + "{{ m.content }}" + "{% endfor %}" * 31,
        "{#" * 100000,
        "{{" * 100000,
        "'" * 100000,
        "{{ '" + "\\" * 100000,
        "a" * 300000,
    ],
    ids=range(27),
)
def test_hostile_text_is_bounded(text: str) -> None:
    started = time.process_time()
    assert isinstance(analysed(text), ChatTemplate | TemplateFault)
    assert time.process_time() - started < 3
