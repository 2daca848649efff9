"""Units, and which files a loader opens."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Content, Example, Pointer
from hfcheck.facts import Facts, Kind, units
from hfcheck.repository import scan

F16 = ("F16", [2, 3])
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
INDEX = {"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}


def read(folder: Path, files: Mapping[str, Content]) -> tuple[Facts, ...]:
    testing.write(Example("facts", files), folder)
    return units(scan(str(folder)))


def test_a_plain_model_is_one_unit(tmp_path: Path) -> None:
    (facts,) = read(tmp_path, {"config.json": LLAMA, "model.safetensors": {"a": F16}, "onnx/model.onnx": b"x"})
    assert facts.kind is Kind.TRANSFORMERS
    assert facts.opened == "model.safetensors"
    assert facts.loaded == ("model.safetensors",)
    assert [entry.path for entry in facts.files] == ["config.json", "model.safetensors", "onnx/model.onnx"]


def test_each_file_belongs_to_one_unit(tmp_path: Path) -> None:
    files = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {"_class_name": "UNet2DConditionModel"},
        "unet/diffusion_pytorch_model.safetensors": {"a": F16},
        "unet/notes/x.txt": "x",
        "text_encoder/config.json": LLAMA,
        "tokenizer/vocab.json": {},
    }
    parts = read(tmp_path, files)
    assert [facts.folder for facts in parts] == ["", "text_encoder", "unet"]
    assert sorted(entry.path for facts in parts for entry in facts.files) == sorted(files)
    assert parts[0].kind is Kind.DIFFUSERS
    assert parts[2].opened == "unet/diffusion_pytorch_model.safetensors"
    assert parts[0].has_file("unet/config.json"), "a question about another unit's file is answered all the same"


@pytest.mark.parametrize(
    ("files", "opened"),
    [
        (["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"], "model.safetensors"),
        (["model.safetensors.index.json", "pytorch_model.bin"], "model.safetensors.index.json"),
        (["pytorch_model.bin", "pytorch_model.bin.index.json"], "pytorch_model.bin"),
        (["pytorch_model.bin.index.json", "model.fp16.safetensors"], "pytorch_model.bin.index.json"),
        (["adapter_model.safetensors", "adapter_config.json"], "adapter_model.safetensors"),
        (["model.fp16.safetensors", "weights.bin"], None),
    ],
)
def test_what_a_loader_opens_first(tmp_path: Path, files: list[str], opened: str | None) -> None:
    contents = {name: {"a": F16} if name.endswith(".safetensors") else INDEX for name in files}
    (facts,) = read(tmp_path, contents)
    assert facts.opened == opened
    assert (facts.index is not None) == (opened is not None and opened.endswith("index.json"))


def test_a_pointer_is_a_file_of_known_size(tmp_path: Path) -> None:
    (facts,) = read(tmp_path, {"model.safetensors": Pointer(4096, "ab" * 32)})
    pointer = facts.pointer("model.safetensors")
    assert pointer is not None
    assert (pointer.size, pointer.sha256) == (4096, "ab" * 32)
    assert facts.safetensors("model.safetensors") is None
    assert facts.opened == "model.safetensors"


def test_a_file_is_read_once(tmp_path: Path) -> None:
    (facts,) = read(tmp_path, {"config.json": LLAMA})
    assert facts.reading("config.json") is facts.reading("config.json")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": LLAMA}, Kind.TRANSFORMERS),
        ({"config.json": {"_class_name": "AutoencoderKL"}}, Kind.DIFFUSERS),
        ({"modules.json": [{"idx": 0}], "config.json": LLAMA}, Kind.SENTENCE_TRANSFORMERS),
        ({"adapter_config.json": {"peft_type": "LORA"}}, Kind.PEFT),
        ({"x.gguf": b"GGUF"}, Kind.GGUF),
        ({"x.onnx": b"x"}, Kind.ONNX),
        ({"data/a.parquet": b"x", "dataset_infos.json": {}}, Kind.DATASET),
        ({"app.py": "", "README.md": "---\nsdk: gradio\n---\n"}, Kind.SPACE),
        ({"config.json": {"some": "library"}}, Kind.UNKNOWN),
    ],
)
def test_kinds(tmp_path: Path, files: Mapping[str, Content], kind: Kind) -> None:
    assert read(tmp_path, files)[0].kind is kind


def test_shard_sets(tmp_path: Path) -> None:
    (facts,) = read(tmp_path, {"model-00001-of-00002.safetensors": {"a": F16}})
    assert facts.other_shard_set("model-00001-of-00004.safetensors")
    assert not facts.other_shard_set("model-00002-of-00002.safetensors"), "of the set that is here"
    assert not facts.other_shard_set("other-00001-of-00004.safetensors")
