"""The tree of a quantised checkpoint: the modules of the class, with the bytes that its quantiser makes of them.

Sources: transformers 5.23, `quantizers/quantizer_*.py` (`quantized_element_size`, `adjust_max_memory`) and the modules
that they put in place, `integrations/finegrained_fp8.py`, `mxfp4.py`, `fbgemm_fp8.py`, `bitsandbytes.py`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from hfcheck.formats.tensor import Tensor
from hfcheck.loading.accept import Unmodelled, accept
from hfcheck.loading.quantised import NESTED, Quantisation, recognise
from hfcheck.loading.spec import Shape, Spec
from hfcheck.placement.capability import Treatment, declaration, treatment
from hfcheck.placement.device import Device
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.target import Dialect

BUDGET_SHARES: Mapping[str, float] = dict.fromkeys(
    ("bitsandbytes_4bit", "bitsandbytes_8bit", "quanto", "torchao", "bitnet"), 0.90
)
"""What is left of each budget for these methods (`adjust_max_memory`); the rest is for what quantising needs."""

PROVEN = frozenset({
    "bitsandbytes_4bit", "bitsandbytes_8bit", "compressed-tensors", "fbgemm_fp8", "fp8", "mxfp4", "torchao",
})  # fmt: skip
"""Methods whose sizes were compared with those of the real quantiser, module by module, some under settings only."""

_SIZE_OF_SCALE = 4


@dataclass(frozen=True, slots=True)
class Uneven:
    """Scales, by their stored name, that do not divide their weight evenly: `is_refused`, or blocks of another size."""

    name: str
    weight: Shape
    scales: Shape
    is_refused: bool


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A quantised checkpoint: its tensors, its `quantization_config`, and what becomes of it on the devices given."""

    quantisation: Quantisation
    declared: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    treatment: Treatment
    _found: dict[int, Mapping[str, Mapping[str, Tensor]]] = field(default_factory=dict)

    def on(self, devices: Sequence[Device]) -> "Checkpoint":
        """The same checkpoint on other devices."""
        return replace(self, treatment=treatment(self.quantisation.method, self.declared, devices))

    def parameters(self, spec: Spec) -> Mapping[str, Mapping[str, Tensor]]:
        """The parameters of a class that are quantised, with their stored tensors: looked for once, for all devices.

        Raises Unmodelled.
        """
        found = self._found.get(id(spec))
        if found is None:
            found = self._found[id(spec)] = _parameters(self.quantisation, spec, self.tensors)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the quantised tensors in the files."""
        return sum(self.tensors[name].nbytes for name in self.quantisation.tensors)

    def loaded(self, model: Model) -> int:
        """Bytes of what is made of them in memory."""
        ours = self.quantisation.tensors
        return sum(one.nbytes for one in model.weights.values() if any(name in ours for name in one.sources))

    def uneven(self) -> Iterator[Uneven]:
        """The weights of 8 bits that cannot be dequantised, or not to the right numbers, because of their scales.

        transformers divides the extents of a weight by those of its scales, whatever the size of a block is.
        """
        if self.quantisation.method != "fp8":
            return
        match self.declared.get("weight_block_size", (128, 128)):
            case [int(height), int(width)] if height > 0 and width > 0:
                block = height, width
            case _:
                return
        for name, scales in self.tensors.items():
            weight = self.tensors.get(name.removesuffix("_scale_inv"))
            if not name.endswith("_scale_inv") or weight is None or weight.dtype not in FLOATS_OF_8_BITS:
                continue
            if min(len(weight.shape), len(scales.shape)) < 2:  # noqa: PLR2004 - one scale for all
                continue
            pairs = [*zip(weight.shape[-2:], scales.shape[-2:], block, strict=True)]
            if any(count == 0 or extent % count for extent, count, _ in pairs):
                yield Uneven(name, weight.shape, scales.shape, is_refused=True)
            elif any(count > 1 and extent // count != edge for extent, count, edge in pairs):
                yield Uneven(name, weight.shape, scales.shape, is_refused=False)


FLOATS_OF_8_BITS = frozenset({"F8_E4M3", "F8_E5M2"})


@dataclass(frozen=True, slots=True)
class _Size:
    """Bytes of a quantised parameter with its companions: as the planner counts them, and as they stay in memory."""

    planned: float
    nbytes: int


def checkpoint_of(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], devices: Sequence[Device]
) -> Checkpoint | None:
    """What a quantiser of transformers would take over on these devices; None where there is nothing for one."""
    declared = declaration(config)
    quantisation = recognise(config, tensors) if declared else None
    if quantisation is None or not quantisation.is_applied:
        return None
    return Checkpoint(quantisation, declared, tensors, treatment(quantisation.method, declared, devices))


def quantised(model: Model, checkpoint: Checkpoint, spec: Spec | None, dialect: Dialect) -> Model:
    """The model of a quantised checkpoint; `model` is the same class without quantisation, and its tree is changed.

    Where the weights are dequantised the sizes are those of `model`. Without a `spec` the names of the tensors, which
    the tree has then, have to do.
    """
    quantisation = checkpoint.quantisation
    share = BUDGET_SHARES.get(quantisation.method, 1.0)
    if spec is None:
        return _by_names(model, checkpoint, share)
    try:
        found = checkpoint.parameters(spec)
    except Unmodelled as error:
        return replace(model, exact=False, inexact=f"{quantisation.label}: {error}", budget_share=share)
    weights = dict(model.weights)
    if checkpoint.treatment.is_dequantised:
        for name, stored in found.items():
            weights[name] = replace(weights[name], sources=tuple(stored), is_converted=True)
        return replace(model, weights=weights)
    sizes = _Sizes(quantisation.method, checkpoint.declared, dialect)
    for name, stored in found.items():
        size = sizes.of(spec.state[name], stored)
        if checkpoint.treatment.is_unpacked:
            size = replace(size, nbytes=size.nbytes + weights[name].nbytes - _largest(stored))
        weights[name] = _weight(weights[name], stored, size, quantisation.method)
        if quantisation.method != "hqq" or dialect == "accelerate":  # its modules are replaced while they are loaded
            _put(model.root, name, size.planned)
    for name, nbytes in sizes.biases(spec.state, found):
        weights[name] = replace(weights[name], nbytes=nbytes, dtype="F32")
        _put(model.root, name, nbytes)
    is_exact = model.exact and dialect == "transformers" and sizes.is_proven(found)
    reason = "" if is_exact else model.inexact or _doubt(quantisation, dialect)
    return replace(model, weights=weights, exact=is_exact, inexact=reason, budget_share=share)


def _doubt(quantisation: Quantisation, dialect: Dialect) -> str:
    if dialect == "accelerate":
        return f"accelerate does not know {quantisation.label}: the weights are counted as they are stored"
    return f"the modules of {quantisation.label} were not compared with the real ones: only what is stored is known"


def _weight(weight: Weight, stored: Mapping[str, Tensor], size: _Size, method: str) -> Weight:
    """A weight together with its companions, in the type of the largest of them."""
    main = max(stored.values(), key=lambda tensor: tensor.nbytes, default=None)
    return replace(
        weight,
        nbytes=size.nbytes,
        dtype=main.dtype if main is not None else weight.dtype,
        sources=tuple(stored),
        is_converted=weight.is_converted or method in _DESERIALISED,
    )


def _largest(stored: Mapping[str, Tensor]) -> int:
    return max((tensor.nbytes for tensor in stored.values()), default=0)


_DESERIALISED = frozenset({"bitsandbytes_4bit", "bitsandbytes_8bit", "mxfp4", "torchao", "bitnet"})
"""Methods with a converter of their own for each weight (`get_load_operations`)."""


def _put(root: Module, name: str, size: float) -> None:
    module = root
    *path, last = name.split(".")
    for part in path:
        module = module.children[part]
    module.parameters[last] = size


def _by_names(model: Model, checkpoint: Checkpoint, share: float) -> Model:
    """Every quantised tensor keeps its stored size: the tree was made for floats that are cast."""
    weights = dict(model.weights)
    for name in checkpoint.quantisation.tensors:
        if name in weights:
            tensor = checkpoint.tensors[name]
            weights[name] = replace(weights[name], nbytes=tensor.nbytes, dtype=tensor.dtype)
            _put(model.root, name, tensor.nbytes)
    return replace(model, weights=weights, exact=False, budget_share=share)


def _parameters(quantisation: Quantisation, spec: Spec, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The parameters of the class that are quantised, each with the stored tensors that it is made of.

    The loader renames and joins `weight` as if it were not quantised: that is asked of a checkpoint that has one for
    each quantised layer. Of several parameters that are made of the same layers the first one has the tensors.
    """
    layers = _by_layer(quantisation, tensors)
    plain = {name: tensor.shape for name, tensor in tensors.items() if name not in quantisation.tensors}
    plain |= {name: tensors[name].shape for name in quantisation.tensors if name.endswith((".bias", "_bias"))}
    meant: dict[str, str] = {}
    for layer, stored in layers.items():
        if stored:
            meant[_dense_name(layer, stored)] = layer
    shapes: dict[str, Shape] = {**plain, **{name: _dense_shape(name, layers[layer]) for name, layer in meant.items()}}
    outcome = accept(spec, shapes)
    made: dict[str, Iterable[str]] = dict(outcome.sources)
    made.update((mismatch.name, mismatch.sources) for mismatch in outcome.mismatched)
    made.update((failure.target, failure.sources) for failure in outcome.failed)
    found: dict[str, dict[str, Tensor]] = {}
    taken: set[str] = set()
    for name in spec.state:
        ours = [source for source in made.get(name, ()) if source in meant]
        if ours:
            new = [meant[source] for source in ours if source not in taken]
            taken.update(ours)
            found[name] = {key: tensor for layer in new for key, tensor in layers[layer].items()}
    return found


