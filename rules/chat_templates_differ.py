"""A chat template in two homes that differ.

## What it finds
Two chat templates of the same name in one folder whose texts differ: in `chat_template.jinja`, in
`tokenizer_config.json` and, for models with a processor, in `chat_template.json` and `processor_config.json`. Of two
that differ in white space alone, it is a note, and so where one is the tokenizer's and the other the processor's, which
may format parts of a message that the tokenizer does not know.

## Why it matters
Which of them counts depends on the reader. The tokenizer of transformers 5.23 takes the file before the key, older ones
knew the key alone, and a processor takes `chat_template.json` before both. The same model gets another
prompt in each (https://github.com/microsoft/onnxruntime-extensions/pull/968).

## How to put it right
Keep one of them: `chat_template.jinja`, which `save_pretrained` writes today, and remove the others.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.example_chats import CHATML, WITH_EOS, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule
from hfcheck.tokens.table import Template

FILE = "chat_template.jinja"
PLACE = At("tokenizer_config.json", "/chat_template")
PROCESSORS = ("chat_template.json", "processor_config.json")


class ChatTemplatesDiffer(Rule):
    id = "GEN007"
    name = "chat-templates-differ"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Keep one of them: chat_template.jinja, which save_pretrained writes today, and remove the others."
    bad = (
        Example("the file and the key", {**chat(WITH_EOS), FILE: CHATML}, at=(PLACE,)),
        Example("white space: a note", {**chat(CHATML.replace("\n", "")), FILE: CHATML}, at=(PLACE,)),
        Example(
            "the tokenizer's and the processor's: a note",
            {**chat(WITH_EOS), "chat_template.json": {"chat_template": CHATML}},
            at=(At("chat_template.json", "/chat_template"),),
        ),
    )
    good = (
        Example("one home", chat()),
        Example("the same in both", {**chat(), FILE: CHATML}, near_miss=True),
        Example(
            "the newline at the end of a file, which jinja2 drops", {**chat(), FILE: CHATML + "\n"}, near_miss=True
        ),
        Example(
            "two templates with different names",
            {**chat(), FILE: CHATML, "additional_chat_templates/tool_use.jinja": WITH_EOS},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for table in facts.token_tables.values():
            first: dict[str, Template] = {}
            for template in table.templates:
                used = first.setdefault(template.name, template)
                one, two = _text(used), _text(template)
                if one == two:
                    continue
                home = basename(used.at.path)
                said = f"this chat template is not the one in {home}, which the tokenizer takes"
                is_note = "".join(one.split()) == "".join(two.split())
                said += " (they differ in white space)" if is_note else ""
                if _is_for_processors(used) != _is_for_processors(template):
                    said = f"this chat template, which the processor takes, is not the tokenizer's in {home}"
                    is_note = True
                yield self.finding(template.at, said, severity=Severity.NOTE if is_note else None)


def _text(template: Template) -> str:
    return template.text.replace("\r\n", "\n").removesuffix("\n")


def _is_for_processors(template: Template) -> bool:
    return basename(template.at.path) in PROCESSORS
