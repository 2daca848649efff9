"""The rules on ids against what transformers does with them: each fault happens, and each near miss does not."""

from pathlib import Path
from typing import Any

import pytest

from hfcheck import registry, testing
from hfcheck.example import Example
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    added,
    added_specials,
    decoder_entry,
    merges_txt,
    numbered,
    tokenizer_config,
    tokenizer_json,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import units
from hfcheck.repository import scan
from hfcheck.token_rows import fed

MODEL = repository(LLAMA, llama_tensors())
PAST = [*added_specials(), added("<x>", SIZE), added("<y>", SIZE + 1), added("<z>", SIZE + 2)]


def loaded(folder: Path, files: dict[str, Any]) -> tuple[Any, Any]:
    """The tokenizer and the model of a repository, as transformers loads them."""
    transformers = pytest.importorskip("transformers")
    testing.write(Example("a repository", files), folder)
    return transformers.AutoTokenizer.from_pretrained(folder), transformers.AutoModelForCausalLM.from_pretrained(folder)


RULES = {rule.id: type(rule) for rule in registry.load()}


def found(rule: str, folder: Path) -> list[str]:
    return [one.severity.value for one in testing.findings(RULES[rule], folder)]


@pytest.mark.loader
@pytest.mark.parametrize("text", ["<z>", "<x>"])
def test_a_token_raises_if_and_only_if_it_has_no_row(tmp_path: Path, text: str) -> None:
    tokenizer, model = loaded(tmp_path, with_tokenizer(MODEL, tokenizer_json(None, PAST)))
    ids = tokenizer(text, return_tensors="pt").input_ids
    (one,) = fed(units(scan(str(tmp_path)))[0])
    assert ids.tolist() == [[one.table.id_of(text)]]
    if ids.item() < one.embedding.rows:
        model(ids)
    else:
        with pytest.raises(IndexError, match="index out of range"):
            model(ids)
    assert found("TOK001", tmp_path) == ["warning"]


@pytest.mark.loader
def test_padding_fails_and_a_single_text_does_not(tmp_path: Path) -> None:
    files = with_tokenizer(MODEL, tokenizer_json(None, PAST), pad_token="<z>")
    tokenizer, model = loaded(tmp_path, files)
    model(**tokenizer("a b", return_tensors="pt"))
    batch = tokenizer(["a b", "a"], return_tensors="pt", padding=True)
    with pytest.raises(IndexError):
        model(**batch)
    assert found("TOK001", tmp_path) == ["warning"]


@pytest.mark.loader
@pytest.mark.parametrize("end", [15, 2, None])
def test_a_special_id_past_the_rows(tmp_path: Path, end: int | None) -> None:
    torch = pytest.importorskip("torch")
    files = with_tokenizer({**MODEL, "generation_config.json": {"bos_token_id": 16, "eos_token_id": end}})
    _, model = loaded(tmp_path, files)
    with pytest.raises(IndexError):
        model.generate(max_new_tokens=2, do_sample=False, pad_token_id=0)
    model.generate(torch.tensor([[3]]), max_new_tokens=2, do_sample=False, pad_token_id=0)
    assert found("TOK006", tmp_path) == ["error"]


SLOW = {"vocab.json": numbered(), "merges.txt": merges_txt()}
GAP = {"<|im_end|>": SIZE + 1}
HOLE = word_level({**{token: index for token, index in numbered().items() if token != "h"}, "h": SIZE})


@pytest.mark.loader
@pytest.mark.parametrize(
    ("files", "token", "rule"),
    [
        (
            {**MODEL, **SLOW, "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"), "added_tokens.json": GAP},
            "<|im_end|>",
            "TOK003",
        ),
        (with_tokenizer(MODEL, added_tokens_decoder={"5": decoder_entry("<a>")}), "<a>", "TOK003"),
        (with_tokenizer(MODEL, tokenizer_json(None, [*PAST[:3], added("<b>", 15)])), "<b>", "TOK004"),
    ],
)
def test_an_added_token_follows_the_vocabulary_whatever_it_says(
    tmp_path: Path, files: dict[str, Any], token: str, rule: str
) -> None:
    tokenizer, _ = loaded(tmp_path, files)
    assert tokenizer.convert_tokens_to_ids(token) == SIZE
    assert found(rule, tmp_path) == ["error"]


@pytest.mark.loader
def test_an_added_token_takes_the_id_of_another(tmp_path: Path) -> None:
    tokenizer, _ = loaded(tmp_path, with_tokenizer(MODEL, tokenizer_json(HOLE, [*PAST[:3], added("<new>", SIZE)])))
    assert tokenizer.convert_tokens_to_ids(["h", "<new>"]) == [SIZE, SIZE]
    assert tokenizer.convert_ids_to_tokens(SIZE) == "<new>"
    assert found("TOK002", tmp_path) == ["error"]
    assert found("TOK004", tmp_path) == []


@pytest.mark.loader
def test_an_end_token_without_a_text(tmp_path: Path) -> None:
    tokenizer, model = loaded(tmp_path, with_tokenizer({**MODEL, "generation_config.json": {"eos_token_id": 15}}))
    assert tokenizer.convert_ids_to_tokens(15) is None
    assert tokenizer.decode([15]) == ""
    assert model.generation_config.eos_token_id == 15
    assert found("TOK005", tmp_path) == ["warning"]


@pytest.mark.loader
@pytest.mark.parametrize("index", [-1, "5", 1.5, None, True, 2**32])
@pytest.mark.parametrize("where", ["vocabulary", "added"])
def test_an_id_that_is_none(tmp_path: Path, index: object, where: str) -> None:
    transformers = pytest.importorskip("transformers")
    odd: Any = {**numbered(), "x": index}
    full = (
        tokenizer_json(word_level(odd))
        if where == "vocabulary"
        else tokenizer_json(None, [{**added("x", 0), "id": index}])
    )
    testing.write(Example("a tokenizer", with_tokenizer(MODEL, full)), tmp_path)
    with pytest.raises(Exception, match="expected u32"):
        transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert found("TOK007", tmp_path) == ["error"]


NEAR_MISSES = [
    example for example in RULES["TOK001"].good if {"model.safetensors", "tokenizer.json"} <= {*example.files}
]


@pytest.mark.loader
@pytest.mark.parametrize("example", NEAR_MISSES, ids=lambda example: example.title)
def test_near_misses_have_a_row_for_each_id(tmp_path: Path, example: Example) -> None:
    torch = pytest.importorskip("torch")
    tokenizer, model = loaded(tmp_path, dict(example.files))
    model(torch.tensor([sorted(tokenizer.get_vocab().values())]))


IDS = [f"TOK00{number}" for number in range(1, 8)]
CASES = [(rule, example) for rule in IDS for example in RULES[rule].bad]


@pytest.mark.parametrize(("rule", "example"), CASES, ids=lambda case: getattr(case, "title", case))
def test_a_title_says_the_severity(tmp_path: Path, rule: str, example: Example) -> None:
    testing.write(example, tmp_path)
    said = next((word for word in ("note", "warning") if f"a {word}" in example.title), RULES[rule].severity.value)
    assert set(found(rule, tmp_path)) == {said}
