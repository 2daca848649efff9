"""The names of weights, in all the spellings that are in use."""

import pytest

from hfcheck.layout import IndexName, ShardName, index_name, is_read_by_loaders, marks_a_repository, shard_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model-00001-of-00002.safetensors", ShardName("model", 1, 2, ".safetensors")),
        (
            "unet/diffusion_pytorch_model-00003-of-00003.safetensors",
            ShardName("diffusion_pytorch_model", 3, 3, ".safetensors"),
        ),
        ("pytorch_model-1-of-3.bin", ShardName("pytorch_model", 1, 3, ".bin")),
        ("model_00001-of-00072.safetensors", ShardName("model", 1, 72, ".safetensors")),
        ("model-00000-of-00002.safetensors", ShardName("model", 0, 2, ".safetensors")),
        ("model.fp16-00001-of-00002.safetensors", ShardName("model.fp16", 1, 2, ".safetensors")),
        ("pytorch_model-00001-of-00002.fp16.bin", ShardName("pytorch_model", 1, 2, ".fp16.bin")),
        ("consolidated-00001-of-00002.safetensors", ShardName("consolidated", 1, 2, ".safetensors")),
        ("llama-q4-00001-of-00003.gguf", ShardName("llama-q4", 1, 3, ".gguf")),
    ],
)
def test_shard_names(name: str, expected: ShardName) -> None:
    assert shard_name(name) == expected


@pytest.mark.parametrize(
    "name", ["model.safetensors", "igfold_5.ckpt", "group1-shard1of7.bin", "state-of-the-art.md", "a-1-of-b"]
)
def test_other_names(name: str) -> None:
    assert shard_name(name) is None


@pytest.mark.parametrize(
    ("name", "expected", "single"),
    [
        ("model.safetensors.index.json", IndexName("model", ".safetensors", None), "model.safetensors"),
        ("x/pytorch_model.bin.index.json", IndexName("pytorch_model", ".bin", None), "pytorch_model.bin"),
        ("model.safetensors.index.fp16.json", IndexName("model", ".safetensors", "fp16"), "model.fp16.safetensors"),
        (
            "consolidated.safetensors.index.json",
            IndexName("consolidated", ".safetensors", None),
            "consolidated.safetensors",
        ),
    ],
)
def test_index_names(name: str, expected: IndexName, single: str) -> None:
    assert index_name(name) == expected
    assert expected.single == single


@pytest.mark.parametrize("name", ["model_index.json", "index.json", "model.safetensors", "model.onnx.index.json"])
def test_names_of_no_index(name: str) -> None:
    assert index_name(name) is None


def test_what_loaders_read() -> None:
    assert is_read_by_loaders("text_encoder/config.json")
    assert is_read_by_loaders("model.safetensors.index.json")
    assert not is_read_by_loaders("results.json")


def test_what_marks_a_repository() -> None:
    assert all(map(marks_a_repository, ["model.safetensors", "x.BIN", "config.json", "a.gguf", "tokenizer.model"]))
    assert not any(map(marks_a_repository, ["README.md", "package.json", "data.parquet", "index.json"]))
