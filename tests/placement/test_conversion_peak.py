"""What a load needs beside the weights, against what torch allocates."""

import gc
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfcheck.facts import units
from hfcheck.placement.conversion import Peak, conversion_peaks
from hfcheck.placement.device import Key, devices
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.target import Target
from hfcheck.repository import scan

DEVICES = devices(["0=1GiB", "cpu=1GiB", "disk"])
EXPERTS = "model.layers.1.mlp"
REST: Mapping[str, Key] = {
    "model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": "cpu",
    "model.layers.0": "cpu", "model.layers.1.self_attn": "cpu", "model.layers.1.input_layernorm": "cpu",
    "model.layers.1.post_attention_layernorm": "cpu",
}  # fmt: skip


def model_of(*weights: Weight, no_placement: frozenset[str] = frozenset()) -> Model:
    named = {weight.name: weight for weight in weights}
    return Model("", Module(), named, {}, frozenset(), no_placement, "F32", exact=True)


def fused(name: str, nbytes: int) -> Weight:
    return Weight(name, nbytes, "F32", (f"{name}.0", f"{name}.1"), is_converted=True)


def test_the_largest_tensor_of_each_device_counts() -> None:
    model = model_of(fused("a", 10), fused("b", 30), fused("c", 20), Weight("d", 90, "F32", ("d",)))
    placed: dict[str, Key | None] = {"a": 0, "b": 0, "c": 1, "d": 1}
    assert conversion_peaks("transformers", model, {}, placed, {}) == {0: Peak(30, "b"), 1: Peak(20, "c")}


def test_parts_of_one_tensor_count_together() -> None:
    """A fused projection is divided, where its first part goes."""
    parts = (Weight(name, 10, "F32", ("qkv",), is_converted=True) for name in "qkv")
    placed: dict[str, Key | None] = {"q": 0, "k": 0, "v": 0}
    assert conversion_peaks("transformers", model_of(*parts), {}, placed, {}) == {0: Peak(30, "q")}


def test_a_converter_that_is_forced_to_the_cpu_needs_nothing_of_the_device() -> None:
    model = model_of(fused("ngram_embedding.weight", 30), no_placement=frozenset({"ngram_embedding.weight"}))
    placed: dict[str, Key | None] = {"ngram_embedding.weight": 0}
    peak = Peak(60, "ngram_embedding.weight")
    assert conversion_peaks("transformers", model, {}, placed, {}) == {"cpu": peak}


def test_what_is_for_the_disk_passes_through_the_memory() -> None:
    model = model_of(fused("a", 10), fused("b", 30), Weight("c", 20, "F32", ("c",)))
    placed: dict[str, Key | None] = dict.fromkeys("abc", "disk")
    assert conversion_peaks("transformers", model, {}, placed, {}) == {"cpu": Peak(80, "b")}


@pytest.mark.loader
@pytest.mark.parametrize("device", ["cpu", "disk"])
def test_experts_are_there_twice(device: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upper bound, and near: the last tensors of a model are read when its last experts are made."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen3MoeConfig(
        vocab_size=64, hidden_size=128, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=256,
        decoder_sparse_step=1, mlp_only_layers=[],
    )  # fmt: skip
    model_class = transformers.Qwen3MoeForCausalLM
    model_class(config).to(torch.bfloat16).save_pretrained(tmp_path)
    device_map = {**REST, EXPERTS: device}
    # One thread, so that the tensors are read when they are needed and the peak is the same each time.
    monkeypatch.setenv("HF_DEACTIVATE_ASYNC_LOAD", "1")
    gc.collect()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        model = model_class.from_pretrained(
            tmp_path, device_map=device_map, offload_folder=tmp_path / "offload", dtype=torch.float32
        )
    lasting, top = allocated(profile, (tmp_path / "model.safetensors").stat().st_size)
    del model
    target = Target(DEVICES, explicit=device_map, dtype="float32")
    run = replace(units(scan(str(tmp_path)))[0], target=target).dry_run
    assert run is not None
    peak = run.peaks["cpu"].nbytes
    assert top - lasting <= peak
    assert top - lasting > 0.9 * peak


