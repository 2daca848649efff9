"""The type of numbers that a model is loaded in: `_get_dtype` of transformers 5.23, `modeling_utils.py`."""

from collections.abc import Iterable, Mapping

from hfcheck.formats.safetensors import BITS
from hfcheck.placement.target import Dtype

NAMES: Mapping[str, str] = {
    "float32": "F32", "float": "F32", "float16": "F16", "half": "F16", "bfloat16": "BF16", "float64": "F64",
    "double": "F64",
}  # fmt: skip
"""Names of torch for the types that a model can be built in, as safetensors spells them."""

FLOATING = frozenset(NAMES.values())
"""What torch takes as default type: the types of 8 bits and fewer are no such."""

DEFAULT = "F32"
"""What torch builds a model in where nothing says otherwise."""


def dtype_of(wanted: Dtype, config: object, index: object, first: Iterable[str]) -> str:
    """The type that floating parameters have after the load.

    `wanted` is what the caller asks for, `config` what the config has as `dtype` (text, an object by sub-config, or
    nothing), `index` what the metadata of the index of shards have. `first` are the types of the tensors in the first
    weight file, in the order of the loader: for safetensors that of their names.
    """
    if wanted != "auto":
        return NAMES[wanted]
    if isinstance(config, (str, dict)):
        return _named(config)
    if index is not None:
        return _named(index)
    return next((dtype for dtype in first if dtype in FLOATING), DEFAULT)


def _named(value: object) -> str:
    """A type by its name in torch; the load of one that no model can be built in ends before anything is placed."""
    found = value.get("") if isinstance(value, dict) else value
    return NAMES.get(found, DEFAULT) if isinstance(found, str) else DEFAULT


def is_floating(dtype: str) -> bool:
    """Whether the loader casts tensors of this type to that of the model."""
    return dtype.startswith(("F", "BF"))


def nbytes(elements: int, dtype: str) -> int:
    """Bytes of a tensor in memory."""
    return -(-elements * BITS.get(dtype, 32) // 8)
