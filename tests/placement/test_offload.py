"""What a load writes to disk, against the files that the two loaders leave in the offload folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfcheck import registry, testing
from hfcheck.example import Example
from hfcheck.example_models import LLAMA, QWEN3_MOE, llama_tensors, repository
from hfcheck.facts import Facts, units
from hfcheck.placement.device import Key, devices
from hfcheck.placement.offload import Offload
from hfcheck.placement.target import Dialect, Dtype, Target
from hfcheck.repository import scan

DEVICES = devices(["0=1GiB", "cpu=1GiB", "disk"])
HALF: Mapping[str, Key] = {
    "model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.layers": "disk", "model.norm": "disk",
    "lm_head": "cpu",
}  # fmt: skip


def offload_of(folder: Path, device_map: Mapping[str, Key], dialect: Dialect, dtype: Dtype = "auto") -> Offload:
    target = Target(DEVICES, explicit=dict(device_map), dialect=dialect, dtype=dtype)
    run = replace(units(scan(str(folder)))[0], target=target).dry_run
    assert run is not None
    assert run.offload is not None
    return run.offload


def saved(model_type: str, folder: Path, suffix: str, **fields: object) -> Any:  # noqa: ANN401 - a class of transformers
    """A tiny model in bfloat16, saved; returns its class."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config_class, model_class = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen3_moe": (transformers.Qwen3MoeConfig, transformers.Qwen3MoeForCausalLM),
    }[model_type]
    known = LLAMA if model_type == "llama" else QWEN3_MOE
    config = config_class(**{**{k: v for k, v in known.items() if k not in {"architectures", "model_type"}}, **fields})
    model = model_class(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    if suffix == "bin":
        stored = pytest.importorskip("safetensors.torch").load_file(folder / "model.safetensors")
        if config.tie_word_embeddings:
            stored["lm_head.weight"] = stored["model.embed_tokens.weight"]
        torch.save(stored, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return model_class


def in_folder(folder: Path) -> dict[str, int]:
    """The bytes of each tensor that was written."""
    found: dict[str, int] = {}
    for path in folder.iterdir():
        if path.suffix == ".dat":
            found[path.stem] = path.stat().st_size
        elif path.suffix == ".safetensors":
            (tensor,) = pytest.importorskip("safetensors.torch").load_file(path).values()
            found[path.stem] = tensor.nbytes
    return found


@pytest.mark.loader
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("model_type", ["llama", "qwen3_moe"])
def test_transformers_writes_these_bytes(model_type: str, suffix: str, dtype: Dtype, tmp_path: Path) -> None:
    model_class = saved(model_type, tmp_path / "model", suffix)
    folder = tmp_path / "offload"
    model_class.from_pretrained(tmp_path / "model", device_map=dict(HALF), offload_folder=folder, dtype=dtype)
    ours = offload_of(tmp_path / "model", HALF, "transformers", dtype)
    theirs = in_folder(folder)
    assert set(ours.written) == set(theirs)
    assert ours.folder == sum(theirs.values())
    assert bool(theirs) is (suffix == "bin" or model_type == "qwen3_moe")


@pytest.mark.loader
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("model_type", ["llama", "qwen3_moe"])
def test_transformers_stops_without_a_folder(model_type: str, suffix: str, tmp_path: Path) -> None:
    model_class = saved(model_type, tmp_path, suffix)
    ours = offload_of(tmp_path, HALF, "transformers")
    if ours.failure:
        with pytest.raises(ValueError, match="needed to be re-saved"):
            model_class.from_pretrained(tmp_path, device_map=dict(HALF))
    else:
        model_class.from_pretrained(tmp_path, device_map=dict(HALF))


@pytest.mark.loader
def test_a_torch_file_has_a_tied_head_twice(tmp_path: Path) -> None:
    """Both are saved for the disk, though the file has one storage for the two."""
    model_class = saved("llama", tmp_path / "model", "bin", tie_word_embeddings=True)
    device_map: dict[str, Key] = {**dict.fromkeys(HALF, "cpu"), "model.embed_tokens": "disk", "lm_head": "disk"}
    folder = tmp_path / "offload"
    model_class.from_pretrained(tmp_path / "model", device_map=device_map, offload_folder=folder)
    ours = offload_of(tmp_path / "model", device_map, "transformers")
    assert (set(ours.written), ours.folder) == (set(in_folder(folder)), sum(in_folder(folder).values()))


@pytest.mark.loader
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_accelerate_writes_what_is_stored(
    dtype: Dtype, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the type of the file, whatever type is asked for, and the part for the CPU into a temporary folder."""
    accelerate = pytest.importorskip("accelerate")
    modeling = pytest.importorskip("accelerate.utils.modeling")
    torch = pytest.importorskip("torch")
    model_class = saved("llama", tmp_path / "model", suffix)
    with accelerate.init_empty_weights():
        model = model_class(model_class.config_class.from_pretrained(tmp_path / "model"))
    temporary: dict[str, int] = {}
    remove = modeling.shutil.rmtree

    def removed(folder: str) -> None:
        temporary.update(in_folder(Path(folder)))
        remove(folder)

    monkeypatch.setattr(modeling.shutil, "rmtree", removed)
    folder, checkpoint = tmp_path / "offload", next(iter((tmp_path / "model").glob("*model.*")))
    monkeypatch.setattr(modeling, "is_tqdm_available", lambda: False)
    accelerate.load_checkpoint_and_dispatch(
        model, str(checkpoint), device_map=dict(HALF), offload_folder=folder, dtype=getattr(torch, dtype)
    )
    ours = offload_of(tmp_path / "model", HALF, "accelerate", dtype)
    theirs = in_folder(folder)
    assert set(ours.written) == set(theirs)
    assert (ours.folder, ours.temporary) == (sum(theirs.values()), sum(temporary.values()))


@pytest.mark.loader
def test_accelerate_stops_at_a_map_of_nothing_but_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerate = pytest.importorskip("accelerate")
    safetensors = pytest.importorskip("safetensors")
    model_class = saved("llama", tmp_path, "safetensors")
    with accelerate.init_empty_weights():
        model = model_class(model_class.config_class.from_pretrained(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(safetensors.SafetensorError, match="device disk is invalid"):
        accelerate.load_checkpoint_in_model(model, "model.safetensors", device_map={"": "disk"}, offload_folder="off")
    with pytest.raises(ValueError, match="please pass along an `offload_folder`"):
        accelerate.load_checkpoint_in_model(model, "model.safetensors", device_map={"": "disk"})
    ours = offload_of(tmp_path, {"": "disk"}, "accelerate")
    assert ours.breaks
    assert ours.failure == "accelerate stops with a ValueError before it reads anything"


def test_a_map_without_the_disk_writes_nothing(tmp_path: Path) -> None:
    testing.write(Example("", repository(LLAMA, llama_tensors())), tmp_path)
    for dialect in ("transformers", "accelerate"):
        found = offload_of(tmp_path, {"": "cpu"}, dialect)
        assert (found.folder, found.written, found.temporary, found.failure) == (0, (), 0, "")


@pytest.mark.parametrize(("dialect", "rules"), [("accelerate", {"DEV003", "DEV007"}), ("transformers", {"DEV003"})])
def test_a_model_that_is_larger_than_the_devices(dialect: Dialect, rules: set[str], tmp_path: Path) -> None:
    """https://github.com/huggingface/accelerate/issues/1281 and https://github.com/databrickslabs/dolly/issues/46 .

    transformers 5.23 needs no folder any more where safetensors can be used in place.
    """
    testing.write(Example("", repository(LLAMA, llama_tensors())), tmp_path)
    target = Target(devices(["0=3KB", "cpu=1KB", "disk"]), mode="sequential", dialect=dialect)
    facts: Facts = replace(units(scan(str(tmp_path)))[0], target=target)
    both = (rule for rule in registry.load() if rule.id in {"DEV003", "DEV007"})
    assert {rule.id for rule in both if list(rule.check(facts))} == rules
