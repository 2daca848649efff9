"""What the files of `torch.save` mean to the facts of a repository and to the rules on weights."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Archive, Content, Cut, Example, TorchLegacy, TorchZip
from hfcheck.example_models import BERT, LLAMA, Tensors, bert_tensors, llama_tensors, without
from hfcheck.example_pickles import pickle, torch_zip
from hfcheck.facts import Facts, units
from hfcheck.repository import scan

BIN, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
F16 = ("F16", [2, 3])
NORM = "bert.embeddings.LayerNorm"
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def facts_of(files: Mapping[str, Content], folder: Path) -> Facts:
    testing.write(Example("", files), folder)
    return units(scan(str(folder)))[0]


def findings(files: Mapping[str, Content], folder: Path) -> dict[str, str]:
    """The messages by rule; of two findings of one rule the last."""
    testing.write(Example("", files), folder)
    report = engine.check(".", str(folder), registry.load(), Settings())
    return {located.finding.id: located.finding.message for located in report.findings}


def sharded(
    *shards: Tensors, name: str = "pytorch_model-{}-of-{}.bin", kind: type[TorchZip] = TorchZip
) -> dict[str, Content]:
    files = {name.format(number + 1, len(shards)): shard for number, shard in enumerate(shards)}
    weight_map = {tensor: file for file, tensors in files.items() for tensor in tensors}
    return {INDEX: {"metadata": {}, "weight_map": weight_map}, **{file: kind(shard) for file, shard in files.items()}}


@pytest.mark.parametrize("kind", [TorchZip, TorchLegacy])
@pytest.mark.parametrize("name", ["pytorch_model-{:05}-of-{:05}.bin", "pytorch_model-{}-of-{}.bin"])
def test_shards_of_a_model(name: str, kind: type[TorchZip], tmp_path: Path) -> None:
    tensors = llama_tensors()
    first = {tensor: tensors[tensor] for tensor in list(tensors)[:5]}
    rest = {tensor: tensors[tensor] for tensor in list(tensors)[5:]}
    facts = facts_of({"config.json": LLAMA, **sharded(first, rest, name=name, kind=kind)}, tmp_path)
    assert (facts.load.outcome, len(facts.loaded_tensors), facts.comparison is not None) == (
        "loads",
        len(tensors),
        True,
    )


def test_a_shard_that_lacks_what_the_index_maps_to_it(tmp_path: Path) -> None:
    files = sharded({"a": F16}, {"b": F16})
    files["pytorch_model-2-of-2.bin"] = TorchZip({"c": F16})
    assert {"IDX005", "IDX007"} <= findings(files, tmp_path).keys()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (TorchZip(llama_tensors(), inside=("model",)), "takes the precision from the first entry"),
        (Cut(TorchLegacy(llama_tensors()), 4), "has another size in the file than the pickle says"),
        (torch_zip(pickle("GLOBAL pathlib PosixPath", "EMPTY_TUPLE", "REDUCE")), "refuses it: it does not import"),
        (pickle("EMPTY_DICT"), "it is no file of torch.save"),
        (b"text", "it is no file of torch.save"),
        (testing.to_bytes("x.safetensors", llama_tensors()), "it is no file of torch.save"),
        (torch_zip(pickle("BININT1 3")), "there is no state dict in it"),
        (Archive({"archive/data.pkl": pickle("EMPTY_DICT")}), "torch does not open the archive"),
        (torch_zip(pickle("EMPTY_DICT"), **{"constants.pkl": pickle("EMPTY_TUPLE")}), "a program of TorchScript"),
        (TorchLegacy({"a": ("F8_E4M3", [2])}), "torch.load knows no F8_E4M3 in this format"),
    ],
)
def test_what_does_not_load(content: Content, why: str, tmp_path: Path) -> None:
    load = facts_of({"config.json": LLAMA, BIN: content}, tmp_path).load
    assert (load.outcome, why in load.reason) == ("raises", True), load.reason


def test_a_checkpoint_where_the_config_has_a_dtype(tmp_path: Path) -> None:
    files = {"config.json": {**LLAMA, "dtype": "float32"}, BIN: TorchZip(llama_tensors(), inside=("model",))}
    load = facts_of(files, tmp_path).load
    assert (load.outcome, load.unexpected, len(load.missing)) == (
        "loads-reinitialised",
        ("model",),
        len(llama_tensors()),
    )


def test_tied_tensors_in_one_storage_are_no_finding(tmp_path: Path) -> None:
    config = {**LLAMA, "tie_word_embeddings": True}
    tied = TorchZip(without(llama_tensors(), HEAD), tied={HEAD: EMBEDDING})
    assert "WGT026" not in findings({"config.json": config, BIN: tied}, tmp_path)


def test_tied_tensors_in_two_storages_are_one(tmp_path: Path) -> None:
    config = {**LLAMA, "tie_word_embeddings": True}
    assert "WGT026" in findings({"config.json": config, BIN: TorchZip(llama_tensors())}, tmp_path)


@pytest.mark.parametrize(("shared", "rules"), [({f"{NORM}.gamma": f"{NORM}.weight"}, set()), ({}, {"WGT021"})])
def test_the_old_name_of_a_tensor_for_the_same_storage(shared: dict[str, str], rules: set[str], tmp_path: Path) -> None:
    own = {} if shared else {f"{NORM}.gamma": ("F32", [8])}
    files = {"config.json": BERT, BIN: TorchZip({**bert_tensors(), **own}, tied=shared)}
    assert {"WGT021"} & findings(files, tmp_path).keys() == rules


@pytest.mark.parametrize(("metadata", "outcome"), [({}, "raises"), ({"dtype": "float32"}, "loads")])
def test_an_index_that_gives_the_dtype(metadata: dict[str, str], outcome: str, tmp_path: Path) -> None:
    first = torch_zip(pickle("EMPTY_DICT", "BINUNICODE step", "BININT1 3", "SETITEM"))
    files = sharded({}, llama_tensors())
    files["pytorch_model-1-of-2.bin"] = first
    weight_map = {"step": "pytorch_model-1-of-2.bin", **files[INDEX]["weight_map"]}
    files[INDEX] = {"metadata": metadata, "weight_map": weight_map}
    assert facts_of({"config.json": LLAMA, **files}, tmp_path).load.outcome == outcome


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (TorchZip({"a": F16}), "their tensors have the same names, dtypes and shapes"),
        (TorchZip({"a": ("F32", [2, 3])}), '"a" is F32 [2, 3] here and F16 [2, 3] there'),
        (TorchZip({"b": F16}), '"b" is F16 [2, 3] here and absent there, and 1 more differ'),
        (b"\x80\x02}.", "what is in them was not compared"),
    ],
)
def test_two_formats_are_compared(other: Content, said: str, tmp_path: Path) -> None:
    assert findings({"model.safetensors": {"a": F16}, BIN: other}, tmp_path)["IDX013"].endswith(said)


def test_an_adapter_and_a_component_of_a_pipeline(tmp_path: Path) -> None:
    adapter = facts_of({"adapter_config.json": {}, "adapter_model.bin": TorchZip({"a": F16})}, tmp_path)
    assert list(adapter.loaded_tensors) == ["a"]
    files = {
        "config.json": {"_class_name": "UNet2DConditionModel"},
        "diffusion_pytorch_model.bin": TorchLegacy({"a": F16}),
    }
    (tmp_path / "unet").mkdir()
    assert list(facts_of(files, tmp_path / "unet").loaded_tensors) == ["a"]
