"""A special id in the config is none that the model has.

## What it finds
In `generation_config.json`, or in the config of a model that generates and has no such file: `bos_token_id`,
`eos_token_id`, `pad_token_id`, `decoder_start_token_id`, `forced_bos_token_id` and `forced_eos_token_id` at or above
the rows of the embedding, or below zero. One finding for each field. A note on -1, which some write for "none", and on
a list of end tokens of which one can be reached.

`CFG012` speaks of a padding token without which the model is not even built.

## Why it matters
transformers 5.23.0 loads the model, and `generate` does not look at the ids before it uses them: an end token past the
last row is never generated, so that each answer goes on to the length limit without a word; a start token is
`IndexError: index out of range in self`; a forced one is `IndexError: index 16 is out of bounds for dimension 0`, or
for -1 a `ValueError`; padding fails where one text of a batch ends before another. On a GPU each is a device-side
assert. The ids were off by one in https://github.com/haotian-liu/LLaVA/issues/69 .

## How to put it right
Write the ids that the tokenizer gives: `tokenizer.eos_token_id`, `tokenizer.pad_token_id`. Where there is none, write
null.
"""

import re
from collections.abc import Iterator
from typing import Any

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule
from hfcheck.token_rows import GENERATION, rows_of, special_ids

SOUND = re.compile(r"audio|codebook|codec|speech")
"""What a config with further vocabularies has among its keys: the one it names first may not be the one that counts."""

RAISES = "IndexError in the embedding, on a GPU a device-side assert"
FORCED = "generate forces it, and the scores of the model have no place for it: IndexError"
USES = {
    "bos_token_id": f"generate begins with it where there is no prompt: {RAISES}",
    "eos_token_id": "the model never generates it, and each answer goes on to the length limit",
    "pad_token_id": f"generate fills up with it where one text of a batch ends before another: {RAISES}",
    "decoder_start_token_id": f"the decoder begins with it: {RAISES}",
    "forced_bos_token_id": FORCED,
    "forced_eos_token_id": FORCED,
}
NONE = "only null means that there is no such token"


def _generating(**fields: object) -> dict[str, Any]:
    return {**repository(LLAMA, llama_tensors()), GENERATION: {"bos_token_id": 0, "eos_token_id": 1, **fields}}


class SpecialIdWithoutRow(Rule):
    id = "TOK006"
    name = "special-id-without-row"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the id that the tokenizer gives, or null where there is no such token."
    bad = (
        Example(
            "end and padding are off by one",
            _generating(eos_token_id=16, pad_token_id=16),
            at=(At(GENERATION, "/eos_token_id"), At(GENERATION, "/pad_token_id")),
        ),
        Example(
            "no generation config: the config counts",
            repository(LLAMA, llama_tensors(), eos_token_id=[16, 17]),
            at=(At("config.json", "/eos_token_id"),),
        ),
        Example(
            "the text model of a model of several parts",
            {
                "config.json": {
                    "model_type": "llava",
                    "architectures": ["LlavaForConditionalGeneration"],
                    "text_config": {"vocab_size": 16, "bos_token_id": 16},
                }
            },
            at=(At("config.json", "/text_config/bos_token_id"),),
        ),
        Example(
            "a list of end tokens of which one is past the rows: a note",
            _generating(eos_token_id=[1, 16]),
            at=(At(GENERATION, "/eos_token_id"),),
        ),
        Example("-1 for none: a note", _generating(pad_token_id=-1), at=(At(GENERATION, "/pad_token_id"),)),
        Example("a forced -1", _generating(forced_eos_token_id=-1), at=(At(GENERATION, "/forced_eos_token_id"),)),
    )
    good = (
        Example("ids below the rows", _generating(eos_token_id=[1, 15], pad_token_id=15)),
        Example("no ids", _generating(bos_token_id=None, eos_token_id=None, pad_token_id=None), near_miss=True),
        Example(
            "the config has defaults that nothing reads: its generation config has others",
            {**_generating(), "config.json": {**LLAMA, "eos_token_id": 49407}},
            near_miss=True,
        ),
        Example(
            "an encoder with the ids of another class: it generates nothing",
            repository(BERT, bert_tensors(), bos_token_id=49406, eos_token_id=49407),
            near_miss=True,
        ),
        Example(
            "ids at the top of a model whose text config has the vocabulary",
            {
                "config.json": {
                    "model_type": "llava",
                    "architectures": ["LlavaForConditionalGeneration"],
                    "vocab_size": 4,
                    "eos_token_id": 49407,
                    "text_config": {"vocab_size": 16, "eos_token_id": 15},
                }
            },
            near_miss=True,
        ),
        Example(
            "a padding token that the class does not build: CFG012 says so",
            repository(LLAMA, llama_tensors(), pad_token_id=16),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        text = rows_of(facts)
        if text is None:
            return
        rows = max(one.rows for one in facts.embeddings.found if one.source == text.source)
        if text.source == "config" and any(SOUND.search(key) for key in facts.config or {}):
            return
        for at, name, ids in special_ids(facts):
            yield from self._field(at, name, ids, rows)

    def _field(self, at: At, name: str, ids: list[int], rows: int) -> Iterator[Finding]:
        wrong = [one for one in ids if not 0 <= one < rows]
        if not wrong:
            return
        what = USES[name]
        if all(one == -1 for one in wrong) and not name.startswith("forced"):
            yield self.finding(at, f"{name} is -1, and {NONE}: {what}", severity=Severity.NOTE)
            return
        if name == "forced_eos_token_id" and min(wrong) < 0:
            what = "generate raises ValueError: it has to be a positive number"
        is_one_of_several = len(wrong) < len(ids) and name == "eos_token_id"
        if is_one_of_several:
            what = "the model never generates it; the others end an answer"
        message = f"{name} is {wrong[0]}, and the ids of the model are 0 to {rows - 1}: {what}"
        yield self.finding(at, message, severity=Severity.NOTE if is_one_of_several else None)
