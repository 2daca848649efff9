"""Layers of torch: which parameters and buffers each has, by its arguments (torch 2.13, `torch.nn.modules`)."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.sequences import to_dict
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    UNSET,
    Choice,
    Dict,
    List,
    Maybe,
    Obj,
    Opaque,
    Plain,
    Spread,
    Sym,
    Tensor,
    is_scalar,
    kinds_of,
    new_list,
    term_of,
)

Layer = Callable[[Any, Obj, dict[str, Any]], None]


def parameter(*shape: Term) -> Tensor:
    return Tensor(shape, None, "parameter")


def _set(run: Run, made: Obj, name: str, value: Any, condition: Term = terms.TRUE) -> None:
    run.journal.write(made.attrs, name, ite(condition, value, None))


def _linear(run: Run, made: Obj, given: dict[str, Any]) -> None:
    rows, columns = term_of(given["out_features"]), term_of(given["in_features"])
    for name in ("in_features", "out_features"):
        _set(run, made, name, given[name])
    _set(run, made, "weight", parameter(rows, columns))
    _set(run, made, "bias", parameter(rows), run.truth(given["bias"]))


def _embedding(run: Run, made: Obj, given: dict[str, Any]) -> None:
    rows, columns = term_of(given["num_embeddings"]), term_of(given["embedding_dim"])
    for name in ("num_embeddings", "embedding_dim", "padding_idx"):
        _set(run, made, name, given[name])
    _set(run, made, "weight", parameter(rows, columns))
    padding = run.journal.resolve(given["padding_idx"])
    if padding is not None and is_scalar(padding):
        place = term_of(padding)
        low = terms.compare("<=", terms.binary("*", terms.const(-1), rows), place)
        inside = terms.both(low, terms.compare("<", place, rows))
        null = terms.compare("==", place, terms.NULL) if "null" in kinds_of(padding) else terms.FALSE
        run.require(terms.either(null, inside), "AssertionError")


def dimensions(run: Run, value: Any, count: int) -> list[Term]:
    """A size that is one number for all dimensions or a list with one for each."""
    value = run.journal.resolve(value)
    if isinstance(value, Choice):
        then, other = dimensions(run, value.then, count), dimensions(run, value.other, count)
        return [terms.choose(value.condition, a, b) for a, b in zip(then, other, strict=True)]
    if isinstance(value, (tuple, list, List)):
        return [term_of(run.get_item(value, place if not _single(value) else 0)) for place in range(count)]
    if isinstance(value, Sym) and value.kinds & {"list"}:
        items = [terms.item(value.term, terms.const(place)) for place in range(count)]
        if value.kinds <= {"list"}:
            return items
        listed = run.journal.condition(terms.call("is_list", value.term))
        return [terms.choose(listed, item, value.term) for item in items]
    return [term_of(value)] * count


def _single(value: Any) -> bool:
    return len(value.items if isinstance(value, List) else value) == 1


def _convolution(count: int, *, transposed: bool = False) -> Layer:
    def layer(run: Run, made: Obj, given: dict[str, Any]) -> None:
        kernel = dimensions(run, given["kernel_size"], count)
        groups = term_of(given["groups"])
        ins, outs = term_of(given["in_channels"]), term_of(given["out_channels"])
        for name in ("in_channels", "out_channels", "groups", "kernel_size", "stride", "padding", "dilation"):
            value = given[name]
            if name in {"kernel_size", "stride", "dilation"} and is_scalar(value):
                value = (value,) * count
            _set(run, made, name, value)
        for channels in (ins, outs):
            divides = terms.compare("==", terms.binary("%", channels, groups), terms.ZERO)
            if not terms.is_const(divides) and not terms.is_const(groups):
                run.require(divides, "ValueError")
        first, second = (ins, outs) if transposed else (outs, ins)
        _set(run, made, "weight", parameter(first, terms.binary("//", second, groups), *kernel))
        _set(run, made, "bias", parameter(outs), run.truth(given["bias"]))

    return layer


def _normalised(run: Run, given: Any) -> tuple[Term, ...]:
    shape = run.journal.resolve(given)
    if isinstance(shape, (tuple, list)):
        return tuple(term_of(run.journal.resolve(size)) for size in shape)
    if isinstance(shape, List):
        return tuple(term_of(item.value) for item in shape.items if isinstance(item, Plain))
    return (term_of(shape),)


def _layer_norm(run: Run, made: Obj, given: dict[str, Any]) -> None:
    shape = _normalised(run, given["normalized_shape"])
    affine = run.truth(given["elementwise_affine"])
    _set(run, made, "normalized_shape", given["normalized_shape"])
    _set(run, made, "weight", parameter(*shape), affine)
    if "bias" in given:
        _set(run, made, "bias", parameter(*shape), terms.both(affine, run.truth(given["bias"])))


def _group_norm(run: Run, made: Obj, given: dict[str, Any]) -> None:
    channels = term_of(given["num_channels"])
    affine = run.truth(given["affine"])
    _set(run, made, "weight", parameter(channels), affine)
    _set(run, made, "bias", parameter(channels), affine)


def _batch_norm(run: Run, made: Obj, given: dict[str, Any]) -> None:
    size = term_of(given["num_features"])
    affine, tracked = run.truth(given["affine"]), run.truth(given["track_running_stats"])
    _set(run, made, "num_features", given["num_features"])
    _set(run, made, "weight", parameter(size), affine)
    _set(run, made, "bias", parameter(size), affine)
    _set(run, made, "running_mean", Tensor((size,), None, "buffer"), tracked)
    _set(run, made, "running_var", Tensor((size,), None, "buffer"), tracked)
    _set(run, made, "num_batches_tracked", Tensor((), "I64", "buffer"), tracked)


def _attention(run: Run, made: Obj, given: dict[str, Any]) -> None:
    width = term_of(given["embed_dim"])
    bias = run.truth(given["bias"])
    if run.journal.resolve(given["kdim"]) is None and run.journal.resolve(given["vdim"]) is None:
        _set(run, made, "in_proj_weight", parameter(terms.binary("*", terms.const(3), width), width))
    else:
        for name, source in (("q_proj_weight", "embed_dim"), ("k_proj_weight", "kdim"), ("v_proj_weight", "vdim")):
            size = run.journal.resolve(given[source])
            _set(run, made, name, parameter(width, width if size is None else term_of(size)))
    _set(run, made, "in_proj_bias", parameter(terms.binary("*", terms.const(3), width)), bias)
    out = Obj(nn.Linear)
    _linear(run, out, {"in_features": given["embed_dim"], "out_features": given["embed_dim"], "bias": given["bias"]})
    _set(run, made, "out_proj", out)
    extra = run.truth(given["add_bias_kv"])
    for name in ("bias_k", "bias_v"):
        _set(run, made, name, parameter(terms.ONE, terms.ONE, width), extra)


def _recurrent(gates: int) -> Layer:
    def layer(run: Run, made: Obj, given: dict[str, Any]) -> None:
        layers = run.journal.resolve(given["num_layers"])
        twice = run.truth(given["bidirectional"])
        if not isinstance(layers, int) or not terms.is_const(twice):
            _set(run, made, "_unknown", Opaque("a recurrent layer with a symbolic depth"))
            return
        hidden = term_of(given["hidden_size"])
        projected = run.journal.resolve(given.get("proj_size", 0))
        out = hidden if projected == 0 else term_of(projected)
        rows = terms.binary("*", terms.const(gates), hidden)
        bias = run.truth(given["bias"])
        directions = ("", "_reverse") if twice[2] else ("",)
        for depth in range(layers):
            for direction in directions:
                source = (
                    term_of(given["input_size"]) if depth == 0 else terms.binary("*", terms.const(len(directions)), out)
                )
                end = f"_l{depth}{direction}"
                _set(run, made, f"weight_ih{end}", parameter(rows, source))
                _set(run, made, f"weight_hh{end}", parameter(rows, out))
                _set(run, made, f"bias_ih{end}", parameter(rows), bias)
                _set(run, made, f"bias_hh{end}", parameter(rows), bias)
                if projected != 0:
                    _set(run, made, f"weight_hr{end}", parameter(out, hidden))

    return layer


def _prelu(run: Run, made: Obj, given: dict[str, Any]) -> None:
    _set(run, made, "weight", parameter(term_of(given["num_parameters"])))


def _bilinear(run: Run, made: Obj, given: dict[str, Any]) -> None:
    out = term_of(given["out_features"])
    _set(run, made, "weight", parameter(out, term_of(given["in1_features"]), term_of(given["in2_features"])))
    _set(run, made, "bias", parameter(out), run.truth(given["bias"]))


def _container(run: Run, made: Obj, args: list[Any], kwargs: dict[str, Any]) -> None:
    modules = args[0] if args else kwargs.get("modules", kwargs.get("parameters"))
    items = run.iterate(modules) if modules is not None else ()
    run.journal.write(made.attrs, "_items", new_list(_flat(items)))


def _flat(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Both sides of a choice between two lists of the same length as one list of choices."""
    if len(items) == 2 and all(isinstance(item, Maybe) for item in items):  # noqa: PLR2004 — the two sides
        then, other = items
        if (
            (then.condition == terms.negate(other.condition) or other.condition == terms.negate(then.condition))
            and len(then.items) == len(other.items)
            and all(isinstance(i, Plain) for i in (*then.items, *other.items))
        ):
            return tuple(
                Plain(ite(then.condition, a.value, b.value)) for a, b in zip(then.items, other.items, strict=True)
            )
    return items


