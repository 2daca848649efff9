"""The schemas of tokenizer files are schemas, take what is saved, and refuse nothing that the library reads."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hfcheck import example_tokenizers as tokens

NAMES = (
    "tokenizer", "tokenizer_config", "special_tokens_map", "added_tokens", "processor_config", "preprocessor_config",
)  # fmt: skip
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
SPACES = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
REPLACE = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
BERT = {
    "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
    "lowercase": True,
}  # fmt: skip
SPLIT = {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": False}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
}
ROBERTA = {
    "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True, "add_prefix_space": True,
}  # fmt: skip
CTC = {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}
PADDING = {
    "strategy": {"Fixed": 5}, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0, "pad_type_id": 0,
    "pad_token": "<pad>",
}  # fmt: skip
TRUNCATION = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}

FULL: tuple[dict[str, Any], ...] = (
    tokens.tokenizer_json(tokens.bpe(), pre_tokenizer=BYTES, decoder=BYTES, post_processor=BYTES),
    tokens.tokenizer_json(tokens.word_piece(), normalizer=BERT, padding=PADDING, truncation=TRUNCATION),
    tokens.tokenizer_json(
        tokens.unigram(),
        normalizer={"type": "Sequence", "normalizers": [REPLACE, {"type": "NFC"}]},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [SPACES, SPLIT]},
        decoder={"type": "Sequence", "decoders": [REPLACE, {"type": "Fuse"}, SPACES]},
        post_processor={"type": "Sequence", "processors": [TEMPLATE, ROBERTA]},
    ),
    tokens.tokenizer_json(tokens.word_level(), decoder=CTC, post_processor=TEMPLATE),
)
ADDED = {"__type": "AddedToken", **tokens.decoder_entry("</s>")}
SETTINGS: tuple[dict[str, Any], ...] = (
    tokens.tokenizer_config(extra_special_tokens={"image_token": "<i>"}, eos_token=ADDED, chat_template="x"),
    tokens.tokenizer_config(
        added_tokens_decoder={"2": tokens.decoder_entry("</s>")}, additional_special_tokens=["<x>"], padding_side="left"
    ),
    tokens.tokenizer_config(chat_template=[{"name": "default", "template": "x"}], split_special_tokens=False),
)
ROLES: tuple[dict[str, Any], ...] = (
    tokens.special_tokens_map(eos_token=tokens.decoder_entry("</s>"), additional_special_tokens=["<x>"]),
)
VALUES: tuple[Any, ...] = (
    None, "x", "", 3, -1, 1.5, True, [], {}, 2**40, "left", "ByteLevel", ["a"], [1], ["a", 1], {"type": "Sequence"},
    {"content": "a"},
)  # fmt: skip
MUTATIONS = 120


@cache
def validator(name: str) -> Draft202012Validator:
    text = (resources.files("hfcheck_schemas") / f"{name}.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


@pytest.mark.parametrize("name", NAMES)
def test_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(validator(name).schema)


@pytest.mark.parametrize("document", FULL)
def test_takes_a_tokenizer(document: dict[str, Any]) -> None:
    assert not list(validator("tokenizer").iter_errors(document))


def test_names_the_place_that_is_wrong() -> None:
    document = tokens.tokenizer_json(tokens.bpe() | {"vocab": {"a": "0"}})

    assert [error.json_path for error in validator("tokenizer").iter_errors(document)] == ["$.model.vocab.a"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("tokenizer", tokens.tokenizer_json() | {"comment": ""}),
        ("tokenizer_config", {"added_tokens_decoder": {"<x>": tokens.decoder_entry("<x>")}}),
        ("tokenizer_config", {"eos_token": {"content": "</s>"}}),
        ("special_tokens_map", {"additional_special_tokens": "<x>"}),
        ("added_tokens", {"<x>": [1]}),
        ("processor_config", {"processor_class": "LlavaProcessor", "image_token": 3}),
        ("preprocessor_config", {"feature_extractor_type": 3}),
    ],
)
def test_refuses(name: str, document: dict[str, Any]) -> None:
    assert not validator(name).is_valid(document)


@pytest.mark.loader
def test_refuses_no_tokenizer_that_tokenizers_reads() -> None:
    tokenizers = pytest.importorskip("tokenizers")

    assert not list(_refused_alone("tokenizer", FULL, lambda one: tokenizers.Tokenizer.from_str(json.dumps(one)), 600))


@pytest.mark.loader
@pytest.mark.parametrize(
    ("name", "documents"),
    [("tokenizer_config", SETTINGS), ("special_tokens_map", ROLES), ("added_tokens", ({"<x>": 14, "<y>": 15},))],
)
def test_refuses_nothing_that_auto_tokenizer_reads(
    name: str, documents: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokens.tokenizer_json()), encoding="utf-8")
    generic = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(generic), encoding="utf-8")

    def read(document: Any) -> None:  # noqa: ANN401 - any document
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        transformers.AutoTokenizer.from_pretrained(tmp_path)

    assert not list(_refused_alone(name, documents, read, MUTATIONS))


def _refused_alone(
    name: str, documents: tuple[dict[str, Any], ...], read: Callable[[Any], object], count: int
) -> Iterator[Any]:
    """The documents that the schema refuses and the library reads, of as many that were changed somewhere."""
    dice = Random(name)
    for _ in range(count):
        document = _changed(dice.choice(documents), dice)
        if validator(name).is_valid(document):
            continue
        try:
            read(document)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
        else:
            yield document


def _changed(document: Any, dice: Random) -> Any:  # noqa: ANN401 - any document
    document = deepcopy(document)
    holder, key = dice.choice(list(_places(document)))
    if dice.random() < 0.25:
        del holder[key]
    else:
        holder[key] = deepcopy(dice.choice(VALUES))
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any document
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
