"""The token table of small repositories, held against what `AutoTokenizer` makes of them."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hfcheck.facts import Facts, units
from hfcheck.finding import At
from hfcheck.repository import scan
from hfcheck.tokens.table import Special, TokenTable

VOCAB = {"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "ab": 4}
BPE = {"type": "BPE", "vocab": VOCAB, "merges": ["a b"]}


def added(content: str, index: int, *, special: bool = True) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": content, **flags, "special": special}


def full(*tokens: dict[str, Any], model: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"version": "1.0", "added_tokens": list(tokens), "model": BPE if model is None else model, **others}


def facts(folder: Path, files: dict[str, Any]) -> Facts:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return units(scan(str(folder)))[0]


def table(folder: Path, files: dict[str, Any]) -> TokenTable:
    found = facts(folder, files).tokens
    assert found is not None
    return found


def test_a_plain_one(tmp_path: Path) -> None:
    found = table(tmp_path, {"tokenizer.json": full(added("<s>", 5), added("[PAD]", 0))})
    assert (found.class_name, found.certain, found.raises) == ("TokenizersBackend", True, None)
    assert len(found) == 6
    assert dict(found.items()) == {**VOCAB, "<s>": 5}
    assert (found.id_of("<s>"), found.id_of("a"), found.id_of("z")) == (5, 2, None)
    assert (found.token_of(5), found.token_of(2), found.token_of(9), found.highest) == ("<s>", "a", None, 5)
    assert found.origin("a") == At("tokenizer.json", "/model/vocab/a")
    assert found.origin("<s>") == At("tokenizer.json", "/added_tokens/0")
    assert found.origin("z") is None
    assert {index: token.special for index, token in found.added.items()} == {0: True, 5: True}
    assert found.renumbered == ()


def test_the_library_reads_no_id(tmp_path: Path) -> None:
    found = table(tmp_path, {"tokenizer.json": full(added("<s>", 9), added("</s>", 5))})
    assert [(one.content, one.stated, one.loaded, one.at.pointer) for one in found.renumbered] == [
        ("<s>", 9, 5, "/added_tokens/0"),
        ("</s>", 5, 6, "/added_tokens/1"),
    ]


def test_roles(tmp_path: Path) -> None:
    settings = {
        "bos_token": "<s>",
        "pad_token": {"__type": "AddedToken", **added("[PAD]", 0)},
        "eos_token": None,
        "image_token": "<image>",
        "extra_special_tokens": ["a"],
    }
    found = table(tmp_path, {"tokenizer.json": full(), "tokenizer_config.json": settings})
    assert found.specials["bos_token"] == Special("bos_token", "<s>", 5, At("tokenizer_config.json", "/bos_token"))
    assert found.specials["image_token"].id == 6
    assert (found.specials["pad_token"].id, "eos_token" in found.specials) == (0, False)
    assert [(one.content, one.id) for one in found.extra] == [("a", 2)]
    assert [(role.name, role.id) for role in found.roles] == [
        ("bos_token", 5), ("pad_token", 0), ("image_token", 6), ("extra", 2),
    ]  # fmt: skip


def test_a_class_that_builds_forgets_added_tokens(tmp_path: Path) -> None:
    config = {"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": {"5": added("<|endoftext|>", 5)}}
    document = full(added("<|endoftext|>", 5), added("<new>", 6))
    found = table(tmp_path, {"tokenizer.json": document, "tokenizer_config.json": config})
    assert (found.class_name, found.certain) == ("GPT2Tokenizer", True)
    assert found.specials["eos_token"].at is None
    assert [token.content for token in found.lost] == ["<new>"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"tokenizer.json": full(model={**BPE, "merges": ["a z"]})}, "no pair of tokens"),
        ({"tokenizer.json": full(model={**BPE, "vocab": {"a": -1}})}, "/model/vocab/a"),
        ({"tokenizer.json": full(added("x", -1))}, "no number from 0 on"),
        ({"tokenizer.json": {"model": 5}}, "no model"),
        ({"tokenizer.json": full(), "tokenizer_config.json": {"bos_token": 5}}, "a number"),
        ({"tokenizer.json": full(), "tokenizer_config.json": {"added_tokens_decoder": {"x": {}}}}, "no id"),
        ({"tokenizer.json": full(), "tokenizer_config.json": {"extra_special_tokens": 5}}, "neither a list"),
        ({"vocab.json": VOCAB, "config.json": {"model_type": "llama"}}, "no file from which"),
        ({"tokenizer.model": b"\x0b"}, "neither a model of SentencePiece"),
        ({"tokenizer.json": full(), "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["a.B", None]}}}, "code"),
        ({"tokenizer.json": full(), "tokenizer_config.json": []}, "no object"),
    ],
)
def test_what_is_not_built(tmp_path: Path, files: dict[str, Any], why: str) -> None:
    found = table(tmp_path, files)
    assert found.raises is not None
    assert why in found.raises


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"}}, "in Python"),
        ({"config.json": {"model_type": "bert"}, "tokenizer_config.json": {}}, "special tokens alone"),
        ({"tokenizer.json": b"{"}, "cannot be read"),
        ({"tokenizer.json": full(), "tokenizer_config.json": b"\xef\xbb\xbf{}"}, "do not agree"),
        ({"tokenizer.json": full(), "tokenizer_config.json": b'{"a": 1, "a": 2}'}, "a key twice"),
        ({"tokenizer.json": full(), "tokenizer_config.json": {"vocab": {}}}, "argument of the class"),
        ({"tekken.json": {}, "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"}}, "tekken"),
        (
            {"tokenizer.json": full(), "config.json": {"model_type": "mistral"}, "tekken.json": {}},
            "mistral-common",
        ),
        (
            {
                "tokenizer.json": full(),
                "config.json": {"model_type": "gpt2"},
                "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["a.B", None]}},
            },
            "code of the repository",
        ),
    ],
)
def test_what_is_not_known(tmp_path: Path, files: dict[str, Any], why: str) -> None:
    found = table(tmp_path, files)
    assert (found.certain, found.raises) == (False, None)
    assert why in found.why
    assert found.without_vocabulary == ("alone" in why)


def test_no_tokenizer(tmp_path: Path) -> None:
    assert facts(tmp_path, {"config.json": {"model_type": "llama"}, "a.txt": b"a"}).tokens is None


def test_a_pipeline_has_one_in_each_folder(tmp_path: Path) -> None:
    files = {"model_index.json": {"_class_name": "X"}, "tokenizer/tokenizer.json": full(added("<s>", 5))}
    found = facts(tmp_path, files)
    assert found.tokens is None
    assert list(found.token_tables) == ["tokenizer"]
    assert found.token_tables["tokenizer"].origin("<s>") == At("tokenizer/tokenizer.json", "/added_tokens/0")


def test_templates_in_every_home(tmp_path: Path) -> None:
    files = {
        "tokenizer_config.json": {
            "chat_template": [{"name": "default", "template": "A"}, {"name": "rag", "template": "B"}]
        },
        "chat_template.jinja": b"C\r\n",
        "additional_chat_templates/tool.jinja": b"D",
        "chat_template.json": {"chat_template": "E"},
    }
    found = table(tmp_path, files).templates
    assert [(one.name, one.text, one.at.path) for one in found] == [
        ("tool", "D", "additional_chat_templates/tool.jinja"),
        ("default", "C\n", "chat_template.jinja"),
        ("default", "A", "tokenizer_config.json"),
        ("rag", "B", "tokenizer_config.json"),
        ("default", "E", "chat_template.json"),
    ]


def test_the_post_processor(tmp_path: Path) -> None:
    template = {"type": "TemplateProcessing", "special_tokens": {"<s>": {"id": "<s>", "ids": [7], "tokens": ["<s>"]}}}
    bert = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    document = full(post_processor={"type": "Sequence", "processors": [template, bert, 5]})
    found = table(tmp_path, {"tokenizer.json": document}).post_processor
    assert [(one.content, one.id, one.at.pointer if one.at else None) for one in found] == [
        ("<s>", 7, "/post_processor/processors/0/special_tokens/<s>/ids/0"),
        ("[SEP]", 3, "/post_processor/processors/1/sep"),
        ("[CLS]", 2, "/post_processor/processors/1/cls"),
    ]


def test_places_in_a_text_file(tmp_path: Path) -> None:
    found = table(
        tmp_path, {"vocab.txt": b"[PAD]\n[UNK]\na\n", "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}}
    )
    at = found.origin("a")
    assert at is not None
    assert (at.path, at.offset) == ("vocab.txt", 12)


@pytest.mark.loader
@pytest.mark.parametrize("first", range(0, 120, 20))
def test_auto_tokenizer_makes_the_same(first: int, tmp_path: Path) -> None:
    pytest.importorskip("transformers").logging.set_verbosity(60)
    from benchmarks.tokenizer.compare import compare  # noqa: PLC0415 - it needs transformers
    from benchmarks.tokenizer.trained import repository, write  # noqa: PLC0415

    for seed in range(first, first + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        files = repository(Random(seed))
        if not any(name.endswith(".model") for name in files):
            write(files, folder)
            outcome = compare(str(folder))
            assert outcome.verdict != "differs", (seed, outcome.differences)