def _sequential(run: Run, made: Obj, args: list[Any], kwargs: dict[str, Any]) -> None:
    del kwargs
    if len(args) == 1 and isinstance(run.journal.resolve(args[0]), Dict):
        run.journal.write(made.attrs, "_items", run.journal.resolve(args[0]))
        return
    items: list[Any] = []
    for arg in args:
        items += arg.items if isinstance(arg, Spread) else [Plain(arg)]
    run.journal.write(made.attrs, "_items", new_list(_flat(tuple(items))))


def _module_dict(run: Run, made: Obj, args: list[Any], kwargs: dict[str, Any]) -> None:
    given = run.journal.resolve(args[0] if args else kwargs.get("modules"))
    if given is None:
        given = Dict({})
    elif isinstance(given, dict):
        given = Dict(dict(given))
    elif not isinstance(given, Dict):
        given = to_dict(run, given)
    run.journal.write(made.attrs, "_items", given if isinstance(given, Dict) else Dict({}))
    if isinstance(given, Opaque):
        run.journal.write(made.attrs, "_unknown", given)


def _bound(layer: Layer, cls: type) -> Callable[[Any, Obj, list[Any], dict[str, Any]], None]:
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # the class itself, not that of an object

    def run_layer(run: Run, made: Obj, args: list[Any], kwargs: dict[str, Any]) -> None:
        bound = signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        layer(run, made, {name: run.journal.resolve(value) for name, value in bound.arguments.items()})

    return run_layer


