"""The files of `torch.save` that examples ask for, written without torch: zero tensors, byte for byte the same."""

import struct
from collections.abc import Mapping, Sequence

from hfcheck.example import Content, TorchLegacy, TorchZip
from hfcheck.formats.torch_dtypes import DTYPES, SIZES, STORAGES

MAGIC = 0x1950A86A20F9469CFC6C
"""`torch.serialization.MAGIC_NUMBER`."""

PROTOCOL = 1001
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
EMPTY_ORDERED = b"ccollections\nOrderedDict\n)R"

_STORAGE = {dtype: name for name, dtype in STORAGES.items() if name != "UntypedStorage"}
_NEW = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2")
_DTYPE = {DTYPES[name]: name for name in (*_NEW, "uint16", "uint32", "uint64", "complex32")}
"""The types that came after the classes of storages, and have an untyped one."""


def members(file: TorchZip) -> dict[str, bytes]:
    """The members of the archive that `torch.save` makes of it, in order."""
    storages = {f"archive/data/{key}": bytes(size) for key, size in _storages(file).items()}
    return {
        "archive/data.pkl": _pickled(_root(file, legacy=False)),
        "archive/byteorder": b"little",
        **storages,
        "archive/version": b"3\n",
    }


def legacy(file: TorchLegacy) -> bytes:
    """The file as `torch.save` wrote it before 1.6: five pickles, and the storages behind them."""
    sizes = _storages(file)
    elements = {str(number): _element(dtype) for number, (dtype, _) in enumerate(file.tensors.values())}
    head = (_value(MAGIC), _value(PROTOCOL), _value(SYSTEM), _root(file, legacy=True), _value(list(sizes)))
    data = (struct.pack("<q", size // elements[key]) + bytes(size) for key, size in sizes.items())
    return b"".join((*map(_pickled, head), *data))


def _storages(file: TorchZip) -> dict[str, int]:
    """The keys of the storages, with their sizes in bytes."""
    return {
        str(number): file.sizes.get(name, _count(shape) * _element(dtype))
        for number, (name, (dtype, shape)) in enumerate(file.tensors.items())
    }


def _root(file: TorchZip, *, legacy: bool) -> bytes:
    keys = {name: str(number) for number, name in enumerate(file.tensors)}
    entries = {name: _tensor(keys[name], *tensor, legacy=legacy) for name, tensor in file.tensors.items()}
    for name, other in file.tied.items():
        entries[name] = _tensor(keys[other], *file.tensors[other], legacy=legacy)
    root = EMPTY_ORDERED + _items(entries)
    for key in reversed(file.inside):
        root = b"}" + _items({key: root})
    beside = {name: _value(value) for name, value in file.beside.items()}
    return root + _items(beside) if beside else root


def _tensor(key: str, dtype: str, shape: Sequence[int], *, legacy: bool) -> bytes:
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    typed = dtype in _STORAGE
    kind = f"ctorch\n{_STORAGE[dtype]}\n" if typed else "ctorch.storage\nUntypedStorage\n"
    numel = _count(shape) * (1 if typed else _element(dtype))
    view = b"N" if legacy else b""
    storage = b"(" + _value("storage") + kind.encode() + _value(key) + _value("cpu") + _value(numel) + view + b"tQ"
    function = b"ctorch._utils\n_rebuild_tensor_v2\n" if typed else b"ctorch._utils\n_rebuild_tensor_v3\n"
    sizes = _value(0) + _value(tuple(shape)) + _value(tuple(reversed(strides)))
    untyped = b"" if typed else f"ctorch\n{_DTYPE[dtype]}\n".encode()
    return function + b"(" + storage + sizes + _value(value=False) + EMPTY_ORDERED + untyped + b"tR"


def _pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def _items(entries: Mapping[str, bytes]) -> bytes:
    return b"(" + b"".join(_value(name) + value for name, value in entries.items()) + b"u"


def _value(value: Content) -> bytes:
    """A constant as Python's pickler writes it at protocol 2, without the memo."""
    match value:
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            return _number(value)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            text = value.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(_value, value)) + b"t" if value else b")"
        case list():
            return b"](" + b"".join(map(_value, value)) + b"e"
        case dict():
            return b"}" + _items({name: _value(inner) for name, inner in value.items()})
    raise TypeError(type(value))


def _number(value: int) -> bytes:
    if 0 <= value < 2**8:
        return struct.pack("<cB", b"K", value)
    if 0 <= value < 2**16:
        return struct.pack("<cH", b"M", value)
    if -(2**31) <= value < 2**31:
        return struct.pack("<ci", b"J", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return struct.pack("<cB", b"\x8a", len(data)) + data


def _element(dtype: str) -> int:
    return SIZES[dtype]


def _count(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count
