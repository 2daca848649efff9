"""A generation_config.json that its own class refuses.

## What it finds
In the `generation_config.json` of a model that writes: values with which the class cannot be made, an error, and
settings that no call makes use of, a warning: `temperature`, `top_p` and their like where `do_sample` is not true,
`early_stopping` and `length_penalty` without beams, a cache where none is used, scores that are not returned: one
finding for all of them. Values with which a call of `generate` raises are warnings too, a finding for each.

## Why it matters
With transformers 5.23.0 the first keep the model from loading: `from_pretrained` raises ValueError or TypeError. The
others are said in a line of the log, and refused when the config is saved after anything in it has changed: "Fix these
issues to save the configuration" comes at the end of a training that has aligned the ids of the special tokens.
Releases from 4.37 on refuse it even unchanged (https://github.com/huggingface/transformers/issues/29988,
https://github.com/QwenLM/Qwen3-ASR/issues/210).

## How to put it right
Set `do_sample` to true where sampling is meant, and remove what is not used.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hfcheck.example_chats import CHATML, END_ID, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.generation_calls import failing
from hfcheck.generation_checks import Unused, shown, verdict
from hfcheck.generation_settings import GENERATION_CONFIG, generates
from hfcheck.rule import Example, Rule

WITHOUT = {
    "do_sample": "without do_sample",
    "num_beams": "without num_beams above 1",
    "use_cache": "while use_cache is false",
    "return_dict_in_generate": "without return_dict_in_generate",
}


def _settings(**fields: object) -> dict[str, Any]:
    return {"eos_token_id": END_ID, **fields}


class GenerationConfigInvalid(Rule):
    id = "GEN002"
    name = "generation-config-invalid"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Set do_sample to true where sampling is meant, and remove what is not used."
    bad = (
        Example(
            "a temperature without sampling",
            chat(CHATML, _settings(do_sample=False, temperature=0.9, top_p=0.6)),
            at=(At(GENERATION_CONFIG, "/temperature"),),
        ),
        Example("sampling is nowhere", chat(CHATML, _settings(top_k=1)), at=(At(GENERATION_CONFIG, "/top_k"),)),
        Example(
            "beams that are not there",
            chat(CHATML, _settings(early_stopping=True, num_beams=1)),
            at=(At(GENERATION_CONFIG, "/early_stopping"),),
        ),
        Example(
            "scores that nobody gets", chat(CHATML, _settings(output_scores=True)),
            at=(At(GENERATION_CONFIG, "/output_scores"),),
        ),
        Example(
            "sampling at temperature 0",
            chat(CHATML, _settings(do_sample=True, temperature=0.0)),
            at=(At(GENERATION_CONFIG, "/temperature"),),
        ),
        Example(
            "an id as text", chat(None, {"eos_token_id": "2"}), at=(At(GENERATION_CONFIG, "/eos_token_id"),)
        ),
        Example(
            "several answers without sampling: an error",
            chat(CHATML, _settings(num_return_sequences=3)),
            at=(At(GENERATION_CONFIG, "/num_return_sequences"),),
        ),
        Example(
            "no kind of cache: an error",
            chat(CHATML, _settings(cache_implementation="huge")),
            at=(At(GENERATION_CONFIG, "/cache_implementation"),),
        ),
    )  # fmt: skip
    good = (
        Example("sampling, with a temperature", chat(CHATML, _settings(do_sample=True, temperature=0.6, top_p=0.95))),
        Example(
            "values that change nothing", chat(CHATML, _settings(temperature=1.0, top_k=50, top_p=1.0)), near_miss=True
        ),
        Example("a field of somebody's own", chat(CHATML, _settings(chat_format="chatml", w=6144)), near_miss=True),
        Example("a list: CFG001 speaks of it", {**chat(CHATML), GENERATION_CONFIG: []}, near_miss=True),
        Example(
            "length penalty, with beams", chat(CHATML, _settings(num_beams=4, length_penalty=2.0)), near_miss=True
        ),
        Example(
            "a classifier, whose generation config nobody reads",
            chat(CHATML, _settings(temperature=0.5), architectures=["LlamaForSequenceClassification"]),
            near_miss=True,
        ),
    )  # fmt: skip

    def check(self, facts: Facts) -> Iterator[Finding]:
        path = facts.inside(GENERATION_CONFIG)
        document = facts.json(path)
        if document is None or type(document.value) is not dict or not generates(facts):
            return  # of what is no object CFG001 speaks
        values = document.value
        found = verdict(values)
        if found is None:
            return
        if found.refused is not None:
            at = At(path, pointer(found.refused.key)) if found.refused.key in values else At(path)
            said = f"{found.refused.why}; from_pretrained of transformers raises, and the model does not load"
            yield self.finding(at, said, hint="Correct the value, or remove it.", severity=Severity.ERROR)
            return
        for wrong in failing(values):
            said = f"{wrong.why}; generate of transformers raises when it is called without arguments"
            yield self.finding(At(path, pointer(wrong.key)), said, hint="Correct the value, or remove it.")
        unused = [one for one in found.unused if one.mode]  # TOK006 speaks of the padding
        if unused:
            yield self.finding(At(path, pointer(unused[0].key)), _sentence(unused, values))


def _sentence(unused: list[Unused], values: Mapping[str, Any]) -> str:
    parts = []
    for mode in dict.fromkeys(one.mode for one in unused):
        listed = [f"{one.key} is {shown(values[one.key])}" for one in unused if one.mode == mode]
        parts.append(f"{' and '.join(listed)} {WITHOUT[mode]}")
    return (
        f"{', and '.join(parts)}: transformers refuses to save this config once a training has changed anything in it"
    )
