"""What devices can do with a checkpoint, against what the quantisers of transformers ask of them."""

import importlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hfcheck import testing
from hfcheck.example import Example
from hfcheck.example_models import LLAMA, fp8_config, fp8_tensors, llama_tensors, repository
from hfcheck.facts import units
from hfcheck.placement.capability import (
    Fate,
    attention,
    emulates_bf16,
    first_accelerator,
    offload_refusal,
    treatment,
    unknown_capability,
)
from hfcheck.placement.device import Device, Key, devices
from hfcheck.placement.quantised_tree import checkpoint_of
from hfcheck.placement.target import Target
from hfcheck.repository import scan

CAPABILITIES = ((7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0))
Json = dict[str, Any]


def cuda(compute: tuple[int, int] | None) -> tuple[Device, ...]:
    return () if compute is None else devices([f"0=1GiB:sm_{compute[0]}{compute[1]}"])


def quantiser(method: str, settings: Json) -> Any:  # noqa: ANN401 - a class of transformers
    """A quantiser of this method without the library behind it, which its constructor may ask for."""
    name = {
        "fp8": "finegrained_fp8", "bitsandbytes_4bit": "bnb_4bit", "bitsandbytes_8bit": "bnb_8bit",
    }.get(method, method)  # fmt: skip
    module = pytest.importorskip(f"transformers.quantizers.quantizer_{name}")
    (found,) = (
        value
        for key, value in vars(module).items()
        if key.endswith(("HfQuantizer", "HFQuantizer")) and key != "HfQuantizer" and value.__module__ == module.__name__
    )
    made = object.__new__(found)
    made.pre_quantized = True
    defaults = {
        "dequantize": False, "llm_int8_enable_fp32_cpu_offload": False, "pseudoquantization": False,
        "forward_dtype": "mxfp4", "activations": None, "method": "sinq",
    }  # fmt: skip
    made.quantization_config = SimpleNamespace(**{**defaults, **settings})
    return made


def outcome(method: str, settings: Json, **arguments: object) -> tuple[Fate, str]:
    """What the real quantiser does: its fate, and the exception that it raises."""
    made = quantiser(method, settings)
    try:
        made.validate_environment(**arguments)
    except Exception as error:  # noqa: BLE001 - which one it is, is the result
        return Fate.REFUSED, type(error).__name__
    return (Fate.DEQUANTISED if made.quantization_config.dequantize else Fate.KEPT), ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int] | None], None]:
    """Makes torch believe in a GPU of some compute capability, or in none, and transformers in all packages."""
    torch = pytest.importorskip("torch")

    def set_up(compute: tuple[int, int] | None) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: compute is not None)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: compute)
        for name in METHODS:
            with suppress(ImportError):
                module = importlib.import_module(f"transformers.quantizers.quantizer_{MODULES.get(name, name)}")
                for key in [key for key in vars(module) if key.startswith("is_") and key.endswith("_available")]:
                    if "xpu" not in key and "npu" not in key and "hpu" not in key:
                        is_cuda = "cuda" in key
                        monkeypatch.setattr(module, key, lambda *_, is_cuda=is_cuda: compute is not None or not is_cuda)
                if hasattr(module, "get_current_accelerator"):
                    kind = None if compute is None else torch.device("cuda")
                    monkeypatch.setattr(module, "get_current_accelerator", lambda kind=kind: kind)
        integrations = importlib.import_module("transformers.integrations")
        monkeypatch.setattr(integrations, "validate_bnb_backend_availability", lambda **_: True, raising=False)

    return set_up


MODULES = {"fp8": "finegrained_fp8", "bitsandbytes_4bit": "bnb_4bit", "bitsandbytes_8bit": "bnb_8bit"}
METHODS = (
    "fp8", "mxfp4", "fbgemm_fp8", "eetq", "higgs", "spqr", "vptq", "fp_quant", "metal", "bitsandbytes_4bit",
    "bitsandbytes_8bit", "hqq", "quanto", "torchao", "bitnet", "sinq",
)  # fmt: skip


@pytest.mark.loader
@pytest.mark.parametrize("method", ["fp8", "fbgemm_fp8", "eetq", "higgs", "spqr", "vptq", "fp_quant", "metal"])
def test_the_fate_of_weights_is_that_of_the_quantiser(
    method: str, machine: Callable[[tuple[int, int] | None], None]
) -> None:
    for compute in (None, *CAPABILITIES):
        machine(compute)
        ours = treatment(method, {}, cuda(compute))
        assert (ours.fate, ours.error) == outcome(method, {}, device_map={"": 0}), compute


