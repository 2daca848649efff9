"""How the pickles of torch describe a tensor: calls of `torch._utils._rebuild_*` on a storage, sizes and strides.

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/_utils.py
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hfcheck.formats import torch_dtypes
from hfcheck.formats.pickle_values import Call, Global, Persistent, Value

MAX_DIMENSIONS = 64
"""torch computes with no more (`at::kMaxDims`); a tuple of a million sizes could be shared by as many tensors."""

MAX_KEY = 256
"""Bytes of a key that Python 2 wrote; torch's are numbers."""

MAX_WRAPPERS = 16
"""Calls around calls: a parameter of a subclass is three. A list of arguments could hold the call itself."""

MAX_COUNT = 2**63
"""Sizes, strides and offsets are signed numbers of 64 bits."""


class TensorKind(Enum):
    """How a tensor was rebuilt; the value is how a message calls it."""

    DENSE = "dense"
    SPARSE = "sparse"
    QUANTISED = "quantised"
    META = "meta"
    NESTED = "nested"
    SUBCLASS = "subclass"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor. `stride` and `start` count elements, `storage` is a key, None where it has no bytes.

    `shape` is None where the stream gives none that a tensor can have.
    """

    dtype: str
    shape: tuple[int, ...] | None
    stride: tuple[int, ...]
    start: int
    storage: str | None
    kind: TensorKind = TensorKind.DENSE
    parameter: bool = False
    requires_grad: bool = False

    @property
    def count(self) -> int:
        """Elements of the tensor, 0 where it has no shape."""
        return self.nbytes // torch_dtypes.SIZES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor without gaps, 0 where it has no shape."""
        return self.measured[0]

    @property
    def extent(self) -> tuple[int, int]:
        """The bytes of the storage from the first element to the last, which strides may move far apart."""
        return self.measured[1:]

    @property
    def measured(self) -> tuple[int, int, int]:
        """`nbytes` and `extent`, which is empty where there is no element."""
        size, shape = torch_dtypes.SIZES[self.dtype], self.shape
        first = self.start * size
        if shape is None:
            return 0, first, first
        count, last = 1, self.start
        for extent, step in zip(shape, self.stride or (0,) * len(shape), strict=True):
            count *= extent
            last += (extent - 1) * step
        return count * size, first, (last + 1) * size if count else first


@dataclass(slots=True)
class StorageId:
    """What a persistent id says: `numel` elements under `key`; a view begins at the element `start` of them."""

    key: str
    dtype: str
    location: str
    numel: int
    start: int = 0

    @property
    def nbytes(self) -> int:
        return self.numel * torch_dtypes.SIZES[self.dtype]


def storage_id(value: Value) -> StorageId | None:
    """The storage that a persistent id names, as `torch.load` reads it; None for anything else."""
    if type(value) is not Persistent or type(value.id) is not tuple or not 5 <= len(value.id) <= 6:
        return None
    word, kind, key, location, numel = value.id[:5]
    dtype = torch_dtypes.storage_dtype(kind)
    name = key if type(key) is str else _text(key)
    if dtype is None or name is None or not _is_count(numel) or _text(word) != "storage":
        return None
    start = _view_start(value.id[5]) if len(value.id) > 5 else 0  # of a zip file, and of a legacy one
    return StorageId(name, dtype, _text(location) or "", numel, start) if start is not None else None


def _view_start(view: Value) -> int | None:
    """The element at which the view of a legacy file begins: `(key, offset, numel)`."""
    if view is None:
        return 0
    if type(view) is not tuple or len(view) != 3 or not _is_count(view[1]):
        return None
    start: int = view[1]
    return start


Storages = Callable[[Value], StorageId | None]
"""`storage_id`, with a memory: the type of a storage is the one that it had first."""


