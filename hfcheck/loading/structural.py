"""What looks out of place among tensors of which nothing is known: a check of names, shapes and dtypes by themselves.

For types without an entry in the atlas and for code of a repository. A layer is held against its neighbours, a bias
against its weight, an embedding against the numbers of the config. Nothing here is a fault for certain: real models
have layers that differ, in patterns (hybrids), at either end, or in one tensor of another size. What all models of
transformers 5.23 have is silent; a head that is missing, or a prefix too many or too few, is not seen.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hfcheck.formats.tensor import Tensor
from hfcheck.loading.spec import Shape

Indices = tuple[int, ...]
Population = dict[Indices, Tensor]
"""The instances of one template: `layers.{}.mlp.experts.{}.up_proj.weight` has (layer, expert)."""

Member = tuple[str, Indices]
"""A tensor of a layer: its template, and the indices behind the layer's own."""

_INDEX = re.compile(r"\.(0|[1-9][0-9]{0,8})(?=\.|$)")

WRAPPERS = ("module.", "_orig_mod.", "base_model.model.")
"""What DataParallel, `torch.compile` and peft put before every name when the wrapper is saved and not the model."""

EMBEDDINGS = frozenset({
    "embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "token_embedding", "shared",
})  # fmt: skip

LAYER_COUNTS = frozenset({
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers", "num_decoder_layers",
    "num_encoder_layers", "depth", "num_blocks",
})  # fmt: skip

LAYERS = frozenset({"layers", "layer", "h"})

FEW = 3
"""Layers below which there is no telling which of them is the odd one."""

PADDING = 8
"""Embeddings that are padded have a multiple of this many rows."""

MOST = 2**63
"""Numbers of a config from here on are no sizes."""

MATRIX = 2
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
NOT_WEIGHTS = frozenset({"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64"})


@dataclass(frozen=True, slots=True)
class StructuralOddity:
    """Something out of place.

    `place` is a tensor, there or not, or the path of a layer; `template` is the same with `{}` for indices. Both are
    words of the repository. `expectation` is a phrase that goes on after "expected", of numbers and our own words.
    """

    template: str
    place: str
    expectation: str