def _by_layer(quantisation: Quantisation, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors of each quantised layer, biases apart."""
    layers: dict[str, dict[str, Tensor]] = {layer: {} for layer in sorted(quantisation.layers)}
    for name, tensor in tensors.items():
        if name in quantisation.tensors and not name.endswith((".bias", "_bias")):
            layer = name.rpartition(".")[0]
            if layer not in layers:
                layer = next((each for each in _candidates(name) if each in layers), "")
            if layer:
                layers[layer][name] = tensor
    return layers


def _candidates(name: str) -> Iterator[str]:
    """What a stored tensor may belong to: a parameter of all experts, or the module around it."""
    yield name
    yield name.removesuffix("_scale_inv")
    yield name.rpartition("_")[0]
    module = name.rpartition(".")[0]
    while (parts := module.rpartition("."))[2] in NESTED:
        module = parts[0]
        yield module


def _dense_name(layer: str, stored: Mapping[str, Tensor]) -> str:
    """What the parameter of a layer is called in a checkpoint that is not quantised."""
    if any(name.startswith(f"{layer}.") for name in stored):
        return f"{layer}.weight"
    module, _, last = layer.rpartition(".")
    return f"{module}.{last.lstrip('_')}" if module else last.lstrip("_")


def _dense_shape(name: str, stored: Mapping[str, Tensor]) -> Shape:
    """A shape for the parameter of a layer: where the packed one says little, one that can be joined with its like."""
    if name in stored:
        return stored[name].shape
    main = max(stored.values(), key=lambda tensor: tensor.nbytes)
    names = {name.rpartition(".")[2]: tensor.shape for name, tensor in stored.items()}
    if (packed := names.get("qweight")) is not None and len(packed) == len(names.get("scales", ())) == 2:  # noqa: PLR2004
        return names["scales"][1], packed[0] * 8 if packed[1] == names["scales"][1] else packed[0]
    return main.shape


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes of quantised parameters by one method, as its config sets it up."""

    method: str
    declared: Mapping[str, Any]
    dialect: Dialect

    def is_proven(self, names: Iterable[str]) -> bool:
        """Whether sizes under these settings were compared with those of the real quantiser."""
        match self.method:
            case "fp8":
                return not self.declared.get("modules_to_convert") and self.declared.get("expert_dtype", "fp8") == "fp8"
            case "fbgemm_fp8":  # experts have other scales
                return all(name.endswith(".weight") for name in names)
            case "compressed-tensors":
                is_known = self.declared.get("format") in ("pack-quantized", "float-quantized")
                return is_known and not self.declared.get("kv_cache_scheme")
            case "torchao":
                return _class_of(self.declared).endswith("Config") and "Fqn" not in _class_of(self.declared)
        return self.method in PROVEN

    def of(self, shape: Shape, stored: Mapping[str, Tensor]) -> _Size:
        kept = sum(tensor.nbytes for key, tensor in stored.items() if not key.endswith(_CONSUMED))
        planned = _PLANNED.get(self.method) if self.dialect == "transformers" else None
        size: float = kept if planned is None else planned(self.declared, shape)
        nbytes = int(size) if self.method in _MADE_BY_CLASS and self.dialect == "transformers" else kept
        return _Size(size, nbytes)

    def biases(self, state: Mapping[str, Shape], found: Iterable[str]) -> Iterator[tuple[str, int]]:
        """The biases that a method keeps in single precision, with their bytes."""
        if self.method in ("mxfp4", "fbgemm_fp8") and self.dialect == "transformers":
            for name in found:
                for bias in (f"{name}_bias", f"{name.removesuffix('weight')}bias"):
                    if bias in state:
                        yield bias, 4 * prod(state[bias])


_CONSUMED = ("quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4", "weight_format")
"""Ends of names of tensors that say how to read the others, and are not kept."""

_MADE_BY_CLASS = frozenset({"fp8", "fbgemm_fp8"})
"""Methods whose modules determine the type of every tensor, whatever type it is stored in."""


def _fp8(declared: Mapping[str, Any], shape: Shape) -> float:
    """A byte for each element; scales for each block, of a matrix or of the matrices of all experts."""
    block = declared.get("weight_block_size", (128, 128))
    size = 1 if declared.get("scale_fmt") == "ue8m0" else _SIZE_OF_SCALE
    *experts, rows, columns = shape if len(shape) > 1 else (1, *shape)
    match block:
        case [int(height), int(width)] if height > 0 and width > 0:
            scales = -(-rows // height) * -(-columns // width) * size
        case _:
            scales = _SIZE_OF_SCALE
    static = _SIZE_OF_SCALE if str(declared.get("activation_scheme", "")).lower() == "static" else 0
    return prod(shape) + prod(experts) * (scales + static)


def _fbgemm(_: Mapping[str, Any], shape: Shape) -> float:
    """A byte for each element, a scale for each row, and the bound of the inputs."""
    return prod(shape) + _SIZE_OF_SCALE * (prod(shape[:-1]) + 1)


def _torchao(declared: Mapping[str, Any], shape: Shape) -> float:
    """Half a byte where the class of its config has `4weight` in its name (`_fuzzy_match_size`)."""
    match = re.search(r"(\d)weight", _class_of(declared).lower())
    return prod(shape) * (0.5 if match is not None and match.group(1) == "4" else 1)


def _class_of(declared: Mapping[str, Any]) -> str:
    """The class of torchao that a config names as the type of quantisation."""
    kind = declared.get("quant_type")
    inner = kind.get("default", kind) if isinstance(kind, dict) else kind
    name = inner.get("_type") if isinstance(inner, dict) else inner
    return name if isinstance(name, str) else ""


def _quanto(declared: Mapping[str, Any], shape: Shape) -> float:
    factors = {"int8": 1, "float8": 1, "int4": 0.5, "int2": 0.25}
    kind = declared.get("weights")
    return prod(shape) * (factors.get(kind, 1) if isinstance(kind, str) else 1)


_PLANNED: Mapping[str, Callable[[Mapping[str, Any], Shape], float]] = {
    "bitsandbytes_4bit": lambda _, shape: prod(shape) * 0.5,
    "bitsandbytes_8bit": lambda _, shape: prod(shape),
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "mxfp4": lambda _, shape: prod(shape) // 2,
    "quanto": _quanto,
    "torchao": _torchao,
}
"""What the planner of transformers counts for a parameter of this shape; for other methods what is stored."""