def _recurrent_bound(layer: Layer) -> Callable[[Any, Obj, list[Any], dict[str, Any]], None]:
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    defaults = {"num_layers": 1, "bias": True, "bidirectional": False, "proj_size": 0}

    def run_layer(run: Run, made: Obj, args: list[Any], kwargs: dict[str, Any]) -> None:
        given = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        layer(run, made, {name: run.journal.resolve(value) for name, value in given.items()})

    return run_layer


_TABLE: dict[Any, Layer] = {
    nn.Linear: _linear, nn.Embedding: _embedding, nn.LayerNorm: _layer_norm, nn.RMSNorm: _layer_norm,
    nn.GroupNorm: _group_norm, nn.BatchNorm1d: _batch_norm, nn.BatchNorm2d: _batch_norm, nn.BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm, nn.InstanceNorm1d: _batch_norm, nn.InstanceNorm2d: _batch_norm,
    nn.Conv1d: _convolution(1), nn.Conv2d: _convolution(2), nn.Conv3d: _convolution(3),
    nn.ConvTranspose1d: _convolution(1, transposed=True), nn.ConvTranspose2d: _convolution(2, transposed=True),
    nn.ConvTranspose3d: _convolution(3, transposed=True), nn.MultiheadAttention: _attention, nn.PReLU: _prelu,
    nn.Bilinear: _bilinear,
}  # fmt: skip
LAYERS: dict[Any, Callable[[Any, Obj, list[Any], dict[str, Any]], None]] = {
    **{cls: _bound(layer, cls) for cls, layer in _TABLE.items()},
    nn.modules.batchnorm._BatchNorm: _bound(_batch_norm, nn.BatchNorm2d),  # noqa: SLF001 — where their __init__ is
    nn.modules.instancenorm._InstanceNorm: _bound(_batch_norm, nn.InstanceNorm2d),  # noqa: SLF001 — as above
    nn.LSTM: _recurrent_bound(_recurrent(4)), nn.GRU: _recurrent_bound(_recurrent(3)),
    nn.ModuleList: _container, nn.ParameterList: _container, nn.Sequential: _sequential, nn.ModuleDict: _module_dict,
    nn.ParameterDict: _module_dict,
}  # fmt: skip


def _normed(run: Run, module: Obj, name: Any = "weight", dim: Any = 0, *, names: tuple[str, str] | None = None) -> Obj:
    """`weight_norm`: a weight becomes its length along `dim` and its direction."""
    weight = run.journal.resolve(module.attrs.get(name))
    if not isinstance(weight, Tensor) or weight.shape is None or not isinstance(dim, int):
        _set(run, module, "_unknown", Opaque("weight_norm"))
        return module
    kept = dim % len(weight.shape)
    length = tuple(size if place == kept else terms.ONE for place, size in enumerate(weight.shape))
    run.journal.write(module.attrs, name, UNSET)
    if names is not None:
        _set(run, module, f"{name}_{names[0]}", parameter(*length))
        _set(run, module, f"{name}_{names[1]}", parameter(*weight.shape))
        return module
    inner = Obj(
        nn.Module, {"original0": parameter(*length), "original1": parameter(*weight.shape), "0": Obj(nn.Identity)}
    )
    _set(run, module, "_class", f"Parametrized{module.cls.__name__}")
    _set(run, module, "parametrizations", Obj(nn.Module, {name: inner}))
    return module


def _old_normed(run: Run, module: Obj, name: Any = "weight", dim: Any = 0) -> Obj:
    return _normed(run, module, name, dim, names=("g", "v"))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    nn.utils.parametrizations.weight_norm: _normed,
    nn.utils.weight_norm: _old_normed,
}


def is_plain(cls: type) -> bool:
    """Whether a class of torch has neither parameters nor buffers: activations, dropout, padding, pooling, losses."""
    module = cls.__module__.rpartition(".")[2]
    return module in {
        "activation", "dropout", "padding", "pooling", "loss", "upsampling", "linear", "flatten", "fold",
        "pixelshuffle", "distance", "container", "channelshuffle",
    }  # fmt: skip
