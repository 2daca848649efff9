"""Tensors: shapes as terms. What is in a tensor is never known."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import Term, const
from tools.atlas.symbolic.values import Bound, Choice, List, Opaque, Plain, Sym, Tensor, is_scalar, term_of

UNKNOWN = Tensor(None)
DTYPES = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.complex64: "C64",
}  # fmt: skip


def dtype_name(dtype: Any) -> str | None:
    return DTYPES.get(dtype)


def sizes(run: Run, args: Sequence[Any]) -> tuple[Term, ...] | None:
    """The shape that `f(2, 3)` or `f((2, 3))` asks for."""
    args = tuple(run.journal.resolve(arg) for arg in args)
    if len(args) == 1 and isinstance(args[0], (tuple, list, torch.Size)):
        args = tuple(run.journal.resolve(arg) for arg in args[0])
    elif len(args) == 1 and isinstance(args[0], List):
        if not all(isinstance(item, Plain) for item in args[0].items):
            return None
        args = tuple(run.journal.resolve(item.value) for item in args[0].items if isinstance(item, Plain))
    if all(isinstance(arg, Choice) or is_scalar(arg) or isinstance(arg, Opaque) for arg in args):
        return tuple(term_of(arg) for arg in args)
    return None


def _created(run: Run, *args: Any, size: Any = None, dtype: Any = None, fill_value: Any = None, **_: Any) -> Tensor:
    del fill_value
    shape = sizes(run, args if size is None else (size,))
    return Tensor(shape, dtype_name(dtype))


def _full(run: Run, size: Any, value: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    name = dtype_name(dtype) or ("BOOL" if isinstance(value, bool) else "I64" if isinstance(value, int) else None)
    return Tensor(sizes(run, (size,)), name)


def _arange(run: Run, *args: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    args = tuple(
        run.journal.resolve(arg) for arg in (*args, *(kwargs[k] for k in ("start", "end", "step") if k in kwargs))
    )
    if not all(is_scalar(arg) for arg in args):
        return UNKNOWN
    ends = [term_of(arg) for arg in args]
    start, stop = (terms.ZERO, ends[0]) if len(ends) == 1 else (ends[0], ends[1])
    size = terms.binary("-", stop, start)
    if len(ends) > 2:  # noqa: PLR2004 — start, stop, step
        size = terms.call("ceil", terms.binary("/", size, ends[2]))
    name = dtype_name(dtype) or ("F32" if any(isinstance(arg, float) for arg in args) else "I64")
    return Tensor((size,), name)


def _linspace(run: Run, start: Any = 0, end: Any = 1, steps: Any = 1, **_: Any) -> Tensor:
    del start, end
    return Tensor((term_of(run.journal.resolve(steps)),), "F32")


def _eye(run: Run, rows: Any, columns: Any = None, **_: Any) -> Tensor:
    a = term_of(run.journal.resolve(rows))
    return Tensor((a, a if columns is None else term_of(run.journal.resolve(columns))))


def _tensor(run: Run, data: Any = None, *_: Any, dtype: Any = None, **__: Any) -> Tensor:
    data = run.journal.resolve(data)
    if isinstance(data, Tensor):
        return data
    name = dtype_name(dtype)
    if is_scalar(data):
        kind = {int: "I64", bool: "BOOL"}.get(type(data))
        return Tensor((), name or kind)
    shape: list[Term] = []
    while isinstance(data, (tuple, list, List, Sym, range)):
        if isinstance(data, Sym):
            shape.append(terms.call("len", data.term))
            return Tensor(tuple(shape), name)
        size = terms.ZERO
        items = run.iterate(data)
        for item in items:
            size = terms.binary("+", size, run.count(item))
        shape.append(size)
        if not items:
            break
        data = items[0].value if isinstance(items[0], Plain) else items[0].items[0]
        data = data.value if isinstance(data, Plain) else data
    if name is None and isinstance(data, int):
        name = "I64"
    return Tensor(tuple(shape), name)


def _parameter(run: Run, data: Any = None, requires_grad: Any = True) -> Any:  # noqa: FBT002 — as torch has it
    del requires_grad
    data = run.journal.resolve(data)
    if isinstance(data, Choice):
        return ite(data.condition, _parameter(run, data.then), _parameter(run, data.other))
    if isinstance(data, Tensor):
        return Tensor(data.shape, None, "parameter")  # what is trained is floating; torch refuses anything else
    return Tensor((terms.ZERO,), None, "parameter") if data is None else Tensor(None, None, "parameter")


def _buffer(run: Run, data: Any = None, persistent: Any = True) -> Any:  # noqa: FBT002 — as torch has it
    data = run.journal.resolve(data)
    role = "buffer" if run.journal.resolve(persistent) is not False else "transient"
    if isinstance(data, Choice):
        return ite(data.condition, _buffer(run, data.then, persistent), _buffer(run, data.other, persistent))
    return Tensor(data.shape, data.dtype, role) if isinstance(data, Tensor) else Tensor(None, None, role)


def _like(run: Run, tensor: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
    tensor = run.journal.resolve(tensor)
    return Tensor(tensor.shape, dtype_name(dtype) or tensor.dtype) if isinstance(tensor, Tensor) else UNKNOWN


def _cat(run: Run, tensors: Any, dim: Any = 0, **_: Any) -> Tensor:
    items = run.iterate(tensors)
    found = [item.value for item in items if isinstance(item, Plain)]
    if len(found) != len(items) or not all(isinstance(t, Tensor) and t.shape is not None for t in found) or not found:
        return UNKNOWN
    shape = list(found[0].shape)
    if not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
        return UNKNOWN
    total = terms.ZERO
    for tensor in found:
        if len(tensor.shape) != len(shape):
            return UNKNOWN
        total = terms.binary("+", total, tensor.shape[dim])
    shape[dim] = total
    return Tensor(tuple(shape), found[0].dtype)


def _outer(run: Run, a: Any, b: Any) -> Tensor:
    a, b = run.journal.resolve(a), run.journal.resolve(b)
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape and b.shape:
        return Tensor((a.shape[0], b.shape[0]))
    return UNKNOWN


def _truncated(run: Run, tensor: Any, *_: Any, **__: Any) -> Any:
    return _like(run, tensor)


def _floating(run: Run, tensor: Any, *_: Any, **__: Any) -> Any:
    tensor = run.journal.resolve(tensor)
    return Tensor(tensor.shape) if isinstance(tensor, Tensor) else UNKNOWN


def _sized_or_of(run: Run, *args: Any) -> Tensor:
    """`torch.Tensor(2, 3)` is a size, `torch.Tensor([2, 3])` what is in it."""
    return _created(run, *args) if all(is_scalar(arg) for arg in args) else _tensor(run, *args)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    torch.zeros: _created, torch.ones: _created, torch.empty: _created, torch.rand: _created, torch.randn: _created,
    torch.full: _full, torch.arange: _arange, torch.linspace: _linspace, torch.eye: _eye, torch.tensor: _tensor,
    torch.as_tensor: _tensor, torch.nn.Parameter: _parameter, torch.nn.Buffer: _buffer,
    torch.cat: _cat, torch.concat: _cat, torch.outer: _outer,
    torch.zeros_like: _like, torch.ones_like: _like, torch.empty_like: _like, torch.rand_like: _like,
    torch.Tensor: _sized_or_of, torch.FloatTensor: _sized_or_of,
    torch.LongTensor: _tensor, torch.BoolTensor: _tensor,
    torch.normal: lambda run, *args, size=None, **_: Tensor(sizes(run, (size,)) if size is not None else None),
    torch.randint: lambda run, *args, size=None, **_: Tensor(sizes(run, (args[-1] if size is None else size,)), "I64"),
    torch.nn.init.trunc_normal_: _truncated, torch.nn.init.normal_: _truncated, torch.tril: _truncated,
    torch.triu: _truncated, torch.log: _floating, torch.exp: _floating, torch.sin: _floating, torch.cos: _floating,
}  # fmt: skip


def broadcast(operands: Sequence[Any]) -> Tensor:
    """The shape of an operation on every element; it is known where one operand decides it."""
    tensors = [value for value in operands if isinstance(value, Tensor)]
    if not tensors or any(tensor.shape is None for tensor in tensors):
        return UNKNOWN
    shaped = [tensor for tensor in tensors if tensor.shape]
    if not shaped:
        return Tensor(())
    widest = max(shaped, key=lambda tensor: len(tensor.shape or ()))
    result = list(widest.shape or ())
    for tensor in shaped:
        shape = tensor.shape or ()
        for place in range(1, len(shape) + 1):
            if result[-place] == terms.ONE:
                result[-place] = shape[-place]
            elif shape[-place] not in (terms.ONE, result[-place]):
                return UNKNOWN
    return Tensor(tuple(result), widest.dtype)


def attribute(run: Run, owner: Tensor, name: str) -> Any:
    """An attribute of a tensor."""
    if name == "shape" and owner.shape is not None:
        return tuple(run.scalar(size, frozenset({"int"})) for size in owner.shape)
    if name == "data":
        return Tensor(owner.shape, owner.dtype)
    if name == "T" and owner.shape is not None:
        return Tensor(owner.shape[::-1], owner.dtype)
    return Bound(name, owner)


def item(owner: Tensor, key: Any) -> Tensor:
    """A tensor indexed with None, `:` and numbers; the shape of anything else is not known."""
    if owner.shape is None:
        return UNKNOWN
    keys = key if isinstance(key, tuple) else (key,)
    rest, shape = list(owner.shape), []
    for part in keys:
        if part is None:
            shape.append(terms.ONE)
        elif part is Ellipsis:
            consumed = sum(1 for k in keys if k is not None and k is not Ellipsis)
            while len(rest) > consumed:
                shape.append(rest.pop(0))
        elif isinstance(part, slice) and part == slice(None) and rest:
            shape.append(rest.pop(0))
        elif isinstance(part, (int, Sym)) and rest:
            rest.pop(0)
        else:
            return UNKNOWN
    return Tensor((*shape, *rest), owner.dtype)


def _expand(run: Run, owner: Tensor, *args: Any) -> Tensor:
    wanted = sizes(run, args)
    if wanted is None or owner.shape is None or len(wanted) < len(owner.shape):
        return UNKNOWN
    have = (*([terms.ONE] * (len(wanted) - len(owner.shape))), *owner.shape)
    return Tensor(tuple(h if w == const(-1) else w for w, h in zip(wanted, have, strict=True)), owner.dtype)


def _view(run: Run, owner: Tensor, *args: Any) -> Tensor:
    wanted = sizes(run, args)
    if wanted is None:
        return UNKNOWN
    if const(-1) in wanted:
        if owner.shape is None:
            return UNKNOWN
        total = math.prod(1 for _ in ()) and terms.ONE
        total = terms.ONE
        for size in owner.shape:
            total = terms.binary("*", total, size)
        for size in wanted:
            if size != const(-1):
                total = terms.binary("//", total, size)
        wanted = tuple(total if size == const(-1) else size for size in wanted)
    return Tensor(wanted, owner.dtype)


def _unsqueeze(run: Run, owner: Tensor, dim: Any) -> Tensor:
    del run
    if owner.shape is None or not isinstance(dim, int):
        return UNKNOWN
    shape = list(owner.shape)
    shape.insert(dim if dim >= 0 else len(shape) + 1 + dim, terms.ONE)
    return Tensor(tuple(shape), owner.dtype)


def _squeeze(run: Run, owner: Tensor, dim: Any = None) -> Tensor:
    del run
    if owner.shape is None or not isinstance(dim, int):
        return UNKNOWN
    shape = list(owner.shape)
    if shape[dim] == terms.ONE:
        del shape[dim]
    return Tensor(tuple(shape), owner.dtype)


def _transpose(run: Run, owner: Tensor, a: Any = 0, b: Any = 1) -> Tensor:
    del run
    if owner.shape is None or not isinstance(a, int) or not isinstance(b, int):
        return UNKNOWN
    shape = list(owner.shape)
    shape[a], shape[b] = shape[b], shape[a]
    return Tensor(tuple(shape), owner.dtype)


def _permute(run: Run, owner: Tensor, *args: Any) -> Tensor:
    order = sizes(run, args)
    if owner.shape is None or order is None or not all(terms.is_const(place) for place in order):
        return UNKNOWN
    return Tensor(tuple(owner.shape[place[2]] for place in order), owner.dtype)


def _repeat(run: Run, owner: Tensor, *args: Any) -> Tensor:
    times = sizes(run, args)
    if times is None or owner.shape is None or len(times) < len(owner.shape):
        return UNKNOWN
    have = (*([terms.ONE] * (len(times) - len(owner.shape))), *owner.shape)
    return Tensor(tuple(terms.binary("*", h, t) for h, t in zip(have, times, strict=True)), owner.dtype)


def _flatten(run: Run, owner: Tensor, start: Any = 0, end: Any = -1) -> Tensor:
    del run
    if owner.shape is None or not isinstance(start, int) or end != -1:
        return UNKNOWN
    total = terms.ONE
    for size in owner.shape[start:]:
        total = terms.binary("*", total, size)
    return Tensor((*owner.shape[:start], total), owner.dtype)


def _size(run: Run, owner: Tensor, dim: Any = None) -> Any:
    if owner.shape is None:
        return Opaque("a size")
    shape = attribute(run, owner, "shape")
    return shape if dim is None else shape[dim]


def _new(run: Run, owner: Tensor, *args: Any, **_: Any) -> Tensor:
    return Tensor(sizes(run, args), owner.dtype)


def _typed(name: str) -> Callable[..., Tensor]:
    return lambda run, owner, *_, **__: Tensor(owner.shape, name)


def _tolist(run: Run, owner: Tensor) -> Any:
    if owner.shape is None or len(owner.shape) != 1:
        return Opaque("the values of a tensor")
    values = run.iterate(Sym(("f", "range", terms.ZERO, owner.shape[0], terms.ONE), frozenset({"list"})))
    return List({"items": run.mapped(values, lambda _: (Plain(Opaque("the value of a tensor")),))})


def _split(run: Run, owner: Tensor, widths: Any, dim: Any = 0) -> Any:
    widths = run.journal.resolve(widths)
    if owner.shape is None or dim != 0 or isinstance(widths, int):
        return Opaque("split")
    rest = owner.shape[1:]
    pieces = run.mapped(run.iterate(widths), lambda width: (Plain(Tensor((term_of(width), *rest), owner.dtype)),))
    return List({"items": pieces})


METHODS: dict[str, Callable[..., Any]] = {
    "split": _split,
    "expand": _expand, "view": _view, "reshape": _view, "unsqueeze": _unsqueeze, "squeeze": _squeeze,
    "transpose": _transpose, "t": _transpose, "permute": _permute, "repeat": _repeat, "flatten": _flatten,
    "size": _size, "new_zeros": _new, "new_ones": _new, "new_empty": _new, "tolist": _tolist,
    "long": _typed("I64"), "int": _typed("I32"), "float": _typed("F32"), "bool": _typed("BOOL"),
    "item": lambda run, owner: Opaque("the value of a tensor"), "numel": lambda run, owner: Opaque("numel"),
    "dim": lambda run, owner: len(owner.shape) if owner.shape is not None else Opaque("dim"),
}  # fmt: skip


def method(name: str) -> Callable[..., Any]:
    """The model of a tensor's method; one that is not listed keeps the shape, as most do."""
    return METHODS.get(name, lambda run, owner, *args, **_: broadcast((owner, *args)))
