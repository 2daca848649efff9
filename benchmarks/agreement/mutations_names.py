"""Damage to the names of tensors: typos, prefixes, numbers of layers, names of other versions."""

from pathlib import Path
from random import Random

import torch
import transformers

from benchmarks.agreement.checkpoint import (
    SINGLE,
    Mutate,
    Tensors,
    in_layer,
    layers,
    on_tensors,
    read_config,
    read_tensors,
    write_tensors,
)
from benchmarks.agreement.tensors import Edit, rename


def layer_gap(tensors: Tensors, _: Random) -> str | None:
    """The last layer has a number too high."""
    stack = layers(tensors)
    if not stack:
        return None
    prefix, last = stack[0], stack[1][-1]
    rename(
        tensors,
        {n: f"{prefix}{last + 1}.{n.removeprefix(f'{prefix}{last}.')}" for n in in_layer(tensors, prefix, last)},
    )
    return f"{prefix}{last} is named {last + 1}"


def layers_from_one(tensors: Tensors, _: Random) -> str | None:
    stack = layers(tensors)
    if not stack:
        return None
    prefix, indexes = stack
    new = {
        name: f"{prefix}{index + 1}.{name.removeprefix(f'{prefix}{index}.')}"
        for index in indexes
        for name in in_layer(tensors, prefix, index)
    }
    rename(tensors, new)
    return f"{prefix} counts from one"


def typo(tensors: Tensors, rng: Random) -> str | None:
    name = rng.choice(sorted(tensors))
    wrong = name.replace(".weight", ".wieght") if ".weight" in name else f"{name}x"
    rename(tensors, {name: wrong})
    return wrong


def typo_everywhere(tensors: Tensors, rng: Random) -> str | None:
    """A module is named otherwise in all layers."""
    name = rng.choice(sorted(name for name in tensors if "." in name) or [""])
    module = name.split(".")[-2] if name else ""
    new = {other: other.replace(f"{module}.", f"{module}x.") for other in tensors if f"{module}." in other}
    if not module or module.isdigit() or len(set(new.values())) < len(new):
        return None
    rename(tensors, new)
    return f"{module} is named {module}x"


def upper_case(tensors: Tensors, rng: Random) -> str | None:
    name = rng.choice(sorted(tensors))
    if name.upper() in tensors:
        return None
    rename(tensors, {name: name.upper()})
    return name.upper()


def all_renamed(tensors: Tensors, _: Random) -> str | None:
    rename(tensors, {name: f"t{number}" for number, name in enumerate(sorted(tensors))})
    return "no name is what it was"


def prefixed(prefix: str) -> Edit:
    def edit(tensors: Tensors, _: Random) -> str | None:
        rename(tensors, {name: f"{prefix}{name}" for name in tensors})
        return prefix

    return edit


def half_prefixed(tensors: Tensors, rng: Random) -> str | None:
    some = set(rng.sample(sorted(tensors), (len(tensors) + 1) // 2))
    rename(tensors, {name: f"model.{name}" for name in some})
    return "model. before half of the names" if len(set(tensors)) > 1 else None


def doubled_prefix(tensors: Tensors, _: Random) -> str | None:
    rename(tensors, {name: f"{name.split('.')[0]}.{name}" for name in tensors})
    return "the first part of each name twice"


def stripped(tensors: Tensors, _: Random) -> str | None:
    """Without the part with which most names begin."""
    roots = [name.split(".")[0] for name in tensors]
    prefix = f"{max(sorted(set(roots)), key=roots.count)}."
    new = {name: name.removeprefix(prefix) for name in tensors}
    if len(set(new.values())) < len(new) or not all(new.values()):
        return None
    rename(tensors, new)
    return prefix


def legacy_norms(tensors: Tensors, _: Random) -> str | None:
    ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    new = {n: n.removesuffix(end) + old for n in tensors for end, old in ends.items() if n.endswith(end)}
    rename(tensors, new)
    return f"{len(new)} names" if new else None


def both_norms(tensors: Tensors, rng: Random) -> str | None:
    names = sorted(name for name in tensors if name.endswith("LayerNorm.weight"))
    if not names:
        return None
    name = rng.choice(names)
    tensors[name.removesuffix("weight") + "gamma"] = torch.zeros_like(tensors[name])
    return f"{name} and gamma"


def legacy_weight_norm(tensors: Tensors, _: Random) -> str | None:
    ends = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}
    new = {n: n.removesuffix(end) + old for n in tensors for end, old in ends.items() if n.endswith(end)}
    rename(tensors, new)
    return f"{len(new)} names" if new else None


def _in_memory(folder: Path) -> Tensors:
    """The tensors of the loaded model under its own names, which are not those on disk for every architecture."""
    model_class = getattr(transformers, read_config(folder)["architectures"][0])
    model = model_class.from_pretrained(folder)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def names_of_memory(folder: Path, _: Random) -> str | None:
    """Saved by `save_file(model.state_dict())`: experts are fused, towers are where this version has them."""
    stored, memory = read_tensors(folder / SINGLE), _in_memory(folder)
    if stored.keys() == memory.keys():
        return None
    write_tensors(folder / SINGLE, memory)
    return f"{len(memory.keys() - stored.keys())} other names"


def names_of_memory_beside(folder: Path, _: Random) -> str | None:
    """Fused and single experts side by side, or a tower under two names."""
    stored, memory = read_tensors(folder / SINGLE), _in_memory(folder)
    if not memory.keys() - stored.keys():
        return None
    write_tensors(folder / SINGLE, memory | stored)
    return f"{len(memory.keys() - stored.keys())} more names"


EDITS: dict[str, Edit] = {
    "gap in the layers": layer_gap,
    "layers from one": layers_from_one,
    "typo in a name": typo,
    "typo in all layers": typo_everywhere,
    "name in upper case": upper_case,
    "no name matches": all_renamed,
    "prefix module.": prefixed("module."),
    "prefix _orig_mod.": prefixed("_orig_mod."),
    "prefix model.": prefixed("model."),
    "prefix base_model.model.": prefixed("base_model.model."),
    "prefix model. on half of the names": half_prefixed,
    "first part of names twice": doubled_prefix,
    "first part of names cut off": stripped,
    "LayerNorm.gamma and beta": legacy_norms,
    "LayerNorm.gamma beside weight": both_norms,
    "weight_g and weight_v": legacy_weight_norm,
}

NAMES: dict[str, Mutate] = {name: on_tensors(edit) for name, edit in EDITS.items()} | {
    "names as in memory": names_of_memory,
    "names as in memory beside those on disk": names_of_memory_beside,
}
