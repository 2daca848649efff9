"""Damage to tensors that keep their names: shapes, dtypes, values."""

from collections.abc import Callable
from random import Random

import torch

from benchmarks.agreement.checkpoint import Mutate, Tensors, on_tensors
from benchmarks.agreement.tensors import (
    Edit,
    choose,
    embedding,
    floating,
    head,
    matrix,
    not_empty,
    oblong,
    row_more,
    square,
)


def reshaped(fits: Callable[[torch.Tensor], bool], change: Callable[[torch.Tensor], torch.Tensor]) -> Edit:
    def edit(tensors: Tensors, rng: Random) -> str | None:
        name = choose(tensors, rng, fits)
        if name is None:
            return None
        tensors[name] = change(tensors[name])
        return f"{name} {list(tensors[name].shape)}"

    return edit


def rows_of(find: Callable[[Tensors], str | None], change: Callable[[torch.Tensor], torch.Tensor]) -> Edit:
    def edit(tensors: Tensors, _: Random) -> str | None:
        name = find(tensors)
        if name is None or tensors[name].dim() == 0 or tensors[name].shape[0] <= 1:
            return None
        tensors[name] = change(tensors[name])
        return f"{name} {list(tensors[name].shape)}"

    return edit


def one_longer(tensors: Tensors, rng: Random) -> str | None:
    """One dimension of one tensor is longer by one."""
    name = choose(tensors, rng, lambda tensor: tensor.dim() > 0 and tensor.numel() > 0)
    if name is None:
        return None
    axis = rng.randrange(tensors[name].dim())
    tensors[name] = torch.cat([tensors[name], tensors[name].narrow(axis, 0, 1)], dim=axis)
    return f"{name} {list(tensors[name].shape)}"


def all_placeholders(tensors: Tensors, _: Random) -> str | None:
    """As one process of ZeRO-3 has them between two steps."""
    for name in tensors:
        tensors[name] = torch.zeros(0)
    return "[0] everywhere"


def swap(tensors: Tensors, rng: Random) -> str | None:
    """Two tensors of one shape take each other's name."""
    shapes: dict[torch.Size, list[str]] = {}
    for name in sorted(tensors):
        if matrix(tensors[name]):
            shapes.setdefault(tensors[name].shape, []).append(name)
    pairs = [names for names in shapes.values() if len(names) > 1]
    if not pairs:
        return None
    one, two = rng.sample(rng.choice(pairs), 2)
    tensors[one], tensors[two] = tensors[two], tensors[one]
    return f"{one} and {two}"


def cast_one(dtype: torch.dtype) -> Edit:
    def edit(tensors: Tensors, rng: Random) -> str | None:
        name = choose(tensors, rng, lambda tensor: floating(tensor) and tensor.dim() > 0)
        if name is None:
            return None
        tensors[name] = tensors[name].to(dtype)
        return f"{name} {dtype}"

    return edit


def cast_all(dtype: torch.dtype) -> Edit:
    def edit(tensors: Tensors, _: Random) -> str | None:
        for name, tensor in tensors.items():
            if floating(tensor):
                tensors[name] = tensor.to(dtype)
        return str(dtype)

    return edit


def filled(value: float) -> Edit:
    def edit(tensors: Tensors, rng: Random) -> str | None:
        name = choose(tensors, rng, floating)
        if name is None:
            return None
        tensors[name] = torch.full_like(tensors[name], value)
        return f"{name} is {value} throughout"

    return edit


EDITS: dict[str, Edit] = {
    "transpose an oblong matrix": reshaped(oblong, torch.t),
    "transpose a square matrix": reshaped(square, torch.t),
    "one dimension more": reshaped(not_empty, lambda tensor: tensor[None]),
    "flattened": reshaped(lambda tensor: tensor.dim() > 1, torch.flatten),
    "scalar": reshaped(not_empty, lambda tensor: tensor.flatten()[0].clone()),
    "one dimension longer by one": one_longer,
    "[0] placeholder": reshaped(floating, lambda _: torch.zeros(0)),
    "[0] placeholders everywhere": all_placeholders,
    "embedding with a row more": rows_of(embedding, row_more),
    "embedding with a row less": rows_of(embedding, lambda tensor: tensor[:-1]),
    "head with a row more": rows_of(head, row_more),
    "two equal shapes swapped": swap,
    "one float16": cast_one(torch.float16),
    "all float16": cast_all(torch.float16),
    "all bfloat16": cast_all(torch.bfloat16),
    "one float64": cast_one(torch.float64),
    "one float8": cast_one(torch.float8_e4m3fn),
    "one int8": cast_one(torch.int8),
    "one bool": cast_one(torch.bool),
    "NaN": filled(float("nan")),
    "zeros": filled(0.0),
}

SHAPES: dict[str, Mutate] = {name: on_tensors(edit) for name, edit in EDITS.items()}
