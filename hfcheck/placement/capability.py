"""What the devices of a target can do with a checkpoint: quantisers, types of numbers and kinds of attention.

Sources: transformers 5.23, `quantizers/quantizer_*.py:validate_environment`, which asks for the compute capability of
the first accelerator alone, `integrations/moe.py`, `modeling_flash_attention_utils.py`;
torch 2.13, `torch.cuda.is_bf16_supported`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from hfcheck.finding import pointer
from hfcheck.loading.quantised import TEXT_PARTS
from hfcheck.placement.device import Backend, Device, Key

Compute = tuple[int, int]

BF16: Compute = (8, 0)
"""Below, torch computes bfloat16 in float32."""


class Fate(Enum):
    """What becomes of quantised weights: UNPACKED are dequantised by the first forward pass, not by the load."""

    KEPT = "kept"
    DEQUANTISED = "dequantised"
    UNPACKED = "unpacked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Treatment:
    """The fate of a quantised checkpoint on these devices.

    `why` is a clause about the device, `error` what is raised where it is refused. `open_question` is a phrase on what
    would have to be known of the devices, or is taken for granted; empty where nothing is.
    """

    fate: Fate
    why: str = ""
    error: str = ""
    open_question: str = ""
    is_wanted: bool = False
    """Whether it is dequantised because the config asks for it."""

    @property
    def is_refused(self) -> bool:
        return self.fate is Fate.REFUSED

    @property
    def is_dequantised(self) -> bool:
        """Whether the load dequantises the weights."""
        return self.fate is Fate.DEQUANTISED

    @property
    def is_unpacked(self) -> bool:
        """Whether the load keeps the weights as they are and the first forward pass dequantises them."""
        return self.fate is Fate.UNPACKED


@dataclass(frozen=True, slots=True)
class _Need:
    """What a quantiser asks of the first accelerator: one of these kinds, and of CUDA a capability.

    `otherwise` and `below` say what it does without, `error` what it raises if that is a refusal.
    """

    backends: tuple[Backend, ...]
    otherwise: Fate
    error: str = ""
    least: Compute | None = None
    below: Fate = Fate.REFUSED
    below_error: str = ""


_CUDA: tuple[Backend, ...] = ("cuda", "rocm")
_CUDA_XPU: tuple[Backend, ...] = ("cuda", "rocm", "xpu")
_MPS: tuple[Backend, ...] = ("mps",)

_NEEDS: Mapping[str, _Need] = {
    "fp8": _Need(_CUDA_XPU, Fate.DEQUANTISED, least=(8, 9), below=Fate.DEQUANTISED),
    "mxfp4": _Need(_CUDA_XPU, Fate.DEQUANTISED, least=(7, 5), below=Fate.DEQUANTISED),
    "metal": _Need(_MPS, Fate.DEQUANTISED),
    "fbgemm_fp8": _Need(_CUDA_XPU, Fate.REFUSED, "ImportError", least=(9, 0), below_error="ValueError"),
    "eetq": _Need(_CUDA, Fate.REFUSED, "RuntimeError"),
    "higgs": _Need(_CUDA, Fate.REFUSED, "NotImplementedError"),
    "spqr": _Need(_CUDA, Fate.REFUSED, "RuntimeError"),
    "vptq": _Need(_CUDA, Fate.REFUSED, "RuntimeError"),
    "fp_quant": _Need(_CUDA_XPU, Fate.REFUSED, "NotImplementedError"),
}
"""Methods that look at the device, by their names in transformers."""

_ASSUMED: Mapping[str, str] = {
    "mxfp4": "whether Triton and the package kernels are installed: without them the weights are dequantised",
}


def treatment(method: str, declared: Mapping[str, Any], devices: Sequence[Device]) -> Treatment:
    """What transformers does with a checkpoint of this method; `declared` is its `quantization_config`."""
    need = _need(method, declared)
    if method == "compressed-tensors":
        return _compressed_tensors(declared)
    if need is None:
        return Treatment(Fate.KEPT)
    if declared.get("dequantize") is True and need.otherwise is Fate.DEQUANTISED:
        return Treatment(Fate.DEQUANTISED, is_wanted=True)
    first = first_accelerator(devices)
    if first is None or first.backend not in need.backends:
        return Treatment(need.otherwise, _other(first), need.error)
    assumed = _ASSUMED.get(method, "")
    if need.least is None or first.backend != "cuda":
        return Treatment(Fate.KEPT, open_question=assumed)
    if first.compute is None:
        asked = f"the compute capability of device {first.key}, on which {method} depends"
        return Treatment(Fate.KEPT, open_question=f"{asked}, and {assumed}" if assumed else asked)
    if first.compute < need.least:
        return Treatment(need.below, _too_low(first, need.least), need.below_error)
    return Treatment(Fate.KEPT, open_question=assumed)


def _compressed_tensors(declared: Mapping[str, Any]) -> Treatment:
    """It puts a hook in front of the model that decompresses all of it (`ModelCompressor.add_decompress_hook`)."""
    if declared.get("dequantize") is True or declared.get("run_compressed") is False:
        return Treatment(Fate.DEQUANTISED, is_wanted=True)
    if declared.get("quantization_status") != "compressed":
        return Treatment(Fate.KEPT)
    return Treatment(
        Fate.UNPACKED, "compressed-tensors decompresses the whole model in front of its first forward pass"
    )


def _need(method: str, declared: Mapping[str, Any]) -> _Need | None:
    need = _NEEDS.get(method)
    if method == "fp_quant" and need is not None:
        emulates_nvfp4 = declared.get("pseudoquantization") and declared.get("forward_dtype") == "nvfp4"
        return replace(need, least=(9, 0), below_error="ValueError") if emulates_nvfp4 else need
    return need


def _other(device: Device | None) -> str:
    return "there is no accelerator" if device is None else f"device {device.key} is {_WORDS[device.backend]}"


def _too_low(device: Device, least: Compute) -> str:
    return (
        f"device {device.key} has compute capability {written(device.compute or (0, 0))} and {written(least)} is needed"
    )


_WORDS: Mapping[Backend, str] = {
    "cuda": "a CUDA device", "rocm": "a ROCm device", "xpu": "an Intel GPU", "mps": "an Apple GPU", "cpu": "the CPU",
    "disk": "the disk",
}  # fmt: skip


def first_accelerator(devices: Sequence[Device]) -> Device | None:
    """The device that torch takes for the current one: the accelerator with the lowest number, or that of Apple."""
    numbered = [device for device in devices if isinstance(device.key, int)]
    if numbered:
        return min(numbered, key=lambda device: device.key if isinstance(device.key, int) else 0)
    return next((device for device in devices if device.is_accelerator), None)


def written(compute: Compute) -> str:
    return f"{compute[0]}.{compute[1]}"


def offload_refusal(
    method: str, declared: Mapping[str, Any], device_map: Mapping[str, Key], devices: Sequence[Device]
) -> str:
    """The error with which a quantiser refuses a device map because of cpu or disk; empty where it takes it."""
    values = set(device_map.values())
    has_cpu, has_disk, several = "cpu" in values, "disk" in values, len(device_map) > 1
    match method:
        case "bitsandbytes_4bit" | "bitsandbytes_8bit":
            is_allowed = declared.get("llm_int8_enable_fp32_cpu_offload") or values == {"cpu"}
            return "ValueError" if (has_cpu or has_disk) and not is_allowed else ""
        case "hqq" | "higgs":
            return "ValueError" if has_cpu or has_disk else ""
        case "quanto" | "eetq":
            return "ValueError" if (several and has_cpu) or has_disk else ""
        case "bitnet":
            has_cuda = any(device.backend in _CUDA for device in devices)
            return "ValueError" if has_cuda and ((several and has_cpu) or has_disk) else ""
        case "fp_quant":
            is_real = not declared.get("pseudoquantization")
            return "ValueError" if (is_real and several and has_cpu) or has_disk else ""
        case "torchao":
            return "ValueError" if several and has_disk else ""
        case "sinq":  # it sorts the devices for its message, and numbers do not sort with names
            error = "RuntimeError" if len({type(key) for key in values}) == 1 else "TypeError"
            return error if len(values) > 1 else ""
    return ""


def emulates_bf16(devices: Sequence[Device]) -> Iterator[Device]:
    """The devices on which bfloat16 is computed as float32."""
    return (device for device in devices if device.backend == "cuda" and _is_below(device, BF16))


def _is_below(device: Device, least: Compute) -> bool:
    return device.compute is not None and device.compute < least


@dataclass(frozen=True, slots=True)
class Attention:
    """An implementation of attention that the config asks for and a device has not got. `why` is a clause about it."""

    pointer: str
    name: str
    why: str


_ATTENTION: Mapping[str, tuple[tuple[Backend, ...], Compute]] = {
    "flash_attention_2": (_CUDA_XPU, (8, 0)),
    "flash_attention_3": (_CUDA, (8, 0)),
    "flash_attention_4": (_CUDA, (9, 0)),
}
"""FlashAttention asks for these backends and, of CUDA, for this capability; of version 2 its own kernels do so."""


def attention(config: Mapping[str, Any], devices: Sequence[Device]) -> Attention | None:
    """What a config asks for in its public fields that the devices cannot do; None where they can or nobody asks."""
    first = first_accelerator(devices)
    for at, name in _asked(config):
        backends, least = _ATTENTION.get(name, (None, None))
        if backends is None or least is None:
            continue
        if first is None or first.backend not in backends:
            return Attention(at, name, _other(first))
        below = next((device for device in devices if device.backend == "cuda" and _is_below(device, least)), None)
        if below is not None:
            return Attention(at, name, _too_low(below, least))
    return None


def _asked(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The implementations that a config names, for the whole or by the name of a part of it, with their places."""
    for field in ("attn_implementation", "_attn_implementation"):
        value = config.get(field)
        if isinstance(value, str):
            yield pointer(field), value
        elif isinstance(value, dict):
            yield from ((pointer(field, part), name) for part, name in value.items() if isinstance(name, str))


