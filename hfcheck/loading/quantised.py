"""Which checkpoints are quantised, and which of a model's parameters can be judged all the same.

transformers hands a quantised checkpoint to a quantiser, which replaces modules and adds names
(`quantizers/quantizer_*.py`). None of that is modelled. What no quantiser touches can be judged: norms, embeddings,
heads, and each matrix that the file holds in floating point.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hfcheck.finding import pointer, quote
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.spec import Outcome, Shape
from hfcheck.tying import may_be_tied

KNOWN = {
    "aqlm": "AQLM",
    "auto-round": "AutoRound",
    "awq": "AWQ",
    "bitnet": "BitNet",
    "bitsandbytes_4bit": "bitsandbytes 4-bit",
    "bitsandbytes_8bit": "bitsandbytes 8-bit",
    "compressed-tensors": "compressed-tensors",
    "eetq": "EETQ",
    "fbgemm_fp8": "FBGEMM FP8",
    "fouroversix": "Four Over Six",
    "fp8": "FP8",
    "fp_quant": "FP-Quant",
    "gemma": "Gemma",
    "gguf": "GGUF",
    "gptq": "GPTQ",
    "higgs": "HIGGS",
    "hqq": "HQQ",
    "metal": "Metal",
    "mxfp4": "MXFP4",
    "mxfp8": "MXFP8",
    "nvfp4": "NVFP4",
    "quanto": "Quanto",
    "quark": "Quark",
    "sinq": "SINQ",
    "spqr": "SpQR",
    "torchao": "torchao",
    "vptq": "VPTQ",
}
"""The methods of transformers 5.23 (`quantizers/auto.py:AUTO_QUANTIZATION_CONFIG_MAPPING`), as people write them."""

OTHERS = {"modelopt": "NVIDIA ModelOpt", "exl2": "ExLlamaV2", "exl3": "ExLlamaV3", "bitsandbytes": "bitsandbytes"}
"""Methods of other engines, and one that transformers tells by `load_in_4bit` and `load_in_8bit` alone."""

TEXT_PARTS = ("decoder", "generator", "text_config")
"""Where transformers looks when the config itself says nothing (`get_text_config(decoder=True)`)."""

MARKS = {
    "qweight": "gptq", "qzeros": "gptq", "g_idx": "gptq",
    "absmax": "bitsandbytes_4bit", "quant_map": "bitsandbytes_4bit", "nested_absmax": "bitsandbytes_4bit",
    "nested_quant_map": "bitsandbytes_4bit", "bitsandbytes__nf4": "bitsandbytes_4bit",
    "bitsandbytes__fp4": "bitsandbytes_4bit",
    "SCB": "bitsandbytes_8bit", "weight_format": "bitsandbytes_8bit",
    "weight_packed": "compressed-tensors", "weight_shape": "compressed-tensors", "weight_g_idx": "compressed-tensors",
    "weight_global_scale": "compressed-tensors", "input_global_scale": "compressed-tensors",
    "bitmask": "compressed-tensors",
    "weight_scale_inv": "fp8", "qscale_weight": "fp8", "qscale_act": "fp8", "input_scale_ub": "fbgemm_fp8",
    "codebooks": "aqlm", "codes": "aqlm", "W_q": "hqq", "tables2": "higgs", "dqweight": "fp_quant",
    "_weight_qdata": "torchao", "qbiases": "metal", "embedding_quantized": "gemma",
    "dense_weights": "spqr", "col_vals": "spqr", "_data": "quanto",
    "q_weight": "exl2", "q_scale_max": "exl2", "q_invperm": "exl2", "trellis": "exl3",
}  # fmt: skip
"""Last parts of names that only a quantiser writes, each with the method it speaks for."""

AMBIGUOUS = frozenset({"bitmask", "codebooks", "codes", "_data", "col_vals"})
"""Those of them that speech models and others have too: they count where the config declares something."""

NESTED = frozenset({"weight", "quant_state", "centroids", "res_centroids", "outlier_centroids"})
"""Parts between a layer and such a name: `q_proj.weight.quant_state.bitsandbytes__nf4`."""

FUSED_MARKS = {"_blocks": "mxfp4", "_scale_inv": "fp8", "_qdata": "torchao"}
"""How names of parameters go on that hold all experts at once: `experts.gate_up_proj_blocks`."""

COMPANIONS = frozenset({
    "weight_scale", "weight_zero_point", "weight_scales", "weight_bias", "input_scale", "input_zero_point",
    "output_scale", "output_zero_point", "activation_scale", "bias_scale", "bias_zero_point", "scales", "scale", "zero",
    "biases", "meta", "tables", "row_offsets", "in_perm", "indices", "res_indices", "perm", "invert_perm",
    "input_activation_scale", "output_activation_scale", "embedding_scale",
})  # fmt: skip
"""Last parts that say nothing alone, as other modules have them too, and go with a packed `weight` beside them."""

CACHE_SCALES = frozenset(
    f"{part}_{kind}" for part in ("k", "v", "q", "kv", "k_cache", "v_cache") for kind in ("scale", "zero_point")
)
"""Of the key-value cache: they stand in an attention module, which is not quantised by that."""

PACKED = frozenset({
    "U8", "I8", "I16", "U16", "I32", "U32", "F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0",
    "F8_E4M3FNUZ", "F8_E5M2FNUZ",
})  # fmt: skip
"""Dtypes of quantised matrices. I64 and BOOL are those of positions and masks."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """A quantised checkpoint.

    `method` is the key of transformers where `is_applied`, so that a quantiser takes the load over; otherwise
    transformers loads the tensors as any others, with or without a warning. `label` is how a message writes it.
    `pointer` leads to the config that declares it; None where only tensors speak for it. `refusal` is the error
    with which transformers stops before it looks for weights. `layers` are paths of modules, and of parameters that
    hold all experts, with quantised tensors; `tensors` are all the stored tensors of these. `kept` are names of
    modules that the config leaves in floating point.
    """

    method: str
    label: str
    pointer: str | None
    is_applied: bool
    refusal: str | None
    layers: frozenset[str]
    tensors: frozenset[str]
    kept: tuple[str, ...] = ()


def recognise(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Quantisation | None:
    """How these tensors are quantised, as the config declares or else as names and dtypes say; None if they are not.

    A method that transformers does not know is one that it ignores.
    """
    at, declared = _declaration(config)
    if at is None:
        method, layers = _guessed(tensors)
        if method is None:
            return None
        return Quantisation(
            method=method,
            label=_label(method),
            pointer=None,
            is_applied=False,
            refusal=None,
            layers=layers,
            tensors=_belonging(tensors, layers),
        )
    method, refusal = _method(declared)
    layers = frozenset(_layers(tensors, declared=True))
    return Quantisation(
        method=method,
        label=_label(method),
        pointer=at,
        is_applied=refusal is None and method in KNOWN,
        refusal=refusal,
        layers=layers,
        tensors=_belonging(tensors, layers),
        kept=_kept(declared),
    )


def remainder(quantisation: Quantisation, state: Mapping[str, Shape], outcome: Outcome) -> frozenset[str]:
    """The parameters of a spec's `state` that cannot be judged; `outcome` is what `accept` says of all the tensors.

    A parameter that is made of stored tensors is judged when none of them is of a quantised layer. One that was not
    found is judged where no quantiser would have renamed it: it is no matrix nor the bias of one, or it is an embedding
    or a head of which nothing quantised is stored, or the config says that it was left alone.
    """
    if not quantisation.is_applied:
        return frozenset()
    made: dict[str, Iterable[str]] = dict(outcome.sources)
    made.update((mismatch.name, mismatch.sources) for mismatch in outcome.mismatched)
    made.update((failure.target, failure.sources) for failure in outcome.failed)
    names = {layer.rpartition(".")[2] for layer in quantisation.layers}

    def is_open(name: str) -> bool:
        if name in made:
            return any(source in quantisation.tensors for source in made[name])
        module = name.rpartition(".")[0]
        is_matrix = len(state[name]) > 1 or len(state.get(f"{module}.weight", ())) > 1
        if not is_matrix or any(_is_within(module, kept) for kept in quantisation.kept):
            return False
        return not may_be_tied(name) or module.rpartition(".")[2] in names

    return frozenset(filter(is_open, state))


def judged(outcome: Outcome, quantisation: Quantisation, unjudged: frozenset[str]) -> Outcome:
    """What is left of an outcome without the parameters that cannot be judged and the tensors of quantised layers."""
    if not quantisation.is_applied:
        return outcome
    ours = quantisation.tensors
    return replace(
        outcome,
        missing=tuple(name for name in outcome.missing if name not in unjudged),
        unexpected=tuple(name for name in outcome.unexpected if name not in ours),
        mismatched=tuple(mismatch for mismatch in outcome.mismatched if mismatch.name not in unjudged),
        failed=tuple(
            failure
            for failure in outcome.failed
            if failure.target not in unjudged and not any(source in ours for source in failure.sources)
        ),
        shadowed=tuple(name for name in outcome.shadowed if name not in ours),
    )


def _declaration(config: Mapping[str, Any]) -> tuple[str | None, Any]:
    """The pointer and value that `get_hf_quantizer` takes; an empty one counts where there is no part for text."""
    value = config.get("quantization_config")
    if value:
        return pointer("quantization_config"), value
    parts = [name for name in TEXT_PARTS if isinstance(config.get(name), dict)]
    if parts:
        value, at = config[parts[0]].get("quantization_config"), pointer(parts[0], "quantization_config")
    else:
        at = pointer("quantization_config")
    return (None, None) if value is None else (at, value)


def _method(declared: Any) -> tuple[str, str | None]:  # noqa: ANN401 - JSON
    """The method, and how transformers refuses the declaration (`quantizers/auto.py:supports_quant_method`)."""
    if not isinstance(declared, dict):
        return "", "AttributeError: the quantization_config is no object"
    if declared.get("load_in_4bit"):
        return "bitsandbytes_4bit", None
    if declared.get("load_in_8bit"):
        return "bitsandbytes_8bit", None
    match declared.get("quant_method"):
        case None:
            return "", "ValueError: the quantization_config has no `quant_method`"
        case list() | dict():
            return "", "TypeError: the `quant_method` is neither text nor a number"
        case "nvfp4":
            return "nvfp4", "ValueError: checkpoints that are already NVFP4 are not supported"
        case method:
            return str(method), None


def _label(method: str) -> str:
    if method == "":
        return "an unnamed method"
    return KNOWN.get(method) or OTHERS.get(method) or quote(method)


def _kept(declared: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """The modules left in floating point, as far as they are named plainly: patterns of a stranger are not run."""
    if not isinstance(declared, dict):
        return ()
    lists = (
        declared.get(key)
        for key in ("modules_to_not_convert", "llm_int8_skip_modules", "ignore", "ignored_layers", "skip_modules")
    )
    names = (name for names in lists if isinstance(names, list) for name in names if isinstance(name, str))
    return tuple(name for name in names if name and name.replace(".", "").replace("_", "").isalnum())


def _is_within(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.") or module.endswith(f".{name}")


def _layers(tensors: Mapping[str, Tensor], *, declared: bool) -> Iterator[str]:
    """The layers that hold quantised tensors. Without a word of the config, a dtype speaks only beside a companion."""
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        packed = len(tensor.shape) > 1 and tensor.dtype in PACKED
        if leaf in MARKS and (declared or leaf not in AMBIGUOUS):
            yield _layer(module)
        elif mark := next((mark for mark in FUSED_MARKS if leaf.endswith(mark)), None):
            yield f"{module}.{leaf.removesuffix(mark)}"
        elif packed and leaf == "weight":
            if declared or any(f"{module}.{companion}" in tensors for companion in COMPANIONS):
                yield module
        elif declared and leaf in COMPANIONS and leaf != "scale":  # a norm may have a `scale`
            yield _layer(module)
        elif declared and packed:
            yield name.removesuffix("_scales")


def _layer(module: str) -> str:
    while (parts := module.rpartition("."))[2] in NESTED:
        module = parts[0]
    return module


def _belonging(tensors: Mapping[str, Tensor], layers: frozenset[str]) -> frozenset[str]:
    """The tensors of these layers, plain ones such as a bias among them, and the scales of the cache."""

    def is_theirs(name: str) -> bool:
        module, _, leaf = name.rpartition(".")
        if leaf in CACHE_SCALES or name in layers or module in layers or _layer(module) in layers:
            return True
        # `experts.gate_up_proj_scales` goes with the parameter `experts.gate_up_proj`, its bias does not.
        stem, _, kind = name.rpartition("_")
        return (kind in ("blocks", "scales", "scale") and stem in layers) or name.removesuffix("_scale_inv") in layers

    return frozenset(filter(is_theirs, tensors)) if layers else frozenset()


def _guessed(tensors: Mapping[str, Tensor]) -> tuple[str | None, frozenset[str]]:
    """The method that names speak for, where no config declares any."""
    layers = frozenset(_layers(tensors, declared=False))
    if not layers:
        return None, layers
    leaves = {name.rpartition(".")[2] for name in tensors}
    fused = (method for mark, method in FUSED_MARKS.items() if any(leaf.endswith(mark) for leaf in leaves))
    method = next((method for leaf, method in MARKS.items() if leaf in leaves - AMBIGUOUS), None) or next(fused, "fp8")
    if method == "gptq" and "g_idx" not in leaves and _is_awq(tensors):
        method = "awq"
    return method, layers


def _is_awq(tensors: Mapping[str, Tensor]) -> bool:
    """AWQ packs outputs, eight to a column of `qweight`; GPTQ packs inputs, so that its columns are the outputs."""
    for name, tensor in tensors.items():
        scales = tensors.get(f"{name.removesuffix('qweight')}scales")
        if name.endswith(".qweight") and scales is not None and len(scales.shape) == len(tensor.shape) == 2:  # noqa: PLR2004
            return tensor.shape[1] != scales.shape[1]
    return False
