"""A chat template that jinja2 does not read.

## What it finds
Chat templates, wherever they lie, that are no text of Jinja: a block that is not closed, an unknown tag, a filter or a
test that does not exist. They are read by jinja2's parser and never rendered. One finding for each. A template that no
reader takes, because another home of it counts, is a warning.

## Why it matters
The tokenizer is made without a word. `apply_chat_template` of transformers 5.23 raises `TemplateSyntaxError`, or
`TemplateAssertionError`, at the first message, and so do vLLM and every other engine that formats messages with
jinja2 (https://github.com/oobabooga/textgen/pull/4911).

## How to put it right
Mend the template at the line that the message names, and try it with `tokenizer.apply_chat_template`.
"""

from collections.abc import Iterator

from hfcheck.chat.parse import TemplateFault
from hfcheck.chat.template import analysed
from hfcheck.example_chats import CHATML, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule

OPEN = "{% for message in messages %}{{ message['content'] }}"
PLACE = At("tokenizer_config.json", "/chat_template")


class ChatTemplateInvalid(Rule):
    id = "GEN006"
    name = "chat-template-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Mend the template, and try it with tokenizer.apply_chat_template."
    bad = (
        Example("a loop without its end", chat(OPEN), at=(PLACE,)),
        Example("a tag that does not exist", chat("{% fore message in messages %}{% endfor %}"), at=(PLACE,)),
        Example("a filter that does not exist", chat("{{ messages | no_such_filter }}"), at=(PLACE,)),
        Example("in a file of its own", {**chat(None), "chat_template.jinja": OPEN}, at=(At("chat_template.jinja"),)),
        Example(
            "one of several",
            chat(None) | {
                "tokenizer_config.json": {
                    "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": [
                        {"name": "default", "template": CHATML}, {"name": "tool_use", "template": "{{ messages"},
                    ],
                },
            },
            at=(At("tokenizer_config.json", "/chat_template/1/template"),),
        ),
        Example(
            "one that does not count, because of the file beside it: a warning",
            {**chat(OPEN), "chat_template.jinja": CHATML},
            at=(PLACE,),
        ),
    )  # fmt: skip
    good = (
        Example("a template of ChatML", chat()),
        Example(
            "the tags that transformers adds to those of jinja2",
            chat("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"),
            near_miss=True,
        ),
        Example(
            "a filter that nobody has, where it is not reached: jinja2 looks for it when it is",
            chat("{% if false %}{{ messages | no_such_filter }}{% endif %}"),
            near_miss=True,
        ),
        Example("no template", chat(None)),
        Example("text without a single tag", chat("Hello"), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            taken: set[str] = set()
            for template in table.templates:
                fault = analysed(template.text)
                if isinstance(fault, TemplateFault) and fault.budget is None:
                    severity = Severity.WARNING if template.name in taken else None
                    said = f"line {fault.line} of the chat template is not Jinja: {quote(fault.message)}"
                    yield self.finding(template.at, said, severity=severity)
                taken.add(template.name)
