"""The tables of classes behind the rules on special tokens are those of the installed transformers."""

import inspect
import json
from pathlib import Path

import pytest

from hfcheck import example_tokenizers as tokens
from hfcheck.formats import tokenizer_json
from hfcheck.token_settings import LAST_TOKEN, OWN_POST_PROCESSOR, text_part

LETTERS = (*tokens.TOKENS, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "<pad>", "<mask>")
PROCESSOR = {"type": "BertProcessing", "sep": ["x", 5], "cls": ["x", 5]}
KINDS = {"BertTokenizer": tokens.word_piece, "RobertaTokenizer": tokens.bpe, "GPTNeoXTokenizer": tokens.bpe}
OTHERS = dict.fromkeys(("LlamaTokenizer", "GemmaTokenizer", "Qwen2Tokenizer", "GPT2Tokenizer"), tokens.bpe)


@pytest.mark.loader
@pytest.mark.parametrize("name", sorted(KINDS | OTHERS))
def test_which_classes_have_a_post_processor_of_their_own(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    full = tokens.tokenizer_json((KINDS | OTHERS)[name](tokens.numbered(LETTERS)), post_processor=PROCESSOR)
    (tmp_path / "tokenizer.json").write_text(json.dumps(full), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}), encoding="utf-8")

    ids = transformers.AutoTokenizer.from_pretrained(tmp_path)("a").input_ids

    assert (ids[0] != PROCESSOR["cls"][1]) == (name in OWN_POST_PROCESSOR)


@pytest.mark.loader
@pytest.mark.parametrize("name", ["Llama", "GPT2", "Qwen3", "OPT", "Bert", "T5"])
def test_which_classes_classify_by_the_last_token(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    layers = pytest.importorskip("transformers.modeling_layers")
    found = getattr(transformers, f"{name}ForSequenceClassification")
    asks = "Cannot handle batch sizes > 1" in inspect.getsource(found.forward)

    assert (issubclass(found, layers.GenericForSequenceClassification) or asks) == (found.__name__ in LAST_TOKEN)


def test_the_text_model_comes_before_the_top_level() -> None:
    inner = {"model_type": "llama", "pad_token_id": 0}

    assert text_part({"pad_token_id": 1, "text_config": inner}) == (inner, ("text_config",))
    assert text_part({"pad_token_id": 1, "text_config": "llama"})[1] == ()


def test_markers_that_merges_make() -> None:
    model = tokens.bpe(tokens.numbered(("<", "a", ">", "<a", "<a>")), [("<", "a"), ("<a", ">")])
    found = tokenizer_json.parse(json.dumps(tokens.tokenizer_json(model)).encode())

    assert found.merges is not None
    assert found.merges.made == {"<a>"}