@pytest.mark.loader
def test_mxfp4_asks_for_a_gpu_or_for_kernels_on_the_cpu(machine: Callable[[tuple[int, int] | None], None]) -> None:
    """On the CPU the second step, in front of the weights, dequantises: nobody passes `use_kernels=True`."""
    for compute in CAPABILITIES:
        machine(compute)
        assert treatment("mxfp4", {}, cuda(compute)).fate is outcome("mxfp4", {}, device_map={"": 0})[0]
    machine(None)
    made = quantiser("mxfp4", {"modules_to_not_convert": None})
    made.validate_environment(device_map={"": "cpu"})
    model = SimpleNamespace(_keep_in_fp32_modules=None, all_tied_weights_keys={})
    made.get_modules_to_not_convert = lambda *_: []
    made._process_model_before_weight_loading(model)  # noqa: SLF001 - the step that is asked about
    assert made.quantization_config.dequantize
    assert treatment("mxfp4", {}, devices(["cpu=1GiB"])).fate is Fate.DEQUANTISED


@pytest.mark.loader
def test_emulated_nvfp4_asks_for_more(machine: Callable[[tuple[int, int] | None], None]) -> None:
    settings = {"pseudoquantization": True, "forward_dtype": "nvfp4"}
    for compute in (None, *CAPABILITIES):
        machine(compute)
        ours = treatment("fp_quant", settings, cuda(compute))
        assert (ours.fate, ours.error) == outcome("fp_quant", settings, device_map={"": 0}), compute


MAPS: tuple[Mapping[str, Key], ...] = (
    {"": 0}, {"": "cpu"}, {"": "disk"}, {"a": 0, "b": 0}, {"a": 0, "b": "cpu"}, {"a": 0, "b": "disk"},
    {"a": "cpu", "b": "cpu"}, {"a": "cpu", "b": "disk"}, {"a": 0, "b": 1, "c": "cpu"},
)  # fmt: skip


@pytest.mark.loader
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("bitsandbytes_4bit", {}),
        ("bitsandbytes_8bit", {}),
        ("bitsandbytes_8bit", {"llm_int8_enable_fp32_cpu_offload": True}),
        ("hqq", {}),
        ("higgs", {}),
        ("quanto", {}),
        ("eetq", {}),
        ("bitnet", {}),
        ("fp_quant", {}),
        ("fp_quant", {"pseudoquantization": True}),
        ("torchao", {}),
        ("sinq", {}),
        ("fp8", {}),
        ("fbgemm_fp8", {}),
        ("mxfp4", {}),
    ],
)
def test_the_same_device_maps_are_refused(
    method: str, settings: Json, machine: Callable[[tuple[int, int] | None], None]
) -> None:
    machine((9, 0))
    for device_map in MAPS:
        _, error = outcome(method, settings, device_map=dict(device_map))
        assert offload_refusal(method, settings, device_map, cuda((9, 0))) == error, device_map


@pytest.mark.loader
def test_bitnet_refuses_nothing_without_a_gpu(machine: Callable[[tuple[int, int] | None], None]) -> None:
    machine(None)
    for device_map in MAPS:
        _, error = outcome("bitnet", {}, device_map=dict(device_map))
        assert offload_refusal("bitnet", {}, device_map, devices(["cpu=1GiB"])) == error == ""


def test_without_a_tag_nothing_is_known() -> None:
    found = treatment("fp8", {}, devices(["0=1GiB"]))
    assert (found.fate, found.open_question) == (
        Fate.KEPT,
        "the compute capability of device 0, on which fp8 depends",
    )
    assert unknown_capability(devices(["0=1GiB", "1=1GiB:sm_80", "2=1GiB", "cpu=1GiB"])) == (
        "the compute capability of devices 0, 2 is not given"
    )
    assert unknown_capability(devices(["0=1GiB:sm_80", "cpu=1GiB", "disk"])) == ""
    assert unknown_capability(devices(["0=1GiB:rocm"])) == ""  # AMD counts otherwise