def unknown_capability(devices: Sequence[Device]) -> str:
    """Which CUDA devices came without a tag, as a sentence for what was not checked; empty where all have one."""
    keys = [str(device.key) for device in devices if device.backend == "cuda" and device.compute is None]
    if not keys:
        return ""
    return f"the compute capability of device{'s' if len(keys) > 1 else ''} {', '.join(keys)} is not given"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What devices make of a plan.

    `refusal` is the error with which the quantiser refuses the device map, empty for none. `emulated` are devices that
    do not compute in the type of the model, `attention` is what the config asks for in vain.
    """

    refusal: str = ""
    emulated: tuple[Device, ...] = ()
    attention: Attention | None = None


def abilities(
    config: Mapping[str, Any], method: str, device_map: Mapping[str, Key], devices: Sequence[Device], dtype: str
) -> Abilities:
    """The same for a model in this type ("BF16") with this config; `method` is that of its quantiser, or empty."""
    used = [device for device in devices if device.key in set(device_map.values())]
    return Abilities(
        refusal=offload_refusal(method, declaration(config), device_map, devices),
        emulated=tuple(emulates_bf16(used)) if dtype == "BF16" else (),
        attention=attention(config, devices),
    )


def declaration(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `quantization_config` that transformers takes (`quantizers/auto.py:get_hf_quantizer`); empty if none."""
    value = config.get("quantization_config")
    part = next((config[name] for name in TEXT_PARTS if isinstance(config.get(name), dict)), None)
    if not value and part is not None:
        value = part.get("quantization_config")
    return value if isinstance(value, dict) else {}
