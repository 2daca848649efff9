"""Modules of torch that nobody would write: random trees with ties, buffers, classes never split, names in names."""

# ruff: noqa: PLR2004, S311 - shares of chance, no secrets, and the fields that the planners read

from collections.abc import Iterator
from random import Random

import torch
from torch import nn

from benchmarks.placement.oracle import target_of
from hfcheck.placement.device import Key
from hfcheck.placement.target import Dialect, Mode, Target

PARTS = ("a", "b", "aa", "head", "lm_head", "layers", "0", "1", "w", "emb", "x_a")
"""Names of modules, some of which are part of another one."""

KINDS = tuple(type(name, (nn.Module,), {}) for name in ("Block", "Layer", "Cell", "Odd"))
PLAIN = type("Plain", (nn.Module,), {})
DEEPEST = 4
TARGETS = 4

MODES: tuple[Mode, ...] = ("auto", "balanced", "balanced_low_0", "sequential")
NUMBERS: tuple[list[int], ...] = ([], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [1, 2], [0, 2])
SHARES = (0, 0.05, 0.1, 0.2, 0.3, 0.3, 0.5, 0.7, 1.2)


def random_module(random: Random, dialect: Dialect) -> nn.Module:
    """A tree with what the planner of a dialect asks of a model: tied for accelerate, untied for transformers."""
    root = _module(random, 0, PLAIN)
    kinds = [kind.__name__ for kind in random.sample(KINDS, random.choice([0, 1, 2, 3]))]
    fields: dict[str, object] = {"_no_split_modules": kinds or random.choice([None, []])}
    ties = _ties(random, root)
    fields["all_tied_weights_keys"] = ties if dialect == "transformers" else {}
    if dialect == "accelerate":
        for target, source in ties.items():
            _tie(root, target, source)
    inside = [name.split(".", dots)[-1] for name, _ in root.named_parameters() for dots in (1, 2, 3)]
    if inside and random.random() < 0.15:
        fields["_no_placement_params"] = random.sample(inside, 1)
    for name, value in fields.items():
        setattr(root, name, value)
    return root


def random_targets(random: Random, nbytes: int, dialect: Dialect) -> Iterator[Target]:
    """Targets with budgets that are shares of these bytes."""
    for _ in range(TARGETS):
        memory: dict[Key, int] = {key: int(nbytes * random.choice(SHARES)) for key in random.choice(NUMBERS)}
        if random.random() < 0.08:
            memory["mps"] = int(nbytes * random.choice([0.3, 0.5, 2]))
        if random.random() < 0.7:
            memory["cpu"] = int(nbytes * random.choice([0, 0.1, 0.3, 0.5, 2]))
        if random.random() < 0.1:
            memory["disk"] = 10**9
        yield target_of(memory, random.choice(MODES), dialect, is_free=random.random() < 0.15)


def _module(random: Random, depth: int, kind: type[nn.Module]) -> nn.Module:
    module = kind()
    for number in range(random.choice([0, 0, 1, 1, 2])):
        tensor = torch.empty(random.choice([1, 2, 3, 7, 10, 10, 10, 50, 200]), device="meta", dtype=_dtype(random))
        module.register_parameter(f"weight{number}", nn.Parameter(tensor, requires_grad=False))
    if random.random() < 0.25:
        dtype = random.choice([torch.bool, torch.float32])
        tensor = torch.empty(random.choice([1, 2, 8, 30]), device="meta", dtype=dtype)
        module.register_buffer("buffer", tensor, persistent=random.random() < 0.5)
    if depth < DEEPEST - 1 and random.random() < 0.15:  # a list of equal layers
        layer, seed = random.choice(KINDS), random.random()
        for number in range(random.randint(2, 12)):
            module.add_module(str(number), _module(Random(seed), depth + 1, layer))
    elif depth < DEEPEST:
        for part in random.sample(PARTS, random.randint(0, 5)):
            module.add_module(part, _module(random, depth + 1, random.choice([*KINDS, *[PLAIN] * 4])))
    return module


def _dtype(random: Random) -> torch.dtype:
    return random.choice([torch.bfloat16, torch.uint8, torch.float32])


def _ties(random: Random, root: nn.Module) -> dict[str, str]:
    """A few ties, seldom of parameters of the root: both planners stop at those."""
    names = [name for name, _ in root.named_parameters() if name.count(".") >= random.choice([0, 1, 1, 1, 2])]
    ties: dict[str, str] = {}
    for _ in range(random.choice([0, 0, 1, 1, 2]) if len(names) > 2 else 0):
        source, *targets = random.sample(names, random.choice([2, 2, 3]))
        if source not in ties:
            taken = {source, *ties, *ties.values()}
            ties.update({target: source for target in targets if target not in taken})
    return ties


def _tie(root: nn.Module, target: str, source: str) -> None:
    path, _, part = target.rpartition(".")
    setattr(root.get_submodule(path), part, root.get_parameter(source))