def tensor(value: Value, storages: Storages) -> StoredTensor | None:
    """The tensor that a value is; None for anything else, and for a call of torch's that torch would not take."""
    if is_plain(value):
        return _dense(value.args, storages)
    parameter, requires_grad, subclass = False, False, False
    for _ in range(MAX_WRAPPERS):
        name, args = _rebuild(value)
        if name == "_rebuild_from_type_v2" and len(args) > 2:
            subclass = subclass or not _is_plain(args[1])
            parameter = parameter or _is_parameter(args[1])
            value = Call(args[0], args[2], None, 0, 0)
        elif name in _PARAMETERS and args:
            requires_grad = requires_grad or (len(args) > 1 and args[1] is True) or (len(args) == 1 and not parameter)
            parameter, value = True, args[0]
        else:
            found = _described(name, args, value, storages)
            if found is None:
                return None
            kind = TensorKind.SUBCLASS if subclass else found.kind
            grad = requires_grad if parameter else found.requires_grad
            return (
                replace(found, kind=kind, parameter=parameter, requires_grad=grad) if parameter or subclass else found
            )
    return None


def is_plain(value: Value) -> bool:
    """Whether a value is made by the function that makes nearly all tensors."""
    if type(value) is not Call or type(value.callee) is not Global or type(value.args) is not tuple:
        return False
    return value.callee.name == "_rebuild_tensor_v2" and value.callee.module == "torch._utils"


def fits(value: Value, storages: Storages) -> bool:
    """Whether a value is a plain tensor that fits into its storage: of an optimizer nobody wants to know more."""
    if not is_plain(value) or len(value.args) < 4 or (storage := storages(value.args[0])) is None:
        return False
    _, start, shape, stride = value.args[:4]
    if storage.start or type(shape) is not tuple or type(stride) is not tuple:
        return False
    last = _last(start, shape, stride)
    return last is not None and last <= storage.numel


def base(value: Value) -> Value:
    """The call of the tensor inside a parameter."""
    for _ in range(MAX_WRAPPERS):
        name, args = _rebuild(value)
        if name not in _PARAMETERS or not args:
            break
        value = args[0]
    return value


def is_tensor(value: Value) -> bool:
    """Whether a value looks like a tensor: a call of one of torch's functions that give one."""
    if is_plain(value):
        return True
    name, _ = _rebuild(value)
    return name in _PARAMETERS or name in _DESCRIBED or name == "_rebuild_from_type_v2" or name in torch_dtypes.TENSORS


_PARAMETERS = frozenset({"_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter"})
_MODULES: Mapping[str, frozenset[str]] = {
    "torch._utils": frozenset({
        "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor", "_rebuild_sparse_tensor",
        "_rebuild_meta_tensor_no_storage", "_rebuild_nested_tensor", "_rebuild_wrapper_subclass", "_rebuild_parameter",
        "_rebuild_parameter_with_state", "_rebuild_device_tensor_from_numpy", "_rebuild_device_tensor_from_cpu_tensor",
        "_rebuild_xla_tensor",
    }),
    "torch._tensor": frozenset({"_rebuild_from_type", "_rebuild_from_type_v2"}),
    "torch.tensor": frozenset({"_rebuild_from_type", "_rebuild_from_type_v2"}),  # `torch.load` maps the module
    "torch.nn.parameter": frozenset({"Parameter"}),
    **dict.fromkeys(("torch", "torch.cuda"), frozenset(torch_dtypes.TENSORS)),
}  # fmt: skip


Arguments = Sequence[Value]


def _rebuild(value: Value) -> tuple[str, Arguments]:
    """The function of torch that a call is of, and its arguments; an empty name for anything else."""
    if type(value) is Call and type(value.callee) is Global and type(value.args) in (tuple, list):
        module, name = value.callee.module, value.callee.name
        if module is not None and name is not None and name in _MODULES.get(module, ()):
            return "_rebuild_from_type_v2" if name == "_rebuild_from_type" else name, value.args
    return "", ()