@dataclass(frozen=True, slots=True)
class _Stack:
    """Numbered modules of one parent: `model.layers` with 0, 1 and so on, each with the names that go on behind it.

    A name is a template and the indices behind the first. `majority` are the names that most of the layers have,
    `odd` the layers that have others.
    """

    prefix: str
    layers: Mapping[int, frozenset[Member]]
    majority: frozenset[Member]
    odd: tuple[int, ...]

    @property
    def few(self) -> int:
        """How many layers may be odd before they are a kind of their own."""
        return max(1, len(self.layers) // 10)

    def is_inside(self, layer: int) -> bool:
        """Whether there are layers on both sides: the first and the last of a real model are often special."""
        return min(self.layers) < layer < max(self.layers)


def oddities(tensors: Mapping[str, Tensor], config: Mapping[str, Any] | None = None) -> tuple[StructuralOddity, ...]:
    """What looks out of place, in no more than one remark for each layer and each template."""
    if wrapped := _wrapped(tensors):
        return (wrapped,)
    populations = _populations(tensors)
    stacks = _stacks(populations)
    return (
        *(oddity for stack in stacks for oddity in _gaps(stack)),
        *(oddity for stack in stacks for oddity in _uneven(stack, populations)),
        *_odd_shapes(populations),
        *_odd_dtypes(populations),
        *_unequal_pairs(tensors),
        *_unlike_the_config(tensors, stacks, config or {}),
    )


def _wrapped(tensors: Mapping[str, Tensor]) -> StructuralOddity | None:
    for wrapper in WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            first = next(iter(tensors))
            return StructuralOddity(first, first, f"names without the `{wrapper}` of a wrapper before each of them")
    return None


def _populations(tensors: Mapping[str, Tensor]) -> dict[str, Population]:
    populations: defaultdict[str, Population] = defaultdict(dict)
    for name, tensor in tensors.items():
        if "{}" in name:  # nobody's layer, and it would be taken for a template
            continue
        pieces = _INDEX.split(name)
        populations[".{}".join(pieces[::2])][tuple(map(int, pieces[1::2]))] = tensor
    return populations


def _stacks(populations: Mapping[str, Population]) -> list[_Stack]:
    layers: defaultdict[str, defaultdict[int, set[Member]]] = defaultdict(lambda: defaultdict(set))
    for template, population in populations.items():
        prefix, index, _ = template.partition(".{}")
        if index:
            stack = layers[prefix]
            for indices in population:
                stack[indices[0]].add((template, indices[1:]))
    return [_stack(prefix, members) for prefix, members in layers.items()]


def _stack(prefix: str, members: Mapping[int, set[Member]]) -> _Stack:
    layers = {layer: frozenset(members[layer]) for layer in sorted(members)}
    majority = Counter(layers.values()).most_common(1)[0][0]
    return _Stack(prefix, layers, majority, tuple(layer for layer, names in layers.items() if names != majority))


def _gaps(stack: _Stack) -> Iterator[StructuralOddity]:
    """Numbers left out in a row of equal layers. A Sequential leaves some out, for parts without parameters."""
    absent = sorted(set(range(min(stack.layers), max(stack.layers))) - stack.layers.keys())
    if absent and len(absent) <= stack.few and len(stack.layers) >= FEW and len(stack.majority) >= FEW:
        place = f"{stack.prefix}.{absent[0]}"
        yield StructuralOddity(f"{stack.prefix}.{{}}", place, f"a layer {absent[0]} between its neighbours")


def _uneven(stack: _Stack, populations: Mapping[str, Population]) -> Iterator[StructuralOddity]:
    """A layer that lacks what all but few others have, with nothing else in its place."""
    if len(stack.layers) < FEW or len(stack.odd) > stack.few:
        return
    for layer in stack.odd:
        lacks, has = sorted(stack.majority - stack.layers[layer]), stack.layers[layer] - stack.majority
        if not lacks or (has and not _is_renamed(stack, populations, layer)):
            continue
        alone = len(lacks) == 1
        if (alone or _is_part(stack, layer, lacks)) and (
            has or stack.is_inside(layer) or (alone and _is_matrix(populations, lacks[0]))
        ):
            template, behind = lacks[0]
            place = _name(template, (layer, *behind))
            yield StructuralOddity(template, place, "this tensor, as the other layers have it")


def _is_renamed(stack: _Stack, populations: Mapping[str, Population], layer: int) -> bool:
    """Whether one tensor of a layer has another name than everywhere else, and the shape it has there."""
    lacks, has = stack.majority - stack.layers[layer], stack.layers[layer] - stack.majority
    if len(lacks) != 1 or len(has) != 1:
        return False
    ((template, behind),) = lacks
    ((other, inner),) = has
    usual = {tensor.shape for indices, tensor in populations[template].items() if indices[1:] == behind}
    indices = (layer, *inner)
    return populations[other][indices].shape in usual


def _is_part(stack: _Stack, layer: int, lacks: list[Member]) -> bool:
    """Whether a layer lacks a part of a module: blocks without a whole one, a projection for example, are common."""
    modules = {(template.rpartition(".")[0], behind) for template, behind in lacks}
    return any((template.rpartition(".")[0], behind) in modules for template, behind in stack.layers[layer])


def _is_matrix(populations: Mapping[str, Population], member: Member) -> bool:
    return all(len(tensor.shape) > 1 for tensor in populations[member[0]].values())


def _odd_shapes(populations: Mapping[str, Population]) -> Iterator[StructuralOddity]:
    """A single tensor of another shape than its namesakes; where a layer is of another size, several differ."""
    found: defaultdict[tuple[str, int], list[tuple[str, Indices, Shape]]] = defaultdict(list)
    for template, population in populations.items():
        if len(population) < FEW or "{}" not in template:
            continue
        (usual, count), *others = Counter(tensor.shape for tensor in population.values()).most_common()
        if not others or len(population) - count > max(1, len(population) // 20):
            continue
        for indices, tensor in population.items():
            if tensor.shape != usual:
                found[template.partition(".{}")[0], indices[0]].append((template, indices, usual))
    for odd in found.values():
        (template, indices, usual), *more = odd
        layers = {others[0] for others in populations[template]}
        turned = populations[template][indices].shape in (usual[::-1], (1, *usual), (0,), (1,))
        if not more and (turned or min(layers) < indices[0] < max(layers)):
            yield StructuralOddity(template, _name(template, indices), f"the shape {list(usual)} of the others")


def _odd_dtypes(populations: Mapping[str, Population]) -> Iterator[StructuralOddity]:
    """Integers or truth values where all others of a name are floating: several such templates are a quantisation."""
    found = [
        (template, indices)
        for template, population in populations.items()
        for indices, tensor in population.items()
        if tensor.dtype in NOT_WEIGHTS and sum(other.dtype in FLOATS for other in population.values()) >= FEW - 1
    ]
    for template, indices in found[:1] if len(found) <= FEW else ():
        yield StructuralOddity(template, _name(template, indices), "floating-point numbers, as in the others")


def _unequal_pairs(tensors: Mapping[str, Tensor]) -> Iterator[StructuralOddity]:
    """A bias that fits neither side of its weight, unless all of its kind are so; a gate unlike what it gates."""
    biases = defaultdict(list)
    for name, tensor in tensors.items():
        if name.endswith(".bias"):
            weight = tensors.get(f"{name.removesuffix('bias')}weight")
            if weight is None or len(weight.shape) != MATRIX or weight.dtype not in FLOATS or len(tensor.shape) != 1:
                continue
            biases[_template(name)].append((name, weight.shape, tensor.shape[0] in weight.shape))
        elif name.endswith(".gate_proj.weight"):
            up = tensors.get(f"{name.removesuffix('gate_proj.weight')}up_proj.weight")
            if up is not None and up.shape != tensor.shape:
                yield StructuralOddity(_template(name), name, f"the shape {list(up.shape)} of `up_proj` beside it")
    for template, pairs in biases.items():
        if len(pairs) > 1 and not any(fits for _, _, fits in pairs):
            continue
        for name, shape, fits in pairs:
            if not fits:
                yield StructuralOddity(template, name, f"as many numbers as the weight has rows, {shape[0]}")


def _unlike_the_config(
    tensors: Mapping[str, Tensor], stacks: list[_Stack], config: Mapping[str, Any]
) -> Iterator[StructuralOddity]:
    """Sizes that no number of the config explains: of embeddings, and of the largest stack."""
    numbers = dict(_numbers(config))
    yield from _rows(tensors, numbers)
    yield from _count(stacks, numbers)


def _rows(tensors: Mapping[str, Tensor], numbers: Mapping[str, set[int]]) -> Iterator[StructuralOddity]:
    vocabularies = {number for key, found in numbers.items() if "vocab" in key for number in found}
    known = {number for found in numbers.values() for number in found}
    for name, tensor in tensors.items():
        module, _, table = name.removesuffix(".weight").rpartition(".")
        if table not in EMBEDDINGS or not name.endswith(".weight") or len(tensor.shape) != MATRIX:
            continue
        if _INDEX.search(name) or "embed" in module:  # several tables, of which the config may count the sum
            continue
        rows, columns = tensor.shape
        padded = rows % PADDING == 0 and any(number < rows for number in vocabularies)
        if len(vocabularies) == 1 and rows not in known and not padded:
            yield StructuralOddity(name, name, f"as many rows as `vocab_size` says, {min(vocabularies)}")
        elif len(known) > FEW and columns not in known:
            yield StructuralOddity(name, name, f"a width that is somewhere in the config, not {columns}")


def _count(stacks: Iterable[_Stack], numbers: Mapping[str, set[int]]) -> Iterator[StructuralOddity]:
    """The largest stack, against every number of the config: for a name of a count there are too many spellings."""
    known = {number for found in numbers.values() for number in found}
    counts = sorted({number for key in LAYER_COUNTS & numbers.keys() for number in numbers[key]})
    largest = max(stacks, key=lambda stack: sum(map(len, stack.layers.values())), default=None)
    if largest is None or not counts or largest.prefix.rpartition(".")[2] not in LAYERS:
        return
    alike = len(largest.odd) <= largest.few and len(largest.majority) > FEW
    if alike and len(largest.layers) not in known and "quantizer" not in largest.prefix:
        sizes = " or ".join(map(str, counts[:FEW]))
        place = f"{largest.prefix}.{max(largest.layers)}"
        expectation = f"as many layers as the config says, {sizes}, not {len(largest.layers)}"
        yield StructuralOddity(f"{largest.prefix}.{{}}", place, expectation)


def _numbers(config: Mapping[str, Any]) -> dict[str, set[int]]:
    """Every integer and every length of a list of a config, under the name of its field, at whatever depth."""
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    pending: list[tuple[str, Any]] = [("", config)]
    while pending:
        key, value = pending.pop()
        if type(value) is int and value < MOST:
            numbers[key].add(value)
        elif isinstance(value, dict):
            pending.extend((str(inner), part) for inner, part in value.items())
        elif isinstance(value, list):
            numbers[key].add(len(value))
            pending.extend((key, part) for part in value)
    return numbers


def _name(template: str, indices: Indices) -> str:
    pieces = template.split("{}")
    return "".join(piece + str(index) for piece, index in zip(pieces, indices, strict=False)) + pieces[-1]


def _template(name: str) -> str:
    return _INDEX.sub(".{}", name)
