"""No value of any type, wherever it stands in the files of a tokenizer, makes a rule fail."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.example import Content, Example
from hfcheck.example_chats import CHATML, END, END_ID, EOS_ID, chat
from hfcheck.example_tokenizers import added, added_specials, bpe, decoder_entry, special_tokens_map, tokenizer_json
from hfcheck.testing import write

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, -(2**63), "", "x" * 300, [], {}, [[]], [None], [{}], {"a": 1}, [1, 2], ["a"],
    [["a", "b"]], {"content": 1}, {"__type": "AddedToken"}, {"": {}},
)  # fmt: skip

FURTHER = {
    "config.json": ("model_type", "architectures", "text_config", "auto_map", "tokenizer_class", "rope_parameters"),
    "generation_config.json": ("bad_words_ids", "sequence_bias", "suppress_tokens", "stop_strings", "cache_config"),
    "tokenizer_config.json": ("extra_special_tokens", "additional_special_tokens", "auto_map", "mask_token"),
    "tokenizer.json": ("padding", "normalizer", "decoder"),
    "processor_config.json": ("chat_template", "image_token"),
}
"""Keys that the files below do not have."""


def files() -> dict[str, Content]:
    """A model with every file that has something to say of tokens."""
    tokens = [*added_specials(), added("<|im_start|>", END_ID - 1), added(END, END_ID)]
    post_processor = {
        "type": "TemplateProcessing", "pair": [], "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }  # fmt: skip
    found = chat(CHATML, {"eos_token_id": [EOS_ID, END_ID], "do_sample": True, "temperature": 0.6})
    found["tokenizer.json"] = tokenizer_json(bpe(), tokens, post_processor=post_processor)
    found["tokenizer_config.json"]["added_tokens_decoder"] = {str(END_ID): decoder_entry(END)}
    return {
        **found,
        "special_tokens_map.json": special_tokens_map(),
        "added_tokens.json": {END: END_ID},
        "processor_config.json": {},
        "vocab.json": bpe()["vocab"],
    }


def places(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield above
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*above, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, (*above, index))


def put(document: Any, place: tuple[str | int, ...], value: object) -> object:  # noqa: ANN401 - a document may be anything
    if not place:
        return value
    parent = document
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return document


@pytest.mark.parametrize("seed", range(16))
def test_no_rule_fails(seed: int, tmp_path: Path) -> None:
    dice, rules = Random(seed), registry.load()
    whole = files()
    write(Example("", whole), tmp_path)
    for _ in range(25):
        name = dice.choice(
            [name for name, content in whole.items() if isinstance(content, dict) and "model.s" not in name]
        )
        document = copy.deepcopy(whole[name])
        place = dice.choice([*places(document), *((key,) for key in FURTHER.get(name, ()) * 4)])
        value = dice.choice(ODD)
        tmp_path.joinpath(name).write_text(json.dumps(put(document, place, value)), "utf-8")
        report = engine.check(".", str(tmp_path), rules, Settings())
        tmp_path.joinpath(name).write_text(json.dumps(whole[name]), "utf-8")
        failed = [one.finding.message for one in report.findings if one.finding.id == "HFC003"]
        assert (failed, report.crashed) == ([], False), (name, place, value)
