"""What a load needs beside the weights while it makes them: tensors that are fused, dequantised or cast.

Sources: transformers 5.23 `core_model_loading.py:WeightConverter.convert`, `MergeModulelist`, `Concatenate`;
accelerate 1.15 `utils/modeling.py:load_checkpoint_in_model`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Header, Tensor, tensors_of
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model, Weight
from hfcheck.placement.shards import owner
from hfcheck.placement.target import Dialect


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes that a device needs beside its weights, at the worst moment; `cause` is a parameter or a weight file."""

    nbytes: int
    cause: str


def conversion_peaks(
    dialect: Dialect,
    model: Model,
    device_map: Mapping[str, Key],
    placed: Mapping[str, Key | None],
    headers: Mapping[str, Header],
) -> Mapping[Key, Peak]:
    """The peak of every device that has one; an upper bound, reached if all its other weights are already there."""
    peaks = (
        _accelerate(model, device_map, headers) if dialect == "accelerate" else _transformers(model, placed, headers)
    )
    found: dict[Key, Peak] = {}
    for device, peak in peaks:
        if peak.nbytes > (found[device].nbytes if device in found else 0):
            found[device] = peak
    return found


def _transformers(
    model: Model, placed: Mapping[str, Key | None], headers: Mapping[str, Header]
) -> Iterator[tuple[Key, Peak]]:
    """Stacked or joined, a tensor is there twice: what it is made of and itself. Dequantised, it takes more."""
    stored = tensors_of(headers)
    through_ram: list[tuple[str, int, int]] = []
    for first, nbytes in _made(model):
        device = placed.get(first)
        extra = max(nbytes, _dequantising(model.weights[first], stored, is_on_cpu=device in ("cpu", "disk")))
        if device == "disk":
            through_ram.append((first, nbytes, nbytes + extra))
        elif device != "cpu" and first.endswith(tuple(model.no_placement)):  # its converter is forced to the CPU
            yield "cpu", Peak(nbytes + extra, first)
        else:
            yield "cpu" if device is None else device, Peak(extra, first)
    through_ram.extend(
        (weight.name, weight.nbytes, weight.nbytes)
        for weight in model.weights.values()
        if weight.sources and not weight.is_converted and placed.get(weight.name) == "disk"
    )
    if through_ram:
        yield "cpu", _largest(through_ram)


_CHUNK = 2**31
"""Bytes in bfloat16 of what MXFP4 is dequantised in at once: 2^25 blocks of 32 (`_convert_moe_packed_tensors`)."""

_MXFP4 = 3.1
"""Indices, products and their like, as a multiple of what is dequantised at once: measured on the CPU, torch 2.13."""


def _dequantising(weight: Weight, stored: Mapping[str, Tensor], *, is_on_cpu: bool) -> int:
    """Bytes that it takes to dequantise a weight beside the result; 0 for one that is not dequantised.

    Of 8 bits: what is stored, and two copies of one tensor in single precision (`Fp8Dequantize`). MXFP4 goes on on the
    CPU where an accelerator has too little memory.
    """
    if weight.dtype not in ("F16", "BF16", "F32"):
        return 0
    sources = [(name, stored[name]) for name in weight.sources if name in stored]
    sizes = [tensor.nbytes for _, tensor in sources if tensor.dtype == "F8_E4M3"]
    blocks = sum(tensor.nbytes for name, tensor in sources if name.endswith("_blocks") and tensor.dtype == "U8")
    if blocks and is_on_cpu:
        return blocks + int(_MXFP4 * min(weight.nbytes, _CHUNK))
    return sum(sizes) + 8 * max(sizes) if sizes else 0


def _largest(steps: list[tuple[str, int, int]]) -> Peak:
    """What is on its way to the disk, with what making it takes, beside the one before, which is not forgotten yet."""
    sizes = sorted((nbytes for _, nbytes, _ in steps), reverse=True)
    name, nbytes, made = max(steps, key=lambda step: step[2])
    before = sizes[1:] if nbytes == sizes[0] else sizes
    return Peak(made + max(before, default=0), name)


def _made(model: Model) -> Iterator[tuple[str, int]]:
    """The first parameter that each conversion gives, with the bytes of all."""
    together: dict[tuple[str, ...], tuple[str, int]] = {}
    for weight in model.weights.values():
        if weight.is_converted and weight.sources:
            first, nbytes = together.get(weight.sources, (weight.name, 0))
            together[weight.sources] = first, nbytes + weight.nbytes
    yield from together.values()


def _accelerate(
    model: Model, device_map: Mapping[str, Key], headers: Mapping[str, Header]
) -> Iterator[tuple[Key, Peak]]:
    """All tensors of a file are held until the last of them is in the model; one of another type is copied.

    Those of safetensors are only mapped into memory on the CPU.
    """
    for path, header in headers.items():
        mapped = {"disk", "cpu"} if isinstance(header, SafetensorsFacts) else {"disk"}
        held: dict[Key, int] = {}
        for name, tensor in header.tensors.items():
            weight, device = model.weights.get(name), owner(device_map, name)
            if weight is not None and weight.dtype != tensor.dtype and device is not None and device not in mapped:
                held[device] = held.get(device, 0) + tensor.nbytes
        yield from ((device, Peak(nbytes, path)) for device, nbytes in held.items())