@pytest.mark.loader
@pytest.mark.parametrize("method", ["fp8", "mxfp4"])
def test_what_is_dequantised_takes_a_multiple(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    files = pytest.importorskip("safetensors.torch")
    if method == "fp8":
        sizes = {"intermediate_size": 4096, "num_key_value_heads": 1, "head_dim": 32}
        config, model_class = transformers.LlamaConfig, transformers.LlamaForCausalLM
        settings: Mapping[str, object] = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    else:
        sizes = {"intermediate_size": 512, "num_key_value_heads": 2, "head_dim": 64, "num_local_experts": 8}
        config, model_class = transformers.GptOssConfig, transformers.GptOssForCausalLM
        settings = {"quant_method": "mxfp4"}
    made = config(vocab_size=64, hidden_size=512, num_hidden_layers=1, num_attention_heads=4, **sizes)
    model_class(made).to(torch.bfloat16).save_pretrained(tmp_path)
    stored: dict[str, Any] = {}
    for name, tensor in files.load_file(tmp_path / "model.safetensors").items():
        if method == "fp8" and "mlp" in name:
            rows, columns = tensor.shape
            stored[name] = tensor.to(torch.float8_e4m3fn)
            stored[f"{name}_scale_inv"] = torch.ones(rows // 128, columns // 128)
        elif method == "mxfp4" and tensor.ndim == 3:
            experts, inputs, outputs = tensor.shape
            stored[f"{name}_blocks"] = torch.zeros(experts, outputs, inputs // 32, 16, dtype=torch.uint8)
            stored[f"{name}_scales"] = torch.zeros(experts, outputs, inputs // 32, dtype=torch.uint8)
        else:
            stored[name] = tensor
    files.save_file(stored, tmp_path / "model.safetensors", metadata={"format": "pt"})
    declared = json.loads((tmp_path / "config.json").read_text()) | {"quantization_config": settings}
    (tmp_path / "config.json").write_text(json.dumps(declared))
    monkeypatch.setenv("HF_DEACTIVATE_ASYNC_LOAD", "1")
    gc.collect()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        model = model_class.from_pretrained(tmp_path, device_map={"": "cpu"})
    lasting, top = allocated(profile, (tmp_path / "model.safetensors").stat().st_size)
    del model
    run = replace(units(scan(str(tmp_path)))[0], target=Target(devices(["cpu=1GiB"]), explicit={"": "cpu"})).dry_run
    assert run is not None
    peak = run.peaks["cpu"].nbytes
    assert top - lasting <= peak
    assert top - lasting > 0.8 * peak  # the file is mapped on the CPU, so that what is stored takes none there


def allocated(profile: Any, mapped: int) -> tuple[int, int]:  # noqa: ANN401 - a class of torch
    """Bytes at the end and at most, without the file, which torch counts when it is mapped."""
    now = top = 0
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    for event in events:
        if event.name() == "[memory]" and not mapped * 0.9 < abs(event.nbytes()) <= mapped:
            now += event.nbytes()
            top = max(top, now)
    return now, top


@pytest.mark.loader
def test_accelerate_keeps_a_shard_until_all_of_it_is_cast(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    accelerate = pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4
    )
    model_class = transformers.LlamaForCausalLM
    state = model_class(config).to(torch.bfloat16).state_dict()
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")  # safetensors are mapped on the CPU, and held on no other device
    with accelerate.init_empty_weights():
        model = model_class(config)
    device_map: dict[str, Key] = {"model": "cpu", "lm_head": "cpu"}
    gc.collect()  # what is freed while torch counts was not counted when it came
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        accelerate.load_checkpoint_in_model(model, str(tmp_path), device_map=device_map, dtype=torch.float32)
    lasting, top = allocated(profile, 0)
    target = Target(DEVICES, explicit=device_map, dialect="accelerate", dtype="float32")
    run = replace(units(scan(str(tmp_path)))[0], target=target).dry_run
    assert run is not None
    stored = sum(tensor.nbytes for tensor in state.values())
    assert run.peaks == {"cpu": Peak(stored, "pytorch_model.bin")}
    assert stored * 0.99 < top - lasting <= stored * 1.01
