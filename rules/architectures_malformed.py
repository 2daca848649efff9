"""The `architectures` of a config are no list of names.

## What it finds
A `config.json` of transformers whose `architectures` is a string, a number or an object, or a list with something else
than strings in it. A null, an empty list and no `architectures` at all are legal.

## Why it matters
transformers 5.23.0 chooses the class by `model_type` and loads all of these, but for the few types that have several
classes (Funnel), where it runs over the entries: `TypeError: 'int' object is not iterable`. A string it takes letter by
letter, without a word. Serving engines choose by the entries, and refuse a model where they find no name that they
know: `No model architectures are specified` (https://github.com/vllm-project/vllm/issues/14105).

## How to put it right
Write a list with the name of the class: `"architectures": ["LlamaForCausalLM"]`.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.formats.json_ import type_of
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama"}


class ArchitecturesMalformed(Rule):
    id = "CFG003"
    name = "architectures-malformed"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write a list with the name of the model class."
    bad = (
        Example(
            "a string",
            {"config.json": LLAMA | {"architectures": "LlamaForCausalLM"}},
            at=(At("config.json", "/architectures"),),
        ),
        Example(
            "a null in the list",
            {"config.json": LLAMA | {"architectures": [None]}},
            at=(At("config.json", "/architectures/0"),),
        ),
    )
    good = (
        Example("a list", {"config.json": LLAMA | {"architectures": ["LlamaForCausalLM"]}}),
        Example("null", {"config.json": LLAMA | {"architectures": None}}, near_miss=True),
        Example("an empty list", {"config.json": LLAMA | {"architectures": []}}, near_miss=True),
        Example("two classes", {"config.json": LLAMA | {"architectures": ["A", "B"]}}, near_miss=True),
        Example("a class that nobody knows", {"config.json": LLAMA | {"architectures": ["Nope"]}}, near_miss=True),
        Example("another library's", {"config.json": {"architectures": "encoder-decoder"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        config = facts.config or {}
        names = config.get("architectures")
        if names is None or not isinstance(config.get("model_type"), str):
            return
        if not isinstance(names, list):
            where, value, expected = pointer("architectures"), names, "a list of class names"
        else:
            index = next((index for index, name in enumerate(names) if not isinstance(name, str)), None)
            if index is None:
                return
            where, value, expected = pointer("architectures", index), names[index], "the name of a class"
        message = f"here is {type_of(value)} where {expected} is expected: engines that go by it refuse the model"
        yield self.finding(At(facts.inside(layout.CONFIG), where), message)
