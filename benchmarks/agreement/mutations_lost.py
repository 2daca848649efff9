"""Tensors too few and too many: layers, experts, heads, and single ones."""

from collections.abc import Callable
from random import Random

import torch

from benchmarks.agreement.checkpoint import Mutate, Tensors, in_layer, layers, on_tensors, template
from benchmarks.agreement.tensors import (
    Edit,
    choose,
    embedding,
    expert_lists,
    head,
    matrix,
    not_empty,
    removed,
    row_more,
    vector,
)

FEW = 3
"""Tensors, of which two may be lost and one stays."""


def drop(fits: Callable[[torch.Tensor], bool]) -> Edit:
    def edit(tensors: Tensors, rng: Random) -> str | None:
        name = choose(tensors, rng, fits)
        return removed(tensors, [name]) if name else None

    return edit


def drop_embedding(tensors: Tensors, _: Random) -> str | None:
    name = embedding(tensors)
    return removed(tensors, [name]) if name else None


def drop_head(tensors: Tensors, _: Random) -> str | None:
    name = head(tensors)
    return removed(tensors, [name]) if name else None


def drop_bias(tensors: Tensors, rng: Random) -> str | None:
    names = sorted(name for name in tensors if name.endswith(".bias"))
    return removed(tensors, [rng.choice(names)]) if names else None


def drop_two(tensors: Tensors, rng: Random) -> str | None:
    return removed(tensors, rng.sample(sorted(tensors), 2)) if len(tensors) >= FEW else None


def drop_half(tensors: Tensors, rng: Random) -> str | None:
    return removed(tensors, sorted(rng.sample(sorted(tensors), len(tensors) // 2))) if len(tensors) >= FEW else None


def drop_everywhere(tensors: Tensors, rng: Random) -> str | None:
    """The same tensor of all layers."""
    name = rng.choice(sorted(tensors))
    return removed(tensors, [other for other in sorted(tensors) if template(other) == template(name)])


def drop_all(tensors: Tensors, _: Random) -> str | None:
    return removed(tensors, sorted(tensors))


def drop_trunk(tensors: Tensors, _: Random) -> str | None:
    """All that begins like most names."""
    roots = [name.split(".")[0] for name in tensors]
    trunk = max(sorted(set(roots)), key=roots.count)
    return removed(tensors, [name for name in sorted(tensors) if name.split(".")[0] == trunk])


def drop_layer(which: int) -> Edit:
    def edit(tensors: Tensors, _: Random) -> str | None:
        stack = layers(tensors)
        return removed(tensors, in_layer(tensors, stack[0], stack[1][which])) if stack else None

    return edit


def extra_layer(tensors: Tensors, _: Random) -> str | None:
    stack = layers(tensors)
    if not stack:
        return None
    prefix, last = stack[0], stack[1][-1]
    for name in in_layer(tensors, prefix, last):
        tensors[f"{prefix}{last + 1}.{name.removeprefix(f'{prefix}{last}.')}"] = tensors[name].clone()
    return f"{prefix}{last + 1}"


def extra_tensor(name: str) -> Edit:
    def edit(tensors: Tensors, _: Random) -> str | None:
        if name in tensors:
            return None
        tensors[name] = torch.zeros(3, 3)
        return name

    return edit


def extra_beside(ending: str) -> Edit:
    """A tensor that older versions stored, beside one of a layer."""

    def edit(tensors: Tensors, rng: Random) -> str | None:
        beside = rng.choice(sorted(tensors))
        name = f"{beside.rpartition('.')[0]}.{ending}".lstrip(".")
        if name in tensors:
            return None
        tensors[name] = torch.zeros(4)
        return name

    return edit


def head_beside_embedding(tensors: Tensors, _: Random) -> str | None:
    """A head stored although the model may tie it."""
    name = embedding(tensors)
    if name is None or "lm_head.weight" in tensors:
        return None
    tensors["lm_head.weight"] = tensors[name].clone()
    return "lm_head.weight"


def expert_part_dropped(tensors: Tensors, rng: Random) -> str | None:
    experts = expert_lists(tensors)
    return removed(tensors, [rng.choice(experts[rng.choice(sorted(experts))])]) if experts else None


def last_expert_dropped(tensors: Tensors, rng: Random) -> str | None:
    experts = expert_lists(tensors)
    if not experts:
        return None
    prefix = rng.choice(sorted(experts))
    last = max(int(name.removeprefix(prefix).split(".")[0]) for name in experts[prefix])
    return removed(tensors, in_layer(tensors, prefix, last))


def layer_of_experts_dropped(tensors: Tensors, rng: Random) -> str | None:
    experts = expert_lists(tensors)
    return removed(tensors, experts[rng.choice(sorted(experts))]) if experts else None


def expert_more(tensors: Tensors, rng: Random) -> str | None:
    experts = expert_lists(tensors)
    if not experts:
        return None
    prefix = rng.choice(sorted(experts))
    last = max(int(name.removeprefix(prefix).split(".")[0]) for name in experts[prefix])
    for name in in_layer(tensors, prefix, last):
        tensors[f"{prefix}{last + 1}.{name.removeprefix(f'{prefix}{last}.')}"] = tensors[name].clone()
    return f"{prefix}{last + 1}"


def expert_of_another_shape(tensors: Tensors, rng: Random) -> str | None:
    experts = expert_lists(tensors)
    names = [name for names in experts.values() for name in names if tensors[name].dim() > 0]
    if not names:
        return None
    name = rng.choice(names)
    tensors[name] = row_more(tensors[name])
    return f"{name} {list(tensors[name].shape)}"


EDITS: dict[str, Edit] = {
    "drop a matrix": drop(matrix),
    "drop a vector": drop(vector),
    "drop any tensor": drop(not_empty),
    "drop a bias": drop_bias,
    "drop the embedding": drop_embedding,
    "drop the head": drop_head,
    "drop two tensors": drop_two,
    "drop half of the tensors": drop_half,
    "drop one tensor of all layers": drop_everywhere,
    "drop the trunk": drop_trunk,
    "drop all tensors": drop_all,
    "drop the first layer": drop_layer(0),
    "drop the last layer": drop_layer(-1),
    "extra layer": extra_layer,
    "extra tensor": extra_tensor("foo.bar.weight"),
    "extra tensor of multi-token prediction": extra_tensor("mtp.fc.weight"),
    "extra inv_freq": extra_beside("rotary_emb.inv_freq"),
    "extra position_ids": extra_beside("position_ids"),
    "extra bias": extra_beside("bias"),
    "head beside the embedding": head_beside_embedding,
    "part of an expert dropped": expert_part_dropped,
    "last expert of a layer dropped": last_expert_dropped,
    "all experts of a layer dropped": layer_of_experts_dropped,
    "one expert more": expert_more,
    "expert of another shape": expert_of_another_shape,
}

LOST: dict[str, Mutate] = {name: on_tensors(edit) for name, edit in EDITS.items()}
