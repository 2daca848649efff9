"""The types of torch's tensors and storages, in the spelling of safetensors where it has one, and their sizes."""

from collections.abc import Mapping

from hfcheck.formats.pickle_values import Global, Value

SIZES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8,
    "F16": 2, "BF16": 2, "F32": 4, "F64": 8, "C32": 4, "C64": 8, "C128": 16,
    "F8_E4M3": 1, "F8_E4M3FNUZ": 1, "F8_E5M2": 1, "F8_E5M2FNUZ": 1, "F8_E8M0": 1, "F4": 1,
    "QI8": 1, "QU8": 1, "QI32": 4, "QU4X2": 1, "QU2X4": 1,
    "BITS8": 1, "BITS16": 2, "BITS1X8": 1, "BITS2X4": 1, "BITS4X2": 1,
    **{f"{letter}{bits}": 1 for letter in "UI" for bits in range(1, 8)},
}  # fmt: skip
"""Bytes of one element; `F4` is torch's, of which one holds two numbers."""

STORAGES: Mapping[str, str] = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL", "ComplexDoubleStorage": "C128", "ComplexFloatStorage": "C64",
    "QInt8Storage": "QI8", "QUInt8Storage": "QU8", "QInt32Storage": "QI32", "QUInt4x2Storage": "QU4X2",
    "QUInt2x4Storage": "QU2X4", "UntypedStorage": "U8",
}  # fmt: skip
"""`torch.storage._dtype_to_storage_type_map`. An untyped storage counts bytes: `torch.load` reads it as uint8."""

DTYPES: Mapping[str, str] = {
    "float64": "F64", "double": "F64", "float32": "F32", "float": "F32", "float16": "F16", "half": "F16",
    "bfloat16": "BF16", "int64": "I64", "long": "I64", "int32": "I32", "int": "I32", "int16": "I16", "short": "I16",
    "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL",
    "complex32": "C32", "chalf": "C32", "complex64": "C64", "cfloat": "C64", "complex128": "C128", "cdouble": "C128",
    "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0", "float4_e2m1fn_x2": "F4",
    "qint8": "QI8", "quint8": "QU8", "qint32": "QI32", "quint4x2": "QU4X2", "quint2x4": "QU2X4",
    "bits8": "BITS8", "bits16": "BITS16", "bits1x8": "BITS1X8", "bits2x4": "BITS2X4", "bits4x2": "BITS4X2",
    **{f"int{bits}": f"I{bits}" for bits in range(1, 9)}, **{f"uint{bits}": f"U{bits}" for bits in range(1, 9)},
}  # fmt: skip
"""The names of types below `torch`."""

TENSORS: Mapping[str, str] = {
    "DoubleTensor": "F64", "FloatTensor": "F32", "HalfTensor": "F16", "BFloat16Tensor": "BF16", "LongTensor": "I64",
    "IntTensor": "I32", "ShortTensor": "I16", "CharTensor": "I8", "ByteTensor": "U8", "BoolTensor": "BOOL",
}  # fmt: skip
"""Classes of tensors before torch 0.4: they were built empty and then given their storage."""


def storage_dtype(value: Value) -> str | None:
    """The type that a storage class stands for. `torch.load` goes by its name alone, whatever the module."""
    return STORAGES.get(value.name) if type(value) is Global and value.name is not None else None


def dtype(value: Value) -> str | None:
    """The type that a global such as `torch.bfloat16` stands for."""
    if type(value) is Global and value.module == "torch" and value.name is not None:
        return DTYPES.get(value.name)
    return None
