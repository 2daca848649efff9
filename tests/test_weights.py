"""Which weight files a loader opens, and what an entry of an index leads to."""

import pytest

from hfcheck.formats.index import IndexFacts
from hfcheck.layout import IndexName, index_for, index_name
from hfcheck.weights import Index, candidates, names_a_file


def index(weight_map: dict[str, str], *not_strings: str) -> Index:
    name = IndexName("model", ".safetensors", None)
    return Index(
        "unet/model.safetensors.index.json",
        name,
        IndexFacts(weight_map, {}, has_metadata=True, not_strings=not_strings),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("model.safetensors", "model.safetensors.index.json"),
        ("model.safetensors.index.json", "pytorch_model.bin"),
        ("diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.safetensors"),
        ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json"),
    ],
)
def test_order_of_candidates(first: str, second: str) -> None:
    names = candidates("")
    assert names.index(first) < names.index(second)


def test_peft_opens_no_index() -> None:
    assert not [name for name in candidates("") if name.startswith("adapter") and name.endswith("index.json")]


def test_shards_are_relative_to_the_index_and_keep_their_order() -> None:
    shards = index({"b": "2", "a": "1", "c": "./2", "d": "part/../1", "e": ""}).tensors_by_shard()
    assert shards == {"unet/2": ["b", "c"], "unet/1": ["a"]}
    assert list(shards) == ["unet/2", "unet/1"]


def test_followed_when_every_entry_is_a_file_inside() -> None:
    assert index({"a": "1", "b": "part/2"}).followed
    assert not index({"a": "../1"}).followed
    assert not index({"a": "1", "b": ""}).followed
    assert not index({"a": "1"}, "b").followed


@pytest.mark.parametrize(("entry", "is_file"), [("a", True), ("a/b", True), ("", False), ("a/", False), ("a/.", False)])
def test_names_a_file(entry: str, is_file: bool) -> None:  # noqa: FBT001 - a column of the table
    assert names_a_file(entry) is is_file


@pytest.mark.parametrize(
    ("shard", "name"),
    [
        ("model-00001-of-00002.safetensors", "model.safetensors.index.json"),
        ("unet/diffusion_pytorch_model-00000-of-00002.bin", "diffusion_pytorch_model.bin.index.json"),
        ("pytorch_model-1-of-3.bin", "pytorch_model.bin.index.json"),
        ("model.fp16-00001-of-00002.safetensors", "model.safetensors.index.fp16.json"),
        ("model-00001-of-00002.fp16.safetensors", "model.safetensors.fp16.index.json"),
    ],
)
def test_the_index_of_a_shard(shard: str, name: str) -> None:
    assert index_for(shard) == index_name(name)
    assert index_for(shard) is not None


@pytest.mark.parametrize(
    "name",
    [
        "model_00001-of-00072.safetensors",
        "consolidated-00001-of-00002.safetensors",
        "llama-00001-of-00002.gguf",
        "model-00001-of-00002.gguf",
        "group1-shard1of7",
        "shard-00001-model-00001-of-00002.safetensors",
        "model.safetensors",
        "igfold_5.safetensors",
    ],
)
def test_names_that_need_no_index_of_a_loader(name: str) -> None:
    assert index_for(name) is None