def _described(name: str, args: Arguments, value: Value, storages: Storages) -> StoredTensor | None:
    if name in torch_dtypes.TENSORS:
        # Before 0.4 the class was called with nothing, and the tensor given to it by BUILD.
        states = value.states if type(value) is Call else None
        return _dense(states[-1], storages) if states and type(states[-1]) in (tuple, list) else None
    describe = _DESCRIBED.get(name)
    return describe(args, storages) if describe is not None else None


def _dense(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(storage, offset, size, stride, requires_grad, ...)`."""
    if len(args) < 4 or (storage := storages(args[0])) is None:
        return None
    return _strided(storage, storage.dtype, args)


def _untyped(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(storage, offset, size, stride, requires_grad, hooks, dtype, ...)`."""
    if len(args) < 7 or (storage := storages(args[0])) is None:
        return None
    dtype = torch_dtypes.dtype(args[6])
    return _strided(storage, dtype, args) if dtype is not None else None


def _strided(storage: StorageId, dtype: str, args: Arguments) -> StoredTensor:
    shape, stride, start = args[2], args[3], args[1]
    grad = len(args) > 4 and args[4] is True
    if type(shape) is not tuple or type(stride) is not tuple:
        shape, stride = _numbers(shape), _numbers(stride)
    if shape is None or stride is None or _last(start, shape, stride) is None:
        return StoredTensor(dtype, None, (), 0, storage.key, requires_grad=grad)
    if storage.start:  # a view counts its elements in the type of the storage, a tensor in its own
        start += storage.start * torch_dtypes.SIZES[storage.dtype] // torch_dtypes.SIZES[dtype]
    return StoredTensor(dtype, shape, stride, start, storage.key, requires_grad=grad)


def _last(start: Value, shape: tuple[Value, ...], stride: tuple[Value, ...]) -> int | None:
    """The element of a storage behind the last one of a tensor, or `start` if it has none.

    None where no tensor can have this offset, these sizes and these strides.
    """
    if type(start) is not int or not 0 <= start < MAX_COUNT or not len(shape) == len(stride) <= MAX_DIMENSIONS:
        return None
    count, last = 1, start
    for extent, step in zip(shape, stride, strict=True):
        if type(extent) is not int or type(step) is not int or not (0 <= extent < MAX_COUNT and 0 <= step < MAX_COUNT):
            return None
        count *= extent or 1
        last += (extent - 1) * step
        if count >= MAX_COUNT:
            return None
    return start if 0 in shape else last + 1


def _quantised(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(storage, offset, size, stride, quantiser, requires_grad, hooks)`."""
    found = _dense(args[:4], storages)
    grad = len(args) > 5 and args[5] is True
    return replace(found, kind=TensorKind.QUANTISED, requires_grad=grad) if found is not None else None


def _sparse(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(layout, (indices, values, size, is_coalesced))`, or two lists of indices in front for the other layouts."""
    if len(args) < 2 or type(args[1]) not in (tuple, list):
        return None
    data = args[1]
    at = next((number for number, part in enumerate(data[:4]) if _sizes(part) is not None), 0)
    values = tensor_of_storage(data[at - 1], storages) if at else None
    if values is None:
        return None
    return StoredTensor(values.dtype, _sizes(data[at]), (), 0, None, TensorKind.SPARSE)


def tensor_of_storage(value: Value, storages: Storages) -> StoredTensor | None:
    """A tensor that is part of another one: dense, with a storage, and nothing around it."""
    name, args = _rebuild(value)
    if name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
        return _dense(args, storages)
    return _untyped(args, storages) if name == "_rebuild_tensor_v3" else None


def _meta(args: Arguments, _storages: Storages) -> StoredTensor | None:
    """`(dtype, size, stride, requires_grad)`."""
    dtype = torch_dtypes.dtype(args[0]) if len(args) > 2 else None
    return StoredTensor(dtype, _sizes(args[1]), (), 0, None, TensorKind.META) if dtype is not None else None


def _nested(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(buffer, sizes, strides, offsets)`: a list of tensors in one; it has no single shape."""
    buffer = tensor_of_storage(args[0], storages) if args else None
    return replace(buffer, shape=None, stride=(), kind=TensorKind.NESTED) if buffer is not None else None


def _wrapper(args: Arguments, _storages: Storages) -> StoredTensor | None:
    """`(class, dtype, size, stride, offset, layout, device, requires_grad)`."""
    dtype = torch_dtypes.dtype(args[1]) if len(args) > 2 else None
    return StoredTensor(dtype, _sizes(args[2]), (), 0, None, TensorKind.SUBCLASS) if dtype is not None else None


def _of_numpy(args: Arguments, _storages: Storages) -> StoredTensor | None:
    """`(array, dtype, device, requires_grad)`; the array is given its shape by BUILD, as `(version, shape, ...)`."""
    dtype = torch_dtypes.dtype(args[1]) if len(args) > 1 else None
    states = args[0].states if dtype is not None and type(args[0]) is Call else None
    state = states[-1] if states else None
    if dtype is None or type(state) is not tuple or len(state) < 2:
        return None
    return StoredTensor(dtype, _sizes(state[1]), (), 0, None)


def _of_cpu(args: Arguments, storages: Storages) -> StoredTensor | None:
    """`(tensor, dtype, device, requires_grad)`."""
    found = tensor_of_storage(args[0], storages) if args else None
    dtype = torch_dtypes.dtype(args[1]) if len(args) > 1 else None
    if found is None or dtype is None or dtype == found.dtype:
        return found
    return StoredTensor(dtype, found.shape, (), 0, None)


_DESCRIBED: Mapping[str, Callable[[Arguments, Storages], StoredTensor | None]] = {
    "_rebuild_tensor": _dense,
    "_rebuild_tensor_v2": _dense,
    "_rebuild_tensor_v3": _untyped,
    "_rebuild_qtensor": _quantised,
    "_rebuild_sparse_tensor": _sparse,
    "_rebuild_meta_tensor_no_storage": _meta,
    "_rebuild_nested_tensor": _nested,
    "_rebuild_wrapper_subclass": _wrapper,
    "_rebuild_device_tensor_from_numpy": _of_numpy,
    "_rebuild_xla_tensor": _of_numpy,
    "_rebuild_device_tensor_from_cpu_tensor": _of_cpu,
}


BASES = frozenset({*_DESCRIBED, *torch_dtypes.TENSORS, "_rebuild_from_type", "_rebuild_from_type_v2"})
"""What a call has to be of to be a tensor itself, and not a parameter around one."""


def _sizes(value: Value) -> tuple[int, ...] | None:
    """The sizes of a tensor that can be; None for others."""
    sizes, count = _numbers(value), 1
    for size in sizes or ():
        count *= size or 1
        if count >= MAX_COUNT:
            return None
    return sizes


def _numbers(value: Value) -> tuple[int, ...] | None:
    """Numbers that sizes or strides can be; None for others. `torch.Size` holds them too."""
    if type(value) is Call and value.is_of("torch", "Size") and type(value.args) is tuple and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, (tuple, list)) or len(value) > MAX_DIMENSIONS:
        return None
    return tuple(value) if all(map(_is_count, value)) else None


def _is_count(value: Value) -> bool:
    return type(value) is int and 0 <= value < MAX_COUNT


def _is_plain(kind: Value) -> bool:
    """Whether a class is torch's own, which adds nothing but attributes."""
    return type(kind) is Global and (kind.module, kind.name) in (
        ("torch", "Tensor"),
        ("torch.nn.parameter", "Parameter"),
        ("torch.nn.parameter", "Buffer"),
    )


def _is_parameter(kind: Value) -> bool:
    return type(kind) is Global and (kind.module, kind.name) == ("torch.nn.parameter", "Parameter")


def _text(value: Value) -> str | None:
    """A name: Python 2 wrote bytes, and the key of a storage may be a number."""
    if type(value) is str:
        return value
    if type(value) is bytes and len(value) <= MAX_KEY:
        return value.decode("ascii", "surrogateescape")
    return str(value) if _is_count(value) else None