def test_the_first_accelerator_decides() -> None:
    """`torch.cuda.get_device_capability()` is that of the current device."""
    mixed = devices(["0=1GiB:sm_80", "1=1GiB:sm_90"])
    assert first_accelerator(mixed) == mixed[0]
    assert treatment("fp8", {}, mixed).is_dequantised
    assert treatment("fp8", {}, devices(["1=1GiB:sm_90", "2=1GiB:sm_80"])).fate is Fate.KEPT
    assert first_accelerator(devices(["mps=1GiB"])) == devices(["mps=1GiB"])[0]
    assert first_accelerator(devices(["cpu=1GiB", "disk"])) is None


def test_other_accelerators() -> None:
    assert treatment("fp8", {}, devices(["0=1GiB:xpu"])).fate is Fate.KEPT
    assert treatment("fp8", {}, devices(["mps=1GiB"])).is_dequantised
    assert treatment("metal", {}, devices(["mps=1GiB"])).fate is Fate.KEPT
    assert treatment("eetq", {}, devices(["0=1GiB:xpu"])).is_refused
    assert treatment("gptq", {}, devices(["cpu=1GiB"])).fate is Fate.KEPT


def test_bfloat16_is_emulated_below_8_0() -> None:
    found = devices(["0=1GiB:sm_75", "1=1GiB:sm_80", "2=1GiB", "3=1GiB:rocm", "cpu=1GiB"])
    assert [device.key for device in emulates_bf16(found)] == [0]


def test_an_attention_asks_for_a_device() -> None:
    config: Json = {"attn_implementation": {"text_config": "flash_attention_4", "vision_config": "sdpa"}}
    found = attention(config, cuda((8, 9)))
    assert found is not None
    assert (found.pointer, found.name) == ("/attn_implementation/text_config", "flash_attention_4")
    assert attention(config, cuda((9, 0))) is None
    assert attention({"_attn_implementation": "flash_attention_2"}, devices(["0=1GiB:xpu"])) is None
    assert attention({"_attn_implementation": "flash_attention_2"}, devices(["mps=1GiB"])) is not None
    assert attention({"attn_implementation": ["flash_attention_2"]}, ()) is None


@pytest.mark.loader
@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation"])
def test_transformers_takes_the_attention_from_the_file(field: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    testing.write(Example("", repository(LLAMA, llama_tensors(), **{field: "flash_attention_2"})), tmp_path)
    with pytest.raises(ImportError, match="FlashAttention2 has been toggled on"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.loader
@pytest.mark.parametrize(("rows", "block", "expected"), [(12, 4, None), (12, 8, False), (12, 3, True)])
def test_scales_that_do_not_divide_their_weight(rows: int, block: int, expected: object, tmp_path: Path) -> None:
    """Dequantised on the CPU: right, wrong without a word, or not at all."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    save = pytest.importorskip("safetensors.torch").save_file
    files = repository({**LLAMA, "intermediate_size": rows}, {}, quantization_config=fp8_config(block), dtype="float32")
    tensors: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for name, (dtype, shape) in fp8_tensors(block).items():
        extents = [rows if extent == 12 else extent for extent in shape]
        if name.endswith("_scale_inv"):
            extents = [-(-extent // block) for extent in tensors[name.removesuffix("_scale_inv")].shape]
            tensors[name] = torch.arange(1.0, 1.0 + extents[0] * extents[1]).reshape(extents)
        else:
            made = torch.ones(extents)
            tensors[name] = made.to(torch.float8_e4m3fn) if dtype == "F8_E4M3" else made
    for name, scales in tensors.items():
        if name.endswith("_scale_inv"):
            weight = name.removesuffix("_scale_inv")
            height, width = tensors[weight].shape
            whole = scales.repeat_interleave(block, 0)[:height].repeat_interleave(block, 1)[:, :width]
            wanted[weight] = whole
    (tmp_path / "config.json").write_text(json.dumps(files["config.json"]))
    save(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    facts = replace(units(scan(str(tmp_path)))[0], target=Target(devices(["cpu=1GiB"])))
    found = checkpoint_of(facts.config or {}, facts.loaded_headers["model.safetensors"].tensors, ())
    assert found is not None
    uneven = {one.name.removesuffix("_scale_inv"): one.is_refused for one in found.uneven()}
    if any(uneven.values()):
        with pytest.raises(RuntimeError):
            transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    else:
        state = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
        wrong = {name for name, value in wanted.items() if not torch.equal(state[name].float(), value)}
        assert wrong == set(uneven)
    assert (max(uneven.values()) if uneven else None) is expected
