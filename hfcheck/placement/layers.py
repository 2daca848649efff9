"""The blocks of a model and the layers of its cache: which tensors are in each, wherever they are placed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from hfcheck.loading.spec import Shape
from hfcheck.placement.activations import Reads, Widths, widths
from hfcheck.placement.cache import Cache
from hfcheck.placement.generation import Generation
from hfcheck.placement.model import Model, Module

_IMAGES = ("vision", "visual", "image", "audio", "vit.", "patch", "tower", "siglip", "clip")


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """`inside` has the names of the tensors in each block and each layer that keeps something, by its path.

    `widths` has for each block what it makes of a token.
    """

    inside: Mapping[str, tuple[str, ...]]
    widths: Mapping[str, Widths]


def layers_of(model: Model, generation: Generation, shapes: Mapping[str, Shape]) -> Layers:
    """Those of a model; `shapes` are those of its tensors, as far as they are known."""
    cache = generation.cache or Cache(())
    blocks = list(_blocks(model.root))
    inside = _inside({*blocks, *(one.path for one in cache.kept), *cache.unknown_layers}, model.weights)
    made = {
        path: widths(
            _reads(path, generation),
            ((name, shapes[name]) for name in inside[path] if name in shapes),
            generation.sizes,
        )
        for path in blocks
    }
    return Layers(inside, made)


def _blocks(root: Module) -> Iterator[str]:
    """The modules that are never split, the outermost ones, in the order of the model."""
    stack = [("", root)]
    while stack:
        path, module = stack.pop()
        if module.kind:
            yield path
            continue
        prefix = f"{path}." if path else ""
        stack.extend((prefix + name, child) for name, child in reversed(module.children.items()))


def _inside(paths: Collection[str], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each path the names below it, in order."""
    found: dict[str, list[str]] = {path: [] for path in paths}
    above: dict[str, tuple[str, ...]] = {"": ("",) if "" in found else ()}
    for name in names:
        for path in _above(name.rpartition(".")[0], found, above):
            found[path].append(name)
    return {path: tuple(below) for path, below in found.items()}


def _above(module: str, wanted: Collection[str], known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The wanted paths that lead to a module or through it; `known` remembers them for every module that was asked."""
    chain = []
    while module not in known:
        chain.append(module)
        module = module.rpartition(".")[0]
    found = known[module]
    for path in reversed(chain):
        found = known[path] = (*found, path) if path in wanted else found
    return found


def _reads(path: str, generation: Generation) -> Reads:
    cache, sizes = generation.cache, generation.sizes
    if cache is not None and any(path.startswith(stack) for stack in cache.layers):
        return "target"
    if any(word in path for word in _IMAGES) or (sizes.patches is not None and sizes.vocabulary is None):
        return "image"
    return "source" if sizes.is_encoder_decoder else "target"
